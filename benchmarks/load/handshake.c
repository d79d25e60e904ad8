#define _GNU_SOURCE
#include "deflate.h"
#include "handshake.h"
#include "options.h"
#include "process.h"
#include "sha1.h"
#include "tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* RFC 6455, section 1.3: the sample nonce and the answer that belongs to it. */
#define NONCE "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LENGTH 24

/* Connections from one source address, where more than one is used. */
#define PER_ADDRESS 10000

struct handshake {
  bool secured; /* TLS is set up */
  size_t sent, have;
  char text[16 * 1024];
};

int opened;

static struct handshake *done(struct connection *c) {
  struct handshake *finished = c->handshake;
  c->handshake = NULL;
  opened++;
  return finished;
}

/* Reads more of the other side's head; returns its end (the empty line) or NULL when it is not complete. */
static char *read_head(struct connection *c) {
  struct handshake *h = c->handshake;
  for (;;) {
    if (h->have == sizeof h->text - 1) fail("opening handshake: its head is too long");
    ssize_t n = transport_receive(c, h->text + h->have, sizeof h->text - 1 - h->have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return NULL;
    if (n <= 0) fail("opening handshake: %s", n ? strerror(errno) : "the other side ended the connection");
    h->have += (size_t)n;
    h->text[h->have] = 0;
    char *end = strstr(h->text, "\r\n\r\n");
    if (end) return end;
  }
}

/* Returns the value of a header field, trimmed, or NULL. */
static const char *find_field(const char *head, const char *name, size_t *length) {
  size_t name_length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    const char *value = line + 2;
    if (strncasecmp(value, name, name_length) || value[name_length] != ':') continue;
    value += name_length + 1;
    value += strspn(value, " \t");
    *length = strcspn(value, "\r");
    while (*length && strchr(" \t", value[*length - 1])) (*length)--;
    return value;
  }
  return NULL;
}

/* ---- client ---- */

static char request[16 * 1024];
static size_t request_length;

struct in_addr loopback_address(void) {
  struct in_addr address;
  if (inet_pton(AF_INET, options.host, &address) != 1 || ntohl(address.s_addr) >> 24 != 127)
    fail("%s is not a loopback address: this program loads nothing else", options.host);
  return address;
}

static int connect_unix(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(options.unix_path) >= sizeof address.sun_path) fail("the socket's path is too long");
  strcpy(address.sun_path, options.unix_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  /* Blocking: without, connecting to a full backlog fails instead of being under way. */
  struct timeval limit = {.tv_sec = STALL_MS / 1000};
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("connect %s: %s", options.unix_path, strerror(errno));
  if (fcntl(fd, F_SETFL, O_NONBLOCK)) fail("fcntl: %s", strerror(errno));
  return fd;
}

/* More than 20,000 connections from one address would run out of ports. */
static void bind_source(int fd, int index) {
  struct sockaddr_in source = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000002 + (uint32_t)(index / PER_ADDRESS))};
  int on = 1;
  /* The port is then chosen by connect(), which knows which are free towards this server. */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&source, sizeof source))
    fail("bind %s: %s", inet_ntoa(source.sin_addr), strerror(errno));
}

static int connect_tcp(int index) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr = loopback_address()};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("socket: %s", strerror(errno));
  bool many = options.mode == MODE_ECHO && options.connections > PER_ADDRESS;
  if (many || options.mode == MODE_OPEN) bind_source(fd, index);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
    fail("connect %s:%d: %s", options.host, options.port, strerror(errno));
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void build_request(void) {
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: " NONCE "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                        options.path, options.unix_path ? "localhost" : options.host, options.port,
                        options.deflate ? deflate_offer() : "");
  if (length >= (int)sizeof request) fail("the path is too long");
  request_length = (size_t)length;
}

/* Returns false when it has to wait. */
static bool send_request(struct connection *c) {
  struct handshake *h = c->handshake;
  if (c->tls && !h->secured) {
    enum tls_state state = tls_handshake(c);
    if (state != TLS_DONE) {
      want_write(c, state == TLS_WANTS_WRITE);
      return false;
    }
    h->secured = true;
  }
  while (h->sent < request_length) {
    ssize_t n = transport_send(c, request + h->sent, request_length - h->sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) fail("opening handshake: send: %s", strerror(errno));
    if (n < 0) {
      want_write(c, true);
      return false;
    }
    h->sent += (size_t)n;
  }
  want_write(c, false);
  return true;
}

static void read_response(struct connection *c) {
  char *end = read_head(c);
  if (!end) return;
  struct handshake *h = done(c);
  if (strncmp(h->text, "HTTP/1.1 101", 12))
    fail("opening handshake: %.*s", (int)strcspn(h->text, "\r\n"), h->text);
  if (!memmem(h->text, (size_t)(end - h->text), ACCEPT, strlen(ACCEPT)))
    fail("opening handshake: wrong Sec-WebSocket-Accept");
  if (options.deflate) {
    size_t length = 0;
    const char *answer = find_field(h->text, "Sec-WebSocket-Extensions", &length);
    deflate_agree(answer, length);
  }
  const char *rest = end + 4;
  if (parse(c, (const uint8_t *)rest, (uint64_t)(h->text + h->have - rest)))
    fail("a message before any was sent");
  free(h);
  if (c->control_length) flush(c);
}

static void start_connection(struct connection *c, int index) {
  c->fd = options.unix_path ? connect_unix() : connect_tcp(index);
  c->handshake = allocate(1, sizeof *c->handshake);
  if (options.tls) tls_attach(c);
  watch(c);
  /* On the loopback interface the connection usually stands by now. */
  send_request(c);
}

static void nothing_asked(struct connection *c, uint32_t count) {
  (void)c, (void)count;
  fail("a message before any was sent");
}

void open_connections(int count, int concurrency) {
  int started = 0, seen = 0;
  double progress = now();
  if (!request_length) build_request();
  opened = 0;
  while (opened < count) {
    while (started < count && started - opened < concurrency) {
      start_connection(&connections[started], started);
      started++;
    }
    wait_events(100, nothing_asked);
    if (opened != seen) seen = opened, progress = now();
    if (now() - progress > STALL_MS / 1e3)
      fail("no opening handshake ended for %d s, %d of %d are open", STALL_MS / 1000, opened, count);
  }
}

/* ---- server ---- */

static void answer_request(struct connection *c) {
  char *end = read_head(c);
  if (!end) return;
  struct handshake *h = done(c);
  size_t length = 0;
  const char *key = find_field(h->text, "Sec-WebSocket-Key", &length);
  if (strncmp(h->text, "GET ", 4) || !key || length != KEY_LENGTH)
    fail("opening handshake: no WebSocket request: %.*s", (int)strcspn(h->text, "\r\n"), h->text);
  if (end + 4 != h->text + h->have) fail("opening handshake: the client did not wait for its answer");

  char text[KEY_LENGTH + sizeof GUID], encoded[BASE64_LENGTH(SHA1_LENGTH) + 1], response[256];
  uint8_t digest[SHA1_LENGTH];
  memcpy(text, key, KEY_LENGTH);
  memcpy(text + KEY_LENGTH, GUID, sizeof GUID);
  sha1(digest, (const uint8_t *)text, strlen(text));
  base64(encoded, digest, sizeof digest);
  int size = snprintf(response, sizeof response,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      encoded);
  /* The first bytes on a connection always find room. */
  if (transport_send(c, response, (size_t)size) != size) fail("opening handshake: send: %s", strerror(errno));
  free(h);
}

void accept_connection(struct connection *c, int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->fd = fd;
  c->handshake = allocate(1, sizeof *c->handshake);
  watch(c);
}

void advance_handshake(struct connection *c) {
  if (serving) {
    answer_request(c);
  } else if (c->handshake->sent == request_length) {
    read_response(c);
  } else {
    /* The response takes its time: reading at once would find nothing. */
    send_request(c);
  }
}
