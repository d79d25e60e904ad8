/*
 * Opens many connections and keeps them idle: what a handshake costs a server, and what memory a connection
 * takes that does nothing, be it from the beginning or after some messages. The parent looks at the server
 * before and after.
 */
#include "handshake.h"
#include "modes.h"
#include "options.h"
#include "process.h"
#include "run.h"
#include <unistd.h>

/* A server needs a moment to notice that connections are gone. */
#define SETTLE_MS 200
/* The parent may measure for a while; a parent that is gone must not leave this process behind. */
#define IDLE_MS 60000

static void idle_received(struct connection *c, uint32_t count) {
  (void)c, (void)count;
  fail("a message before any was sent");
}

static void open_and_exchange(int count) {
  open_connections(count, options.concurrency);
  for (int i = 0; i < options.messages; i++) exchange_once(count);
}

static void reset_all(int count) {
  for (int i = 0; i < count; i++) reset(&connections[i]);
}

void open_mode(void) {
  int most = options.connections > options.warm_up_connections ? options.connections : options.warm_up_connections;
  prepare_frames(true, 1);
  create_connections(most);
  for (int round = 0; round < options.warm_up_rounds; round++) {
    open_and_exchange(options.warm_up_connections);
    reset_all(options.warm_up_connections);
    usleep(SETTLE_MS * 1000);
  }
  wait_for_go(idle_received);

  double start = now(), cpu = own_cpu();
  open_and_exchange(options.connections);
  double seconds = now() - start;
  cpu = own_cpu() - cpu;
  messages = (uint64_t)opened;
  print_result(seconds, cpu, "");

  wait_for_line(IDLE_MS, "that it has seen enough", idle_received);
  reset_all(options.connections);
}
