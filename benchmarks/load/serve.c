/*
 * The other side, for clients under test: an echo server that answers with prepared frames. The clients
 * keep --in-flight messages going, by sending that many when open and one for each message they get.
 * At the quiet points this side holds its answers until it owes all.
 */
#define _GNU_SOURCE
#include "handshake.h"
#include "modes.h"
#include "options.h"
#include "process.h"
#include "run.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client's runtime has to start first. */
#define ARRIVAL_MS 30000
#define GOODBYE_MS 2000

static int start_listening(void) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr = loopback_address()};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, SOMAXCONN) ||
      getsockname(fd, (struct sockaddr *)&address, &length))
    fail("listen on %s:%d: %s", options.host, options.port, strerror(errno));
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static int accept_waiting(int listener, int accepted) {
  while (accepted < options.connections) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0 && errno == EAGAIN) break;
    if (fd < 0) fail("accept: %s", strerror(errno));
    struct connection *c = &connections[accepted++];
    accept_connection(c, fd);
    /* What it sends on its own. */
    c->outstanding = (uint32_t)options.in_flight;
    outstanding += c->outstanding;
  }
  return accepted;
}

static void accept_all(int listener) {
  struct pollfd inputs[] = {{.fd = poller, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  int accepted = 0, seen = 0;
  double progress = now();
  while (opened < options.connections) {
    poll(inputs, accepted < options.connections ? 2 : 1, 100);
    accepted = accept_waiting(listener, accepted);
    wait_events(0, exchange_received);
    if (opened != seen) seen = opened, progress = now();
    if (now() - progress > ARRIVAL_MS / 1e3)
      fail("no client came for %d s, %d of %d are connected", ARRIVAL_MS / 1000, opened, options.connections);
  }
}

static void ignore_received(struct connection *c, uint32_t count) {
  (void)c, (void)count;
}

static void say_goodbye(void) {
  static const uint8_t normal[2] = {1000 >> 8, 1000 & 0xff};
  peers_may_leave = true;
  for (int i = 0; i < options.connections; i++) {
    queue_control(&connections[i], CLOSE, normal, sizeof normal);
    flush(&connections[i]);
  }
  double deadline = now() + GOODBYE_MS / 1e3;
  int left = options.connections;
  while (left && now() < deadline) {
    wait_events(100, ignore_received);
    left = 0;
    for (int i = 0; i < options.connections; i++) left += !connections[i].gone;
  }
}

void serve_mode(void) {
  serving = true;
  prepare_frames(false, (uint64_t)options.in_flight);
  create_connections(options.connections);
  int listener = start_listening();
  accept_all(listener);
  close(listener); /* one client too many is refused */
  struct measurement result = measure(exchange, exchange_received);
  print_result(result.seconds, result.cpu, "");
  say_goodbye();
}
