#define _GNU_SOURCE
#include "connection.h"
#include "deflate.h"
#include "handshake.h"
#include "options.h"
#include "process.h"
#include "tls.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Fits the second-level cache: bytes are only looked at, a larger buffer would cost memory traffic. */
#define READ_SIZE (128 * 1024)

struct connection *connections;
int poller;
bool serving, peers_may_leave;
uint64_t received_bytes, received_messages;

static const char *peer(void) {
  return serving ? "client" : "server";
}

void create_connections(int count) {
  connections = allocate((size_t)count, sizeof *connections);
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1: %s", strerror(errno));
}

void watch(struct connection *c) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

void want_write(struct connection *c, bool wanted) {
  if (c->wants_write == wanted) return;
  c->wants_write = wanted;
  struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

/* ---- sending ---- */

ssize_t transport_send(struct connection *c, const void *from, size_t length) {
  return c->tls ? tls_send(c, from, length) : send(c->fd, from, length, MSG_NOSIGNAL);
}

void queue_frames(struct connection *c, uint64_t frames) {
  c->pending += take_frames(&c->next, frames);
}

void queue_control(struct connection *c, uint8_t code, const uint8_t *data, uint8_t length) {
  /* A pong half sent goes out first; RFC 6455, 5.5.3 allows to answer only the latest ping. */
  if (c->control_sent || (c->retry_length && c->retry_control)) return;
  c->control_length = (uint8_t)build_frame(c->control_frame, !serving, code, data, length);
}

void flush(struct connection *c) {
  while (c->pending || c->control_length) {
    /* A control frame may only stand between frames. */
    bool control = c->retry_length ? c->retry_control : c->control_length && frame_end(c->offset) == c->offset;
    const uint8_t *from;
    uint64_t length;
    if (control) {
      from = c->control_frame + c->control_sent;
      length = (uint64_t)(c->control_length - c->control_sent);
    } else {
      from = pattern + c->offset;
      length = (c->control_length ? frame_end(c->offset) : pattern_length) - c->offset;
      if (length > c->pending) length = c->pending;
      if (c->retry_length) length = c->retry_length;
    }
    ssize_t sent = transport_send(c, from, length);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        if (c->tls) c->retry_length = length, c->retry_control = control;
        want_write(c, true);
        return;
      }
      if (!peers_may_leave) fail("send: %s", strerror(errno));
      c->pending = c->control_length = c->control_sent = 0; /* reading meets the end too */
      break;
    }
    c->retry_length = 0;
    if (control) {
      c->control_sent = (uint8_t)(c->control_sent + sent);
      if (c->control_sent == c->control_length) c->control_length = c->control_sent = 0;
    } else {
      c->pending -= (uint64_t)sent;
      c->offset = advance(c->offset, (uint64_t)sent);
    }
  }
  want_write(c, false);
}

/* ---- receiving ---- */

ssize_t transport_receive(struct connection *c, void *to, size_t length) {
  return c->tls ? tls_receive(c, to, length) : recv(c->fd, to, length, 0);
}

static void end_close_frame(struct connection *c) {
  if (peers_may_leave) {
    c->gone = true;
    return;
  }
  int status = c->control_payload_length >= 2 ? c->control[0] << 8 | c->control[1] : 1005;
  if (serving) {
    queue_control(c, CLOSE, c->control, c->control_payload_length >= 2 ? 2 : 0);
    flush(c);
  }
  fail("the %s closed a connection with %d %.*s", peer(), status,
       c->control_payload_length > 2 ? c->control_payload_length - 2 : 0, (const char *)c->control + 2);
}

/* How many messages of a connection are compared: on the first one more than a whole cycle. */
static uint32_t comparisons(struct connection *c) {
  return c == connections && frame_count > 1 ? frame_count + 1 : 1;
}

static void compare(struct connection *c) {
  if (options.deflate) inflate_end(c);
  c->verified = ++c->compared >= comparisons(c);
  if (c->verified && options.deflate) inflate_detach(c);
}

/* Returns 1 when the frame ended a message. */
static uint32_t end_frame(struct connection *c) {
  uint8_t first = c->header[0];
  c->header_length = 0;
  if (first & 0x08) {
    uint8_t code = first & 0x0f;
    if (code == CLOSE) end_close_frame(c);
    /* Nothing may follow our own close frame. */
    if (code == PING && !peers_may_leave) queue_control(c, PONG, c->control, c->control_payload_length);
    c->control_payload_length = 0;
    return 0;
  }
  if (!(first & 0x80)) return 0;
  if (!options.deflate && c->message_length != options.size)
    fail("a message of %llu bytes instead of %llu", (unsigned long long)c->message_length,
         (unsigned long long)options.size);
  if (!c->verified) compare(c);
  received_messages++;
  received_bytes += c->message_length;
  c->message_length = 0;
  c->message_opcode = 0;
  return 1;
}

static void check_header(struct connection *c) {
  uint8_t code = c->header[0] & 0x0f;
  uint8_t reserved = c->header[0] & 0x70;
  uint8_t wanted = options.deflate && (code == TEXT || code == BINARY) ? RSV1 : 0;
  if (wanted && !reserved) fail("a message from the %s is not compressed: RSV1 is not set", peer());
  if (reserved != wanted) fail("a frame with reserved bits: %02x", c->header[0]);
  if (code & 0x08) {
    if (c->remaining > MAX_CONTROL) fail("a control frame of %llu bytes", (unsigned long long)c->remaining);
    return;
  }
  if (code == CONTINUATION ? !c->message_opcode : c->message_opcode != 0)
    fail("a frame out of order: %02x", c->header[0]);
  if (code != CONTINUATION) c->message_opcode = code;
  if (c->message_opcode != opcode) fail("a message with opcode %d instead of %d", c->message_opcode, opcode);
}

static void take_payload(struct connection *c, const uint8_t *bytes, uint64_t length) {
  static const uint8_t no_key[4];
  bool control = c->header[0] & 0x08;
  if (!control && !c->verified && options.deflate) {
    inflate_part(c, bytes, length);
  } else if (control || !c->verified) {
    /* The masking key ends the header. */
    const uint8_t *key = serving ? c->header + c->header_length - 4 : no_key;
    const uint8_t *expected = message_at(c->compared) + c->message_length;
    if (!control && c->message_length + length > options.size)
      fail("a message of more than %llu bytes", (unsigned long long)options.size);
    for (uint64_t i = 0; i < length; i++) {
      uint8_t byte = bytes[i] ^ key[(c->position + i) % 4];
      if (control)
        c->control[c->control_payload_length++] = byte;
      else if (byte != expected[i])
        fail("message %u from a %s differs from what was sent", c->compared + 1, peer());
    }
  }
  c->position += length;
  if (!control) c->message_length += length;
}

uint32_t parse(struct connection *c, const uint8_t *bytes, uint64_t length) {
  uint32_t ended = 0;
  const uint8_t *end = bytes + length;
  while (bytes < end) {
    if (c->remaining) {
      uint64_t here = (uint64_t)(end - bytes) < c->remaining ? (uint64_t)(end - bytes) : c->remaining;
      take_payload(c, bytes, here);
      bytes += here;
      c->remaining -= here;
      if (!c->remaining) ended += end_frame(c);
      continue;
    }
    c->header[c->header_length++] = *bytes++;
    if (c->header_length < 2) continue;
    if (!(c->header[1] & 0x80) == serving)
      fail("%s frame from the %s", serving ? "an unmasked" : "a masked", peer());
    uint8_t short_length = c->header[1] & 0x7f;
    uint8_t needed = short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
    if (c->header_length < needed + (serving ? 4 : 0)) continue;
    c->remaining = needed == 2 ? short_length : 0;
    c->position = 0;
    for (uint8_t i = 2; i < needed; i++) c->remaining = c->remaining << 8 | c->header[i];
    check_header(c);
    if (!c->remaining) ended += end_frame(c);
  }
  return ended;
}

/* Returns the number of messages that ended. */
static uint32_t receive(struct connection *c) {
  static uint8_t buffer[READ_SIZE];
  uint32_t ended = 0;
  do {
    /* Linux drops TCP bytes unread with MSG_TRUNC: large messages then cost this side no copy. */
    bool drop = c->remaining >= READ_SIZE && c->verified && !options.unix_path && !c->tls &&
                !(c->header[0] & 0x08);
    ssize_t got = drop ? recv(c->fd, NULL, c->remaining, MSG_TRUNC)
                       : transport_receive(c, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return ended;
    if (got <= 0) {
      if (!peers_may_leave && got == 0) fail("the %s ended a connection without a closing handshake", peer());
      if (!peers_may_leave) fail("recv: %s", strerror(errno));
      c->gone = true;
      return ended;
    }
    if (drop) {
      c->remaining -= (uint64_t)got;
      c->message_length += (uint64_t)got;
      if (!c->remaining) ended += end_frame(c);
    } else {
      ended += parse(c, buffer, (uint64_t)got);
    }
    /* Of what TLS already took out of the socket epoll would not tell. */
  } while (c->tls && tls_pending(c));
  return ended;
}

void wait_events(int timeout, received_function *received) {
  struct epoll_event events[512];
  int count = epoll_wait(poller, events, 512, timeout);
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    struct connection *c = events[i].data.ptr;
    if (c->handshake) {
      advance_handshake(c);
      continue;
    }
    if (events[i].events & EPOLLOUT) flush(c);
    if (!(events[i].events & ~(uint32_t)EPOLLOUT)) continue;
    uint32_t ended = receive(c);
    if (ended) received(c, ended);
    if (c->control_length && !c->wants_write) flush(c);
    /* Closed, it is not reported any more. */
    if (c->gone) close(c->fd);
  }
}

void reset(struct connection *c) {
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (c->tls) tls_detach(c);
  if (c->inflater) inflate_detach(c);
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(c->fd);
  memset(c, 0, sizeof *c);
}
