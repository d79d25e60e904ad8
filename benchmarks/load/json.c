#include "json.h"
#include "process.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* More than any of the parts takes that are written in one go. */
#define PART 512
#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof *(list)))
#define PICK(list) ((list)[draw(COUNT(list))])

static const char *const first_names[] = {"Mei",   "Oluwaseun", "Ingrid", "Rafael", "Priya", "Tomasz",
                                          "Aisha", "Liam",      "Noemi",  "Wei",    "Elif",  "Johannes"};
static const char *const last_names[] = {"Tanaka", "Okafor", "Lindqvist", "Moreira", "Raman", "Kowalczyk",
                                         "Haddad", "Byrne",  "Fontaine",  "Zhang",   "Demir", "Vogel"};
static const char *const streets[] = {"Harbour Road", "Mill Lane",  "Station Street", "Orchard Avenue",
                                      "Quay Side",    "Bridge End", "Market Square",  "North Parade"};
static const char *const cities[] = {"Lisbon", "Gdansk", "Osaka",    "Lagos",  "Porto Alegre",
                                     "Galway", "Izmir",  "Chengdu", "Malmo", "Marseille"};
static const char *const countries[] = {"PT", "PL", "JP", "NG", "BR", "IE", "TR", "CN", "SE", "FR"};
static const char *const products[] = {"Mechanical keyboard", "Desk lamp",       "Noise-cancelling headset",
                                       "USB-C dock",          "Standing mat",    "Monitor arm",
                                       "Webcam cover",        "Label printer",   "Travel adapter",
                                       "Whiteboard markers",  "Cable organiser", "Ergonomic mouse"};
static const char *const states[] = {"paid", "packed", "shipped", "delivered", "returned"};
static const char *const currencies[] = {"EUR", "USD", "JPY", "GBP"};
static const char *const words[] = {"please", "leave",  "the",     "parcel", "with",   "our",     "neighbour",
                                    "ring",   "twice",  "before",  "noon",   "gift",   "invoice", "by",
                                    "mail",   "second", "floor",   "call",   "ahead",  "fragile", "handle",
                                    "care",   "door",   "code",    "behind", "gate",   "deliver", "after",
                                    "work",   "friday", "replace", "broken", "charger"};

static uint32_t state;

/* xorshift, as good as needed here. */
static uint32_t draw(uint32_t below) {
  state ^= state << 13, state ^= state >> 17, state ^= state << 5;
  return state % below;
}

struct text {
  uint8_t *bytes;
  uint64_t length, size;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...) {
  char part[PART];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(part, sizeof part, format, arguments);
  va_end(arguments);
  if (length >= PART || text->length + (uint64_t)length > text->size)
    fail("a JSON document needs a --size of more than %llu bytes", (unsigned long long)text->size);
  memcpy(text->bytes + text->length, part, (size_t)length);
  text->length += (uint64_t)length;
}

static void append_head(struct text *text) {
  const char *first = PICK(first_names), *last = PICK(last_names);
  append(text, "{\"id\":\"%08x-%04x-4%03x-a%03x-%06x%06x\",", draw(~0u), draw(1 << 16), draw(1 << 12),
         draw(1 << 12), draw(1 << 24), draw(1 << 24));
  append(text, "\"type\":\"order.updated\",\"version\":%u,", 1 + draw(40));
  append(text, "\"updatedAt\":\"2026-%02u-%02uT%02u:%02u:%02u.%03uZ\",", 1 + draw(12), 1 + draw(28), draw(24),
         draw(60), draw(60), draw(1000));
  append(text, "\"customer\":{\"id\":%u,\"name\":\"%s %s\",\"email\":\"%s.%s%u@example.com\",",
         10000 + draw(90000), first, last, first, last, draw(100));
  append(text, "\"address\":{\"street\":\"%u %s\",\"city\":\"%s\",\"postcode\":\"%05u\",\"country\":\"%s\"}},",
         1 + draw(300), PICK(streets), PICK(cities), draw(100000), PICK(countries));
  append(text, "\"status\":\"%s\",\"currency\":\"%s\",\"items\":[", PICK(states), PICK(currencies));
}

static void append_item(struct text *text, bool first) {
  append(text, "%s{\"sku\":\"%c%c-%04u\",\"name\":\"%s\",\"quantity\":%u,", first ? "" : ",", 'A' + draw(26),
         'A' + draw(26), draw(10000), PICK(products), 1 + draw(9));
  append(text, "\"unitPrice\":%u.%02u,\"inStock\":%s}", 2 + draw(400), draw(100), draw(5) ? "true" : "false");
}

/* The customer's words fill what is left. */
static void append_note(struct text *text) {
  static const char end[] = "\"}";
  append(text, "],\"note\":\"");
  while (text->length + sizeof end - 1 < text->size) {
    const char *word = PICK(words);
    uint64_t room = text->size - text->length - (sizeof end - 1);
    append(text, "%.*s", (int)(room < PART ? room : PART - 1), word);
    if (text->length + sizeof end - 1 < text->size) append(text, " ");
  }
  append(text, end);
}

void build_json(uint8_t *out, uint64_t size, uint32_t index) {
  /* An item and the end of the document fit into this. */
  const uint64_t item_room = 160;
  struct text text = {.bytes = out, .size = size};
  state = 0x9e3779b9 * (index + 1);
  append_head(&text);
  append_item(&text, true);
  while (text.length + item_room < size) append_item(&text, false);
  append_note(&text);
}
