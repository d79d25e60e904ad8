/*
 * One connection publishes a message, the server sends it to all, the publisher included; when all have it
 * the next is published. What is counted are deliveries.
 */
#include "handshake.h"
#include "modes.h"
#include "options.h"
#include "process.h"
#include "run.h"

static uint64_t published;

static void publish(void) {
  published++;
  outstanding += (uint64_t)options.connections;
  queue_frames(&connections[0], 1);
  if (!connections[0].wants_write) flush(&connections[0]);
}

static void delivered(struct connection *c, uint32_t count) {
  if (count > published - c->received) fail("more deliveries than messages");
  c->received += count;
  outstanding -= count;
  messages += count;
  if (!outstanding && sending) publish();
}

static double load(int duration) {
  double start = now();
  sending = true;
  publish();
  return run_until_quiet(start, duration, delivered);
}

void broadcast_mode(void) {
  prepare_frames(true, 1);
  create_connections(options.connections);
  open_connections(options.connections, USUAL_CONCURRENCY);
  struct measurement result = measure(load, delivered);
  print_result(result.seconds, result.cpu, "");
}
