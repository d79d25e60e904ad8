import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  type DiagnosticsChannels,
  type FrameFact,
  isAnyoneListening,
  isListening,
  publish,
} from '../../src/trace/channels.ts'
import { listen } from './support.ts'

const NAMES: readonly (keyof DiagnosticsChannels)[] = [
  'openline:handshake:request',
  'openline:handshake:response',
  'openline:handshake:error',
  'openline:connection:open',
  'openline:connection:close',
  'openline:frame:sent',
  'openline:frame:received',
]

describe('channels', () => {
  test.each(NAMES)('%s has its subscribers', (name) => {
    expect(isAnyoneListening()).toBe(false)
    const facts: unknown[] = []
    const keep = (fact: unknown): void => void facts.push(fact)
    subscribe(name, keep)
    expect(isAnyoneListening()).toBe(true)
    expect(NAMES.filter(isListening)).toEqual([name])
    publish(name, { number: 1 } as never)
    unsubscribe(name, keep)
    expect(isAnyoneListening()).toBe(false)
    publish(name, { number: 2 } as never)
    expect(facts).toEqual([{ number: 1 }])
  })

  test('tell what they carry by their names', () => {
    expectTypeOf<DiagnosticsChannels['openline:frame:sent']>().toEqualTypeOf<FrameFact>()
    const facts = listen('openline:handshake:error')
    publish('openline:handshake:error', { number: 1, role: 'client', error: new Error('no') })
    expect(facts).toMatchObject([{ fact: { role: 'client' } }])
  })
})
