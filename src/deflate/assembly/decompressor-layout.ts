// Where everything lies in the decompressor's memory: tables, work space, then history and output end to end, the
// message, and the slots that hold the windows of connections.

/** By symbol: what its entry in a table says, but for the length of its code. */
export const LITERAL_MEANINGS: usize = 0
export const DISTANCE_MEANINGS: usize = 1152
export const RUN_MEANINGS: usize = 1280
/** The tables of the fixed codes: 1 << 9 and 1 << 5 entries of four bytes. */
export const FIXED_LITERALS: usize = 2048
export const FIXED_DISTANCES: usize = 4096
/** The tables of a block's own codes, with those behind them for longer codes: 1,334 and 402 entries at most. */
export const LITERAL_TABLE: usize = 4608
export const DISTANCE_TABLE: usize = 10240
export const RUN_TABLE: usize = 12288
/** Lengths of the codes for lengths, by symbol. */
export const RUN_LENGTHS: usize = 12800
/** Symbols with a code, in order: symbol << 4 | length of the code, in two bytes. */
export const USED: usize = 12832
/** How many codes there are of each length, of distances too, and the next of each: two bytes each. */
export const COUNTS: usize = 13504
export const DISTANCE_COUNTS: usize = 13536
export const NEXT_CODES: usize = 13568
/** By length of a code: 16 numbers of two bytes, of which the one for this length is 1. */
export const ONES: usize = 13824
/** By code in 10 bits: where its entry is in a table, from the last bit to the first. */
export const REVERSED: usize = 14336
/** What was decompressed, with room for the largest window before it, and for what is written too far behind it. */
export const OUTPUT: usize = 50176
export const OUTPUT_SIZE: usize = 65536
/** The message, with room behind it for what is read too far. */
export const MESSAGE: usize = 116736
export const LONGEST_MESSAGE: usize = 16384
export const SLOTS: usize = 134144
