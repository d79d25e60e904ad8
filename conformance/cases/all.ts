// All cases, in the order of their groups.

import type { Case } from '../case.ts'
import { closing } from './closing.ts'
import { fragmentation } from './fragmentation.ts'
import { framing } from './framing.ts'
import { lengths } from './lengths.ts'
import { masking } from './masking.ts'
import { opcodes } from './opcodes.ts'
import { pings } from './pings.ts'
import { reservedBits } from './reserved-bits.ts'
import { cutMessages, sizes } from './sizes.ts'
import { utf8 } from './utf8.ts'

// The numbers 1 to 10 are those that implementers know from the Autobahn test suite, which has no group 8.
export const GROUPS: Readonly<Record<string, string>> = {
  '1': 'framing',
  '2': 'pings and pongs',
  '3': 'reserved bits',
  '4': 'opcodes',
  '5': 'fragmentation',
  '6': 'UTF-8',
  '7': 'closing',
  '9': 'sizes',
  '10': 'equal fragments',
  '11': 'masking',
  '12': 'lengths',
}

export const allCases: readonly Case[] = [
  ...framing,
  ...pings,
  ...reservedBits,
  ...opcodes,
  ...fragmentation,
  ...utf8,
  ...closing,
  ...sizes,
  ...cutMessages,
  ...masking,
  ...lengths,
]
