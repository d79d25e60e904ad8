// The forms in which users give headers.

/** Take headers as an object, or as anything that gives pairs of name and value: `Headers`, a `Map`, a list. */
export type HeaderSource = Readonly<Record<string, string>> | Iterable<readonly [string, string]>

/** List headers as pairs; `option` names them in errors. The names and values themselves are checked where the request is built. */
export function listHeaders(headers: unknown, option = 'headers'): [string, string][] {
  if (typeof headers === 'object' && headers !== null) {
    if (Symbol.iterator in headers) {
      return Array.from(headers as Iterable<unknown>, (entry) => toPair(entry, option))
    }
    // Anything but a plain object keeps its content elsewhere, and its entries would be none.
    const prototype: object | null = Object.getPrototypeOf(headers)
    if (prototype === null || Object.getPrototypeOf(prototype) === null) return Object.entries(headers)
  }
  throw new TypeError(`${option} must be an object of strings, Headers, a Map, or a list of [name, value]`)
}

function toPair(entry: unknown, option: string): [string, string] {
  if (!Array.isArray(entry) || entry.length !== 2)
    throw new TypeError(`${option} must hold pairs [name, value]`)
  return [entry[0], entry[1]]
}
