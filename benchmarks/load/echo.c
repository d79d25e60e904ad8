/*
 * Closed loop against an echo server: a fixed number of messages in flight on each connection, and as many
 * as came back are sent with one write.
 */
#include "handshake.h"
#include "modes.h"
#include "options.h"
#include "run.h"

void echo_mode(void) {
  prepare_frames(true, (uint64_t)options.in_flight);
  create_connections(options.connections);
  open_connections(options.connections, USUAL_CONCURRENCY);
  for (int i = 0; i < options.connections; i++) connections[i].owed = (uint32_t)options.in_flight;
  struct measurement result = measure(exchange, exchange_received);
  print_result(result.seconds, result.cpu, "");
}
