// Where everything lies in the compressor's memory: tables, work space, then history and message end to end, the output,
// and the slots that hold what is kept between the messages of a connection: a table of places, and the window behind it.

/** Codes of literals: code | bits << 16. The code's first bit is the lowest, as it is written. */
export const FIXED_LITERALS: usize = 0
/** Codes of lengths 3 to 258 with their extra bits: code | bits << 24. */
export const FIXED_LENGTHS: usize = 1024
/** Symbols of distances: up to 256 by distance - 1, above by (distance - 1) >> 7 behind. */
export const DISTANCE_SYMBOLS: usize = 2560
/** By symbol: reversed code | extra bits << 8 | first distance << 16. */
export const FIXED_DISTANCES: usize = 3072
/** By length: symbol - 257. */
export const LENGTH_SYMBOLS: usize = 3328
/** By symbol - 257: first length | extra bits << 16. */
export const LENGTH_BASES: usize = 3584
/** How often symbols stand in a block. */
export const LITERAL_COUNTS: usize = 4096
export const DISTANCE_COUNTS: usize = 5376
export const RUN_COUNTS: usize = 5504
/** Lengths of codes, literals and distances end to end, and the codes themselves. */
export const CODE_LENGTHS: usize = 5632
export const RUN_LENGTHS: usize = 6016
export const LITERAL_CODES: usize = 6144
export const DISTANCE_CODES: usize = 7424
export const RUN_CODES: usize = 7552
/** Symbols in the order of their counts: count << 9 | symbol. */
export const SORTED: usize = 7680
/** The tree of a code while it is made. */
export const TREE: usize = 8896
/** How many codes there are of each length. */
export const LENGTH_COUNTS: usize = 10112
/** How the lengths of codes are written: symbol | value of extra bits << 8. */
export const RUNS: usize = 10368
/** Literals and matches of a block: a literal, or 1 << 31 | length << 16 | distance. */
export const TOKENS: usize = 12288
/** Where a message lies, with room for the largest window before it: 32 KiB each. */
export const MESSAGE: usize = 180224
/** Fixed codes make what cannot be compressed an eighth larger. */
export const OUTPUT: usize = 213056
export const SLOTS: usize = 262144

/** A table of places has 1 << 12 entries of two bytes. */
export const TABLE_SIZE: usize = 8192
