// Waiting for code of the user's, which may never come to an end.

import { follow } from '../checks.ts'

/** Wait for a value, but not after the signal was aborted: then reject with its reason. */
export function untilAborted<Value>(value: Value | PromiseLike<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise<Value>((resolve, reject) => {
    const unfollow = follow(signal, reject)
    Promise.resolve(value).then(resolve, reject).finally(unfollow)
  })
}
