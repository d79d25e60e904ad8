/*
 * Load generator for WebSocket servers, and an echo server for clients: one thread, epoll, raw sockets.
 *
 *   echo, broadcast, latency, open   load a server     serve   answers clients
 *
 * It must cost less than what it drives, so it prepares its frames once, sends as many as are due with one
 * write, and reads of a message no more than its header. The first message on each connection is compared
 * byte for byte; of all others the opcode and the length are checked. Compressed messages are compressed in
 * advance; the first on each connection is inflated and compared, of all others opcode and RSV1 are checked.
 *
 * It talks to its parent so that the CPU time of the other side can be read while nothing is under way:
 *   1. open all connections, load them for --warm-up ms, wait until every message is back
 *   2. print {"ready":true} and wait for a line on standard input
 *   3. load them for --duration ms, wait until every message is back, print the result as JSON
 */
#include "deflate.h"
#include "modes.h"
#include "options.h"
#include "process.h"
#include "tls.h"
#include <signal.h>

/* Beside the connections: standard streams, epoll, the listening socket. */
#define OTHER_FILES 32

int main(int argc, char **argv) {
  parse_options(argc, argv);
  int most = options.connections;
  if (options.mode == MODE_OPEN && options.warm_up_connections > most) most = options.warm_up_connections;
  raise_file_limit((uint64_t)most + OTHER_FILES);
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
  if (options.tls) tls_prepare();
  if (options.deflate) deflate_prepare();
  switch (options.mode) {
    case MODE_ECHO: echo_mode(); break;
    case MODE_BROADCAST: broadcast_mode(); break;
    case MODE_LATENCY: latency_mode(); break;
    case MODE_OPEN: open_mode(); break;
    case MODE_SERVE: serve_mode(); break;
  }
  return 0;
}
