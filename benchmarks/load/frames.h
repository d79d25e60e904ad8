/* The payload, and the frames prepared from it once. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xa };

#define MAX_CONTROL 125
/* Of a masked frame. */
#define MAX_HEADER 14

extern uint8_t *payload;
extern uint8_t opcode;
/* The frame of the payload, repeated so that one write can send many. */
extern uint8_t *pattern;
extern uint64_t frame_length, pattern_length;

/* `together` is how many frames one write should be able to send. */
void prepare_frames(bool masked, uint64_t together);
/* Writes a frame with FIN set and returns its length. */
uint64_t build_frame(uint8_t *out, bool masked, uint8_t code, const uint8_t *data, uint64_t length);
