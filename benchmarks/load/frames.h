/* The messages, and the frames prepared from them once. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xa };

/* In a frame's first byte: the message is compressed. */
#define RSV1 0x40
#define MAX_CONTROL 125
/* Of a masked frame. */
#define MAX_HEADER 14

extern uint8_t opcode;
/* Most kinds have one message; what has several repeats them in order. */
extern uint32_t message_count;
/* The frames, and behind them some of those that repeat once more: one write can send many from anywhere. */
extern uint8_t *pattern;
extern uint64_t pattern_length;
extern uint32_t frame_count;

struct payload {
  const uint8_t *bytes;
  uint64_t length;
};

/* `together` is how many frames one write should be able to send. */
void prepare_frames(bool masked, uint64_t together);
/* Each connection begins with the first of these payloads and after the last goes on at number `repeat_from`. */
void lay_out_frames(uint8_t code, const struct payload *payloads, uint32_t count, uint32_t repeat_from);

/* The message that a connection sends, and receives, at this place; all have options.size bytes. */
const uint8_t *message_at(uint64_t index);
/* Bytes of so many frames from `*next` on, which is moved behind them. */
uint64_t take_frames(uint32_t *next, uint64_t count);
/* Where in the pattern the frame ends that `offset` lies in: `offset` itself between two. */
uint64_t frame_end(uint64_t offset);
/* Where in the pattern a connection stands after it sent so many bytes from `offset`. */
uint64_t advance(uint64_t offset, uint64_t sent);

/* Writes a frame with FIN set and returns its length. `code` may have RSV1 beside the opcode. */
uint64_t build_frame(uint8_t *out, bool masked, uint8_t code, const uint8_t *data, uint64_t length);
