/* The command line: MODE --name=value ... */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum mode { MODE_ECHO = 1, MODE_BROADCAST = 2, MODE_LATENCY = 4, MODE_OPEN = 8, MODE_SERVE = 16 };

/* permessage-deflate, where it is offered: each message on its own, or with what went before. */
enum deflate { DEFLATE_NONE, DEFLATE_NO_TAKEOVER, DEFLATE_TAKEOVER };

struct options {
  enum mode mode;
  const char *host, *path, *unix_path, *kind;
  int port, connections, in_flight, rate, warm_up_connections, warm_up_rounds, concurrency, messages;
  uint64_t size;
  int duration, warm_up; /* ms */
  bool tls;
  enum deflate deflate;
};

extern struct options options;

/* Fills `options`, or fails. */
void parse_options(int argc, char **argv);
