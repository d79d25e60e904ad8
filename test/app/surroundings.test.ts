import { expect, test } from 'vitest'
import { nodeSurroundings } from '../../src/app/surroundings.ts'
import { connectedPair } from '../../src/testing/index.ts'

test('a peer that answers a ping is alive, one that is silent is not', async () => {
  const { client, hold } = connectedPair()
  await nodeSurroundings.probe(client, new AbortController().signal)
  hold()
  const aborter = new AbortController()
  const probing = nodeSurroundings.probe(client, aborter.signal)
  aborter.abort('too late')
  await expect(probing).rejects.toBe('too late')
  client.terminate()
})
