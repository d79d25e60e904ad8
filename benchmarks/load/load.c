/*
 * Load generator for WebSocket echo servers: one thread, epoll, raw sockets.
 *
 * It must cost less than any server it drives, so it prepares its masked frames once, keeps a
 * fixed number of them in flight on each connection, sends as many as came back with one write,
 * and reads of an echo no more than its header. The first echo of each connection is compared
 * byte for byte; of all others the opcode and the length are checked.
 *
 * It talks to its parent so that the server's CPU time can be read while nothing is under way:
 *   1. open all connections, load them for --warm-up ms, wait until every frame is back
 *   2. print {"ready":true} and wait for a line on standard input
 *   3. load them for --duration ms, wait until every frame is back, print the result as JSON
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xa };

/* A server that answers nothing for so long is stuck; waiting longer would hang the run. */
#define STALL_MS 10000
/* Fits the second-level cache: bytes are only looked at, a larger buffer would cost memory traffic. */
#define READ_SIZE (128 * 1024)
/* Repeated frames are laid out one after another so that one write can send many; this bounds them. */
#define PATTERN_LIMIT (64u * 1024 * 1024)
#define MAX_CONTROL 125

/* Not zero: with a zero key unmasking would change nothing, and a server could skip it unseen. */
static const uint8_t masking_key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* RFC 6455, section 1.3: the sample nonce and the answer that belongs to it. */
#define NONCE "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct options {
  const char *host, *path, *unix_path, *kind;
  int port, connections, in_flight;
  uint64_t size;
  int duration, warm_up;
};

struct connection {
  int fd;
  bool wants_write; /* EPOLLOUT is registered */
  bool verified;    /* the first echo was compared */

  /* Sending: `pending` bytes of the repeating frames, beginning `offset` bytes into one. */
  uint64_t pending, offset;
  uint32_t outstanding; /* frames asked for and not yet echoed */

  /* Receiving. */
  uint8_t header[10];
  uint8_t header_length;
  uint8_t message_opcode; /* 0 between messages */
  uint64_t remaining;     /* of the current frame's payload */
  uint64_t message_length;
  uint8_t control[MAX_CONTROL];
  uint8_t control_length;

  uint8_t pong[6 + MAX_CONTROL];
  uint8_t pong_length, pong_sent;
};

static struct options options = {
    .host = "127.0.0.1", .path = "/", .kind = "text-ascii", .connections = 64, .in_flight = 1,
    .size = 32, .duration = 1500, .warm_up = 500};
static struct connection *connections;
static int poller;
static uint8_t *payload, *pattern;
static uint64_t frame_length, pattern_length;
static uint8_t opcode;
static bool sending;
static uint64_t outstanding, messages;

static _Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size ? size : 1);
  if (!memory) fail("out of memory");
  return memory;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double own_cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- payload and frames ---- */

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

/* Writes a masked frame with FIN set and returns its length. */
static uint64_t build_frame(uint8_t *out, uint8_t code, const uint8_t *data, uint64_t length) {
  uint64_t at = 0;
  out[at++] = (uint8_t)(0x80 | code);
  if (length < 126) {
    out[at++] = (uint8_t)(0x80 | length);
  } else if (length < 65536) {
    out[at++] = 0x80 | 126;
    out[at++] = (uint8_t)(length >> 8);
    out[at++] = (uint8_t)length;
  } else {
    out[at++] = 0x80 | 127;
    for (int shift = 56; shift >= 0; shift -= 8) out[at++] = (uint8_t)(length >> shift);
  }
  memcpy(out + at, masking_key, 4);
  at += 4;
  for (uint64_t i = 0; i < length; i++) out[at + i] = data[i] ^ masking_key[i % 4];
  return at + length;
}

static void build_pattern(void) {
  uint8_t *frame = allocate(options.size + 14, 1);
  frame_length = build_frame(frame, opcode, payload, options.size);
  /* One frame more than are in flight: a write that begins inside a frame still needs no second call. */
  uint64_t count = (uint64_t)options.in_flight + 1;
  if (count * frame_length > PATTERN_LIMIT) count = PATTERN_LIMIT / frame_length;
  if (count < 1) count = 1;
  pattern_length = count * frame_length;
  pattern = allocate(pattern_length, 1);
  for (uint64_t i = 0; i < count; i++) memcpy(pattern + i * frame_length, frame, frame_length);
  free(frame);
}

/* ---- sending ---- */

static void want_write(struct connection *c, bool wanted) {
  if (c->wants_write == wanted) return;
  c->wants_write = wanted;
  struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void flush(struct connection *c) {
  while (c->pending || c->pong_length) {
    /* A pong may only stand between frames. */
    bool pong = c->pong_length && c->offset == 0;
    const uint8_t *from;
    uint64_t length;
    if (pong) {
      from = c->pong + c->pong_sent;
      length = (uint64_t)(c->pong_length - c->pong_sent);
    } else {
      from = pattern + c->offset;
      length = (c->pong_length ? frame_length : pattern_length) - c->offset;
      if (length > c->pending) length = c->pending;
    }
    ssize_t sent = send(c->fd, from, length, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return want_write(c, true);
      fail("send: %s", strerror(errno));
    }
    if (pong) {
      c->pong_sent = (uint8_t)(c->pong_sent + sent);
      if (c->pong_sent == c->pong_length) c->pong_length = c->pong_sent = 0;
    } else {
      c->pending -= (uint64_t)sent;
      c->offset = (c->offset + (uint64_t)sent) % frame_length;
    }
  }
  want_write(c, false);
}

static void ask(struct connection *c, uint32_t frames) {
  c->pending += frames * frame_length;
  c->outstanding += frames;
  outstanding += frames;
}

/* ---- receiving ---- */

static void end_control_frame(struct connection *c, uint8_t code) {
  if (code == CLOSE) {
    int status = c->control_length >= 2 ? c->control[0] << 8 | c->control[1] : 1005;
    fail("the server closed a connection with %d %.*s", status,
         c->control_length > 2 ? c->control_length - 2 : 0, (const char *)c->control + 2);
  }
  /* A pong half sent goes out first; RFC 6455, 5.5.3 allows to answer only the latest ping. */
  if (code == PING && !c->pong_sent)
    c->pong_length = (uint8_t)build_frame(c->pong, PONG, c->control, c->control_length);
  c->control_length = 0;
}

/* Returns 1 when the frame ended a message. */
static uint32_t end_frame(struct connection *c) {
  uint8_t first = c->header[0];
  c->header_length = 0;
  if (first & 0x08) {
    end_control_frame(c, first & 0x0f);
    return 0;
  }
  if (!(first & 0x80)) return 0;
  if (c->message_length != options.size)
    fail("an echo of %llu bytes instead of %llu", (unsigned long long)c->message_length,
         (unsigned long long)options.size);
  c->message_length = 0;
  c->message_opcode = 0;
  c->verified = true;
  return 1;
}

static void check_header(struct connection *c) {
  uint8_t code = c->header[0] & 0x0f;
  if (c->header[0] & 0x70) fail("a frame with reserved bits: %02x", c->header[0]);
  if (c->header[1] & 0x80) fail("a masked frame from the server");
  if (code & 0x08) {
    if (c->remaining > MAX_CONTROL) fail("a control frame of %llu bytes", (unsigned long long)c->remaining);
    return;
  }
  if (code == CONTINUATION ? !c->message_opcode : c->message_opcode != 0)
    fail("a frame out of order: %02x", c->header[0]);
  if (code != CONTINUATION) c->message_opcode = code;
  if (c->message_opcode != opcode) fail("an echo with opcode %d instead of %d", c->message_opcode, opcode);
}

static void take_payload(struct connection *c, const uint8_t *bytes, uint64_t length) {
  if (c->header[0] & 0x08) {
    memcpy(c->control + c->control_length, bytes, length);
    c->control_length = (uint8_t)(c->control_length + length);
    return;
  }
  if (!c->verified) {
    if (c->message_length + length > options.size || memcmp(payload + c->message_length, bytes, length))
      fail("the first echo differs from what was sent");
  }
  c->message_length += length;
}

/* Returns the number of messages that ended in these bytes. */
static uint32_t parse(struct connection *c, const uint8_t *bytes, uint64_t length) {
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
    uint8_t short_length = c->header[1] & 0x7f;
    uint8_t needed = short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
    if (c->header_length < needed) continue;
    c->remaining = needed == 2 ? short_length : 0;
    for (uint8_t i = 2; i < needed; i++) c->remaining = c->remaining << 8 | c->header[i];
    check_header(c);
    if (!c->remaining) ended += end_frame(c);
  }
  return ended;
}

static void receive(struct connection *c) {
  static uint8_t buffer[READ_SIZE];
  uint32_t ended;
  /* Linux drops TCP bytes unread with MSG_TRUNC: large echoes then cost this side no copy. */
  bool drop = c->remaining >= READ_SIZE && c->verified && !options.unix_path && !(c->header[0] & 0x08);
  ssize_t got = drop ? recv(c->fd, NULL, c->remaining, MSG_TRUNC) : recv(c->fd, buffer, sizeof buffer, 0);
  if (got == 0) fail("the server ended a connection without a closing handshake");
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return;
    fail("recv: %s", strerror(errno));
  }
  if (drop) {
    c->remaining -= (uint64_t)got;
    c->message_length += (uint64_t)got;
    ended = c->remaining ? 0 : end_frame(c);
  } else {
    ended = parse(c, buffer, (uint64_t)got);
  }
  if (ended > c->outstanding) fail("more echoes than messages");
  c->outstanding -= ended;
  outstanding -= ended;
  messages += ended;
  if (sending && ended) ask(c, ended);
  if ((ended || c->pong_length) && !c->wants_write) flush(c);
}

/* ---- opening ---- */

static int open_socket(void) {
  int fd;
  if (options.unix_path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(options.unix_path) >= sizeof address.sun_path) fail("the socket's path is too long");
    strcpy(address.sun_path, options.unix_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
      fail("connect %s: %s", options.unix_path, strerror(errno));
    return fd;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127)
    fail("%s is not a loopback address: this program loads nothing else", options.host);
  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("connect %s:%d: %s", options.host, options.port, strerror(errno));
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

/* Blocking, one connection after another: it happens before anything is measured. */
static void open_connection(struct connection *c) {
  c->fd = open_socket();
  struct timeval limit = {.tv_sec = STALL_MS / 1000};
  setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);

  char text[16 * 1024];
  int length = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: " NONCE "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        options.path, options.unix_path ? "localhost" : options.host, options.port);
  if (length >= (int)sizeof text) fail("the path is too long");
  for (int sent = 0; sent < length;) {
    ssize_t n = send(c->fd, text + sent, (size_t)(length - sent), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("opening handshake: send: %s", strerror(errno));
    sent += (int)n;
  }

  size_t have = 0;
  char *end = NULL;
  while (!end) {
    if (have == sizeof text - 1) fail("opening handshake: the response is too long");
    ssize_t n = recv(c->fd, text + have, sizeof text - 1 - have, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("opening handshake: %s", n ? strerror(errno) : "the server ended the connection");
    have += (size_t)n;
    text[have] = 0;
    end = strstr(text, "\r\n\r\n");
  }
  if (strncmp(text, "HTTP/1.1 101", 12)) fail("opening handshake: %.*s", (int)strcspn(text, "\r\n"), text);
  if (!memmem(text, (size_t)(end - text), ACCEPT, strlen(ACCEPT)))
    fail("opening handshake: wrong Sec-WebSocket-Accept");
  uint8_t *rest = (uint8_t *)end + 4;
  parse(c, rest, (uint64_t)((uint8_t *)text + have - rest));

  if (fcntl(c->fd, F_SETFL, O_NONBLOCK)) fail("fcntl: %s", strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

/* ---- running ---- */

/* Loads all connections for so long, then waits until nothing is under way; returns the seconds both took. */
static double run(int duration) {
  struct epoll_event events[512];
  double start = now(), deadline = start + duration / 1e3, time = start, progress = start;
  uint64_t seen = messages;
  sending = true;
  for (int i = 0; i < options.connections; i++) {
    ask(&connections[i], (uint32_t)options.in_flight);
    flush(&connections[i]);
  }
  while (outstanding) {
    int count = epoll_wait(poller, events, 512, 100);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(c);
      if (events[i].events & ~(uint32_t)EPOLLOUT) receive(c);
    }
    time = now();
    if (time >= deadline) sending = false;
    if (messages != seen) seen = messages, progress = time;
    if (time - progress > STALL_MS / 1e3)
      fail("no echo for %d s, %llu outstanding", STALL_MS / 1000, (unsigned long long)outstanding);
  }
  return time - start;
}

static void wait_for_go(void) {
  puts("{\"ready\":true}");
  fflush(stdout);
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char line[64];
  if (poll(&input, 1, STALL_MS) != 1 || read(STDIN_FILENO, line, sizeof line) <= 0)
    fail("nobody said go");
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || value < least || value > most)
    fail("--%s must be a number from %llu to %llu", name, (unsigned long long)least, (unsigned long long)most);
  return value;
}

static void parse_options(int argc, char **argv) {
  static const struct option known[] = {
      {"host", 1, 0, 'h'},        {"port", 1, 0, 'p'},    {"path", 1, 0, 'P'}, {"unix", 1, 0, 'u'},
      {"connections", 1, 0, 'c'}, {"in-flight", 1, 0, 'f'}, {"size", 1, 0, 's'}, {"kind", 1, 0, 'k'},
      {"duration", 1, 0, 'd'},    {"warm-up", 1, 0, 'w'}, {0, 0, 0, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (option) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = (int)number("port", optarg, 1, 65535); break;
      case 'P': options.path = optarg; break;
      case 'u': options.unix_path = optarg; break;
      case 'c': options.connections = (int)number("connections", optarg, 1, 100000); break;
      case 'f': options.in_flight = (int)number("in-flight", optarg, 1, 1024); break;
      case 's': options.size = number("size", optarg, 0, 64 * 1024 * 1024); break;
      case 'k': options.kind = optarg; break;
      case 'd': options.duration = (int)number("duration", optarg, 1, 120000); break;
      case 'w': options.warm_up = (int)number("warm-up", optarg, 0, 120000); break;
      default: exit(2);
    }
  }
  if (optind < argc) fail("unknown argument %s", argv[optind]);
  if (!options.port && !options.unix_path) fail("--port or --unix is missing");
}

/* Each connection is a file; the usual soft limit of 1,024 would end at the thousandth. */
static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  raise_file_limit();
  build_payload();
  build_pattern();
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1: %s", strerror(errno));
  connections = allocate((size_t)options.connections, sizeof *connections);
  for (int i = 0; i < options.connections; i++) open_connection(&connections[i]);

  if (options.warm_up) run(options.warm_up);
  wait_for_go();
  messages = 0;
  double cpu = own_cpu();
  double seconds = run(options.duration);
  cpu = own_cpu() - cpu;
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"cpuUtilisation\":%.4f}\n",
         (unsigned long long)messages, seconds, cpu, cpu / seconds);
  return 0;
}
