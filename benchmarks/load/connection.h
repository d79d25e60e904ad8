/* One connection once it is open: sends prepared frames, reads and checks what the peer sends. */
#pragma once
#include "frames.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct handshake;

struct connection {
  int fd;
  void *tls;                   /* NULL without TLS */
  void *inflater;              /* of compressed messages that are compared, else NULL */
  struct handshake *handshake; /* NULL once the connection is open */
  bool wants_write;            /* EPOLLOUT is registered */
  bool verified;               /* enough messages were compared */
  bool gone;                   /* the peer left, which it may (peers_may_leave) */

  /* What the modes count. */
  uint32_t owed;        /* frames held back until the next phase */
  uint32_t outstanding; /* messages asked for and not yet received */
  uint64_t received;

  /* Sending: `pending` bytes of the pattern, from `offset` on; `next` is the frame that is queued next. */
  uint64_t pending, offset;
  uint32_t next;
  uint8_t control_frame[6 + MAX_CONTROL]; /* stands between two of these frames */
  uint8_t control_length, control_sent;
  /* TLS wants a write that found no room repeated with the very same bytes. */
  uint64_t retry_length;
  bool retry_control;

  /* Receiving. */
  uint8_t header[MAX_HEADER];
  uint8_t header_length;
  uint8_t message_opcode;       /* 0 between messages */
  uint64_t remaining, position; /* in the current frame's payload */
  uint64_t message_length;
  uint32_t compared; /* messages that were as they should be */
  uint8_t control[MAX_CONTROL];
  uint8_t control_payload_length;
};

typedef void received_function(struct connection *c, uint32_t messages);

extern struct connection *connections;
extern int poller;
/* Peers are clients: their frames are masked and ours are not. */
extern bool serving;
/* A peer's end is no failure any more. */
extern bool peers_may_leave;
/* Bytes of payload in the messages that came, compressed ones as they came. */
extern uint64_t received_bytes, received_messages;

void create_connections(int count);
void watch(struct connection *c);
void want_write(struct connection *c, bool wanted);

/* These two behave as send() and recv(), with TLS too. */
ssize_t transport_send(struct connection *c, const void *from, size_t length);
ssize_t transport_receive(struct connection *c, void *to, size_t length);

/* Adds to what flush() sends. */
void queue_frames(struct connection *c, uint64_t frames);
void queue_control(struct connection *c, uint8_t code, const uint8_t *data, uint8_t length);
/* Sends what is queued, as far as there is room; the rest goes when there is. */
void flush(struct connection *c);

/* Takes bytes the peer sent and returns the number of messages that ended in them. */
uint32_t parse(struct connection *c, const uint8_t *bytes, uint64_t length);
/* Waits up to `timeout` ms and does what the connections are ready for. `received` answers; it has to flush. */
void wait_events(int timeout, received_function *received);
/* Closes with RST instead of FIN: no port is left in TIME_WAIT. */
void reset(struct connection *c);
