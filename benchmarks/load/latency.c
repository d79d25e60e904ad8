/*
 * Open loop against an echo server: messages are sent on a fixed schedule, whatever came back so far, and
 * their latency counts from when they were due. A server that pauses is charged for all that had to wait,
 * not only for the messages that happened to be under way (no coordinated omission).
 */
#define _GNU_SOURCE
#include "handshake.h"
#include "histogram.h"
#include "modes.h"
#include "options.h"
#include "process.h"
#include "run.h"
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#define MAX_OUTSTANDING 1024
/*
 * Waking up takes about this long; the rest of a wait is spent looking at the sockets again and again.
 * From 20,000 messages/s on this takes a whole core by design: whether it kept up is what lateness tells.
 */
#define BUSY_SECONDS 50e-6

static struct histogram latency, lateness;
/* Of the running phase: message i of `total` is due at start + i / rate, on connection i % connections. */
static double start;
static uint64_t next, total;

/* As echoes come in order, the due times need not be kept: they follow from how many came. */
static double due(uint64_t message) {
  return start + (double)message / options.rate;
}

/* Sends what is due, all messages of one connection with one write. */
static void send_due(double time) {
  uint64_t step = (uint64_t)options.connections, first = next, end = next;
  if (next >= total || due(next) > time) return;
  end = (uint64_t)((time - start) * options.rate) + 1;
  if (end > total) end = total;
  if (end == next) return; /* rounding */
  next = end;
  for (uint64_t i = first; i < end && i < first + step; i++) {
    struct connection *c = &connections[i % step];
    double sent = now();
    for (uint64_t message = i; message < end; message += step) {
      if (++c->outstanding > MAX_OUTSTANDING) fail("the server does not keep up with %d messages/s", options.rate);
      outstanding++;
      queue_frames(c, 1);
      histogram_add(&lateness, sent - due(message));
    }
    if (!c->wants_write) flush(c);
  }
}

static void echoed(struct connection *c, uint32_t count) {
  double time = now();
  if (count > c->outstanding) fail("more echoes than messages");
  c->outstanding -= count;
  outstanding -= count;
  messages += count;
  uint64_t message = (uint64_t)(c - connections) + c->received * (uint64_t)options.connections;
  c->received += count;
  for (uint32_t i = 0; i < count; i++, message += (uint64_t)options.connections)
    histogram_add(&latency, time - due(message));
  /* Others may have become due while many sockets are read. */
  send_due(time);
}

/* Waits until shortly before the next message is due, or until something came. */
static void wait_for_next(void) {
  double wait = due(next) - now() - BUSY_SECONDS;
  if (wait <= 0) return;
  if (wait > 0.1) wait = 0.1;
  struct timespec limit = {.tv_nsec = (long)(wait * 1e9)};
  struct pollfd input = {.fd = poller, .events = POLLIN};
  ppoll(&input, 1, &limit, NULL);
}

static double load(int duration) {
  histogram_clear(&latency);
  histogram_clear(&lateness);
  for (int i = 0; i < options.connections; i++) connections[i].received = 0;
  total = (uint64_t)options.rate * (uint64_t)duration / 1000;
  if (!total) total = 1;
  next = 0;
  start = now();
  double time = start;
  while (next < total || outstanding) {
    send_due(time);
    if (next < total) wait_for_next();
    wait_events(next < total ? 0 : 100, echoed);
    time = now();
    check_progress(time);
  }
  return time - start;
}

void latency_mode(void) {
  prepare_frames(true, 16);
  create_connections(options.connections);
  open_connections(options.connections, USUAL_CONCURRENCY);
  prctl(PR_SET_TIMERSLACK, 1); /* the usual 50 µs would make every wait longer */
  struct measurement result = measure(load, echoed);
  char more[512];
  snprintf(more, sizeof more,
           ",\"latency\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}"
           ",\"lateness\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
           histogram_percentile(&latency, 0.5), histogram_percentile(&latency, 0.9),
           histogram_percentile(&latency, 0.99), histogram_percentile(&latency, 0.999), histogram_max(&latency),
           histogram_percentile(&lateness, 0.5), histogram_percentile(&lateness, 0.99),
           histogram_max(&lateness));
  print_result(result.seconds, result.cpu, more);
}
