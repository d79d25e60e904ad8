/* The command line: MODE --name=value ... */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum mode { MODE_ECHO = 1, MODE_BROADCAST = 2, MODE_LATENCY = 4, MODE_OPEN = 8, MODE_SERVE = 16 };

struct options {
  enum mode mode;
  const char *host, *path, *unix_path, *kind;
  int port, connections, in_flight, rate, warm_up_connections, concurrency;
  uint64_t size;
  int duration, warm_up; /* ms */
  bool tls;
};

extern struct options options;

/* Fills `options`, or fails. */
void parse_options(int argc, char **argv);
