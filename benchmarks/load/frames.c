#include "frames.h"
#include "options.h"
#include "process.h"
#include <stdlib.h>
#include <string.h>

/* Bounds the memory of the repeated frames. */
#define PATTERN_LIMIT (64u * 1024 * 1024)

/* Not zero: with a zero key unmasking would change nothing, and a server could skip it unseen. */
static const uint8_t masking_key[4] = {0x37, 0xfa, 0x21, 0x3d};

uint8_t *payload, *pattern;
uint64_t frame_length, pattern_length;
uint8_t opcode;

static void build_payload(void) {
  static const char chinese[] = "长连接始终在线消息必达";
  payload = allocate(options.size, 1);
  if (!strcmp(options.kind, "binary")) {
    opcode = BINARY;
    uint32_t state = 0x9e3779b9; /* xorshift: the same bytes in every run */
    for (uint64_t i = 0; i < options.size; i++) {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;
      payload[i] = (uint8_t)state;
    }
  } else if (!strcmp(options.kind, "text-ascii")) {
    opcode = TEXT;
    for (uint64_t i = 0; i < options.size; i++) payload[i] = (uint8_t)(' ' + i % 95);
  } else if (!strcmp(options.kind, "text-chinese")) {
    opcode = TEXT;
    uint64_t length = options.size - options.size % 3; /* each character takes three bytes */
    for (uint64_t i = 0; i < length; i++) payload[i] = (uint8_t)chinese[i % (sizeof chinese - 1)];
    for (uint64_t i = length; i < options.size; i++) payload[i] = '.';
  } else {
    fail("unknown kind %s: text-ascii, text-chinese or binary", options.kind);
  }
}

uint64_t build_frame(uint8_t *out, bool masked, uint8_t code, const uint8_t *data, uint64_t length) {
  uint64_t at = 0;
  uint8_t mask_bit = masked ? 0x80 : 0;
  out[at++] = (uint8_t)(0x80 | code);
  if (length < 126) {
    out[at++] = (uint8_t)(mask_bit | length);
  } else if (length < 65536) {
    out[at++] = mask_bit | 126;
    out[at++] = (uint8_t)(length >> 8);
    out[at++] = (uint8_t)length;
  } else {
    out[at++] = mask_bit | 127;
    for (int shift = 56; shift >= 0; shift -= 8) out[at++] = (uint8_t)(length >> shift);
  }
  if (!masked) {
    if (length) memcpy(out + at, data, length);
    return at + length;
  }
  memcpy(out + at, masking_key, 4);
  at += 4;
  for (uint64_t i = 0; i < length; i++) out[at + i] = data[i] ^ masking_key[i % 4];
  return at + length;
}

void prepare_frames(bool masked, uint64_t together) {
  build_payload();
  uint8_t *frame = allocate(options.size + MAX_HEADER, 1);
  frame_length = build_frame(frame, masked, opcode, payload, options.size);
  /* One frame more than go together: a write that begins inside a frame still needs no second call. */
  uint64_t count = together + 1;
  if (count * frame_length > PATTERN_LIMIT) count = PATTERN_LIMIT / frame_length;
  if (count < 1) count = 1;
  pattern_length = count * frame_length;
  pattern = allocate(pattern_length, 1);
  for (uint64_t i = 0; i < count; i++) memcpy(pattern + i * frame_length, frame, frame_length);
  free(frame);
}
