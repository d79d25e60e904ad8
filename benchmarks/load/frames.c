#include "frames.h"
#include "json.h"
#include "options.h"
#include "process.h"
#include <stdlib.h>
#include <string.h>

/* Bounds the memory of the repeated frames. */
#define PATTERN_LIMIT (64u * 1024 * 1024)
/*
 * All JSON documents together: twice the largest window of DEFLATE. In a shorter cycle a compressor would find
 * every message in its window as a whole, for a tenth of the time, and messages of real programs are not like that.
 */
#define CYCLE_LENGTH (2 * 32 * 1024)
#define LEAST_DOCUMENTS 16

/* Not zero: with a zero key unmasking would change nothing, and a server could skip it unseen. */
static const uint8_t masking_key[4] = {0x37, 0xfa, 0x21, 0x3d};

uint8_t opcode;
uint32_t message_count;
uint8_t *pattern;
uint64_t pattern_length;
uint32_t frame_count;

static uint8_t *messages_in_order;
/* Where each frame begins in the pattern, and where the last ends. */
static uint64_t *starts;
static uint32_t repeated_from;
static bool frames_masked;
static uint64_t frames_together;

static void build_messages(void) {
  static const char chinese[] = "长连接始终在线消息必达";
  uint64_t size = options.size;
  message_count = 1;
  if (!strcmp(options.kind, "json")) {
    uint64_t documents = size ? CYCLE_LENGTH / size : 0;
    message_count = (uint32_t)(documents < LEAST_DOCUMENTS ? LEAST_DOCUMENTS : documents);
  }
  uint8_t *out = messages_in_order = allocate(message_count, size);
  opcode = TEXT;
  if (!strcmp(options.kind, "binary")) {
    opcode = BINARY;
    uint32_t state = 0x9e3779b9; /* xorshift: the same bytes in every run */
    for (uint64_t i = 0; i < size; i++) {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;
      out[i] = (uint8_t)state;
    }
  } else if (!strcmp(options.kind, "text-ascii")) {
    for (uint64_t i = 0; i < size; i++) out[i] = (uint8_t)(' ' + i % 95);
  } else if (!strcmp(options.kind, "text-chinese")) {
    uint64_t length = size - size % 3; /* each character takes three bytes */
    for (uint64_t i = 0; i < length; i++) out[i] = (uint8_t)chinese[i % (sizeof chinese - 1)];
    for (uint64_t i = length; i < size; i++) out[i] = '.';
  } else if (!strcmp(options.kind, "json")) {
    for (uint32_t i = 0; i < message_count; i++) build_json(out + i * size, size, i);
  } else {
    fail("unknown kind %s: text-ascii, text-chinese, binary or json", options.kind);
  }
}

const uint8_t *message_at(uint64_t index) {
  return messages_in_order + index % message_count * options.size;
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

void lay_out_frames(uint8_t code, const struct payload *payloads, uint32_t count, uint32_t repeat_from) {
  uint64_t longest = 0, total = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t length = payloads[i].length + MAX_HEADER;
    total += length;
    if (length > longest) longest = length;
  }
  /* As many frames again as go together: a write that begins inside the last still needs no second call. */
  uint64_t again = frames_together;
  if (again * longest > PATTERN_LIMIT) again = PATTERN_LIMIT / longest;
  pattern = allocate(total + again * longest, 1);
  starts = allocate((uint64_t)count + 1, sizeof *starts);
  frame_count = count;
  repeated_from = repeat_from;
  for (uint32_t i = 0; i < count; i++) {
    const struct payload *p = &payloads[i];
    starts[i + 1] = starts[i] + build_frame(pattern + starts[i], frames_masked, code, p->bytes, p->length);
  }
  pattern_length = starts[count];
  for (uint32_t next = repeat_from; again; again--) {
    uint64_t from = starts[next], length = take_frames(&next, 1);
    memcpy(pattern + pattern_length, pattern + from, length);
    pattern_length += length;
  }
}

void prepare_frames(bool masked, uint64_t together) {
  frames_masked = masked;
  frames_together = together;
  build_messages();
  /* How messages may be compressed is only known when a server has answered. */
  if (options.deflate) return;
  struct payload *payloads = allocate(message_count, sizeof *payloads);
  for (uint32_t i = 0; i < message_count; i++)
    payloads[i] = (struct payload){.bytes = message_at(i), .length = options.size};
  lay_out_frames(opcode, payloads, message_count, 0);
  free(payloads);
}

uint64_t take_frames(uint32_t *next, uint64_t count) {
  uint64_t length = 0;
  for (; count; count--) {
    length += starts[*next + 1] - starts[*next];
    if (++*next == frame_count) *next = repeated_from;
  }
  return length;
}

uint64_t frame_end(uint64_t offset) {
  uint32_t frame = 0;
  while (starts[frame] < offset) frame++;
  return starts[frame];
}

uint64_t advance(uint64_t offset, uint64_t sent) {
  uint64_t begin = starts[repeated_from], end = starts[frame_count];
  offset += sent;
  return offset < end ? offset : begin + (offset - end) % (end - begin);
}
