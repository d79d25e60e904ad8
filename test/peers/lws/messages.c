// Makes the messages that the client sends.

#include "messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// 1 MiB is the most that servers of ours take unless told otherwise.
static const size_t SIZES[] = {0, 1, 100, 1024, 100 * 1024, 1024 * 1024};

// Characters of one, three and four bytes, which pieces of any size cut.
static void repeat_text(uint8_t *data, size_t size) {
  static const char UNIT[] = "四字😀..";
  size_t unit = sizeof UNIT - 1, length = 0;
  for (; length + unit <= size; length += unit) memcpy(data + length, UNIT, unit);
  memset(data + length, '.', size - length);
}

static void repeat_bytes(uint8_t *data, size_t size) {
  static const uint8_t UNIT[] = {0, 1, 2, 127, 128, 254, 255};
  for (size_t index = 0; index < size; index++) data[index] = UNIT[index % sizeof UNIT];
}

// Marsaglia's xorshift: the same on every run.
static void random_bytes(uint8_t *data, size_t size) {
  static uint32_t state = 2463534242u;
  for (size_t index = 0; index < size; index++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    data[index] = (uint8_t)(state >> 24);
  }
}

// Printable ASCII, of which compression takes a sixth off.
static void random_text(uint8_t *data, size_t size) {
  random_bytes(data, size);
  for (size_t index = 0; index < size; index++) data[index] = ' ' + data[index] % 95;
}

// How far back bytes are repeated: one for each window that zlib has, which reaches 262 bytes less than its size.
static const size_t DISTANCES[] = {240, 700, 1700, 3700, 7900, 16100, 32500};
static const size_t RUN = 64, FAR_SIZE = 34 * 1024;

// Bytes of which every other run stood there before.
static void bytes_from_afar(uint8_t *data, size_t size) {
  random_bytes(data, size);
  for (size_t start = 2 * RUN, turn = 0; start + RUN <= size; start += 2 * RUN, turn++) {
    size_t distance = DISTANCES[turn % COUNT_OF(DISTANCES)];
    if (distance <= start) memcpy(data + start, data + start - distance, RUN);
  }
}

static const struct kind {
  const char *name;
  bool is_text;
  void (*fill)(uint8_t *data, size_t size);
} KINDS[] = {
    {"%zu bytes of text that repeats", true, repeat_text},
    {"%zu bytes of random text", true, random_text},
    {"%zu bytes that repeat", false, repeat_bytes},
    {"%zu random bytes", false, random_bytes},
};
static const struct kind FAR_KIND = {"%zu bytes from afar", false, bytes_from_afar};

static struct message make_message(const struct kind *kind, size_t size) {
  char *name = malloc(64);
  uint8_t *data = malloc(size + 1);
  if (name == NULL || data == NULL) abort();
  snprintf(name, 64, kind->name, size);
  kind->fill(data, size);
  return (struct message){name, data, size, kind->is_text};
}

// Empty messages come first, so that they are easy to leave out.
struct series make_series(size_t largest) {
  static struct message messages[COUNT_OF(SIZES) * COUNT_OF(KINDS) + 1];
  size_t count = 0;
  for (size_t size = 0; size < COUNT_OF(SIZES) && SIZES[size] <= largest; size++) {
    for (size_t kind = 0; kind < COUNT_OF(KINDS); kind++) {
      messages[count++] = make_message(&KINDS[kind], SIZES[size]);
    }
  }
  messages[count++] = make_message(&FAR_KIND, FAR_SIZE);
  return (struct series){messages, count};
}
