// JSON documents as the load generator makes them (load/json.c): orders of an exact size, all of them different.

const FIRST_NAMES = 'Mei Oluwaseun Ingrid Rafael Priya Tomasz Aisha Liam Noemi Wei Elif Johannes'.split(' ')
const LAST_NAMES =
  'Tanaka Okafor Lindqvist Moreira Raman Kowalczyk Haddad Byrne Fontaine Zhang Demir Vogel'.split(' ')
const STREETS =
  'Harbour Road,Mill Lane,Station Street,Orchard Avenue,Quay Side,Bridge End,Market Square,North Parade'.split(
    ',',
  )
const CITIES = 'Lisbon,Gdansk,Osaka,Lagos,Porto Alegre,Galway,Izmir,Chengdu,Malmo,Marseille'.split(',')
const COUNTRIES = 'PT PL JP NG BR IE TR CN SE FR'.split(' ')
const PRODUCTS = (
  'Mechanical keyboard,Desk lamp,Noise-cancelling headset,USB-C dock,Standing mat,Monitor arm,Webcam cover,' +
  'Label printer,Travel adapter,Whiteboard markers,Cable organiser,Ergonomic mouse'
).split(',')
const STATES = 'paid packed shipped delivered returned'.split(' ')
const CURRENCIES = 'EUR USD JPY GBP'.split(' ')
const WORDS = (
  'please leave the parcel with our neighbour ring twice before noon gift invoice by mail second floor call ahead ' +
  'fragile handle care door code behind gate deliver after work friday replace broken charger'
).split(' ')

/** Make a document of so many bytes; another one for each index. */
export function makeDocument(size: number, index: number): string {
  let state = Math.imul(0x9e3779b9, index + 1)
  const draw = (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
  const pick = (list: readonly string[]): string => list[draw(list.length)]!
  const hex = (digits: number): string =>
    draw(16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  const decimal = (digits: number, below: number, from = 0): string =>
    String(from + draw(below)).padStart(digits, '0')
  const letter = (): string => String.fromCharCode(65 + draw(26))

  const [first, last] = [pick(FIRST_NAMES), pick(LAST_NAMES)]
  let text =
    `{"id":"${hex(4)}${hex(4)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(6)}${hex(6)}",` +
    `"type":"order.updated","version":${1 + draw(40)},` +
    `"updatedAt":"2026-${decimal(2, 12, 1)}-${decimal(2, 28, 1)}T${decimal(2, 24)}:${decimal(2, 60)}:` +
    `${decimal(2, 60)}.${decimal(3, 1000)}Z",` +
    `"customer":{"id":${10000 + draw(90000)},"name":"${first} ${last}",` +
    `"email":"${first}.${last}${draw(100)}@example.com",` +
    `"address":{"street":"${1 + draw(300)} ${pick(STREETS)}","city":"${pick(CITIES)}",` +
    `"postcode":"${decimal(5, 100000)}","country":"${pick(COUNTRIES)}"}},` +
    `"status":"${pick(STATES)}","currency":"${pick(CURRENCIES)}","items":[`
  const item = (): string =>
    `{"sku":"${letter()}${letter()}-${decimal(4, 10000)}","name":"${pick(PRODUCTS)}","quantity":${1 + draw(9)},` +
    `"unitPrice":${2 + draw(400)}.${decimal(2, 100)},"inStock":${draw(5) > 0}}`
  text += item()
  // An item and the end of the document fit into this.
  while (text.length + 160 < size) text += `,${item()}`
  text += '],"note":"'
  // The customer's words fill what is left.
  while (text.length + 2 < size) text += `${pick(WORDS)} `
  return `${text.slice(0, size - 2)}"}`
}
