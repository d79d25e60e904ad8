#include "options.h"
#include "process.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* A source address has about 28,000 ports; modes that use only one stay well below. */
#define MAX_CONNECTIONS 100000
#define MAX_CONNECTIONS_ONE_ADDRESS 10000

struct options options = {.host = "127.0.0.1",
                          .path = "/",
                          .kind = "text-ascii",
                          .connections = 64,
                          .in_flight = 1,
                          .rate = 1000,
                          .warm_up_connections = 1000,
                          .warm_up_rounds = 1,
                          .concurrency = 64,
                          .size = 32,
                          .duration = 1500,
                          .warm_up = 500};

static const struct {
  const char *name;
  enum mode mode;
} modes[] = {{"echo", MODE_ECHO},
             {"broadcast", MODE_BROADCAST},
             {"latency", MODE_LATENCY},
             {"open", MODE_OPEN},
             {"serve", MODE_SERVE}};

static enum mode parse_mode(const char *text) {
  for (size_t i = 0; text && i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(text, modes[i].name)) return modes[i].mode;
  fail("the first argument is the mode: echo, broadcast, latency, open or serve");
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || value < least || value > most)
    fail("--%s must be a number from %llu to %llu", name, (unsigned long long)least, (unsigned long long)most);
  return value;
}

static enum deflate parse_deflate(const char *text) {
  if (!strcmp(text, "no-takeover")) return DEFLATE_NO_TAKEOVER;
  if (!strcmp(text, "takeover")) return DEFLATE_TAKEOVER;
  fail("--deflate must be no-takeover or takeover");
}

/* An option that a mode would ignore is a mistake of the caller, better told than hidden. */
static void only_in(int allowed, const char *name) {
  if (!(options.mode & allowed)) fail("--%s is not an option of this mode", name);
}

void parse_options(int argc, char **argv) {
  static const struct option known[] = {
      {"host", 1, 0, 'h'},        {"port", 1, 0, 'p'},      {"path", 1, 0, 'P'},
      {"unix", 1, 0, 'u'},        {"tls", 0, 0, 't'},       {"connections", 1, 0, 'c'},
      {"in-flight", 1, 0, 'f'},   {"rate", 1, 0, 'r'},      {"size", 1, 0, 's'},
      {"kind", 1, 0, 'k'},        {"duration", 1, 0, 'd'},  {"warm-up", 1, 0, 'w'},
      {"concurrency", 1, 0, 'C'}, {"warm-up-connections", 1, 0, 'W'},
      {"warm-up-rounds", 1, 0, 'R'},
      {"deflate", 1, 0, 'z'},     {"messages", 1, 0, 'm'},  {0, 0, 0, 0}};
  options.mode = parse_mode(argc > 1 ? argv[1] : NULL);
  bool one_address = options.mode & (MODE_BROADCAST | MODE_LATENCY);
  int most = one_address ? MAX_CONNECTIONS_ONE_ADDRESS : MAX_CONNECTIONS;
  argc--, argv++;
  opterr = 0;
  int option;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (option) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = (int)number("port", optarg, 1, 65535); break;
      case 'P': options.path = optarg; break;
      case 'u':
        only_in(~MODE_SERVE, "unix");
        options.unix_path = optarg;
        break;
      case 't':
        only_in(~MODE_SERVE, "tls");
        options.tls = true;
        break;
      case 'c': options.connections = (int)number("connections", optarg, 1, (uint64_t)most); break;
      case 'f':
        only_in(MODE_ECHO | MODE_SERVE, "in-flight");
        options.in_flight = (int)number("in-flight", optarg, 1, 1024);
        break;
      case 'r':
        only_in(MODE_LATENCY, "rate");
        options.rate = (int)number("rate", optarg, 1, 10000000);
        break;
      case 's': options.size = number("size", optarg, 0, 64 * 1024 * 1024); break;
      case 'k': options.kind = optarg; break;
      case 'd': options.duration = (int)number("duration", optarg, 1, 120000); break;
      case 'w': options.warm_up = (int)number("warm-up", optarg, 0, 120000); break;
      case 'C':
        only_in(MODE_OPEN, "concurrency");
        options.concurrency = (int)number("concurrency", optarg, 1, 10000);
        break;
      case 'W':
        only_in(MODE_OPEN, "warm-up-connections");
        options.warm_up_connections = (int)number("warm-up-connections", optarg, 0, MAX_CONNECTIONS);
        break;
      case 'R':
        only_in(MODE_OPEN, "warm-up-rounds");
        options.warm_up_rounds = (int)number("warm-up-rounds", optarg, 0, 100);
        break;
      case 'z':
        only_in(~MODE_SERVE, "deflate");
        options.deflate = parse_deflate(optarg);
        break;
      case 'm':
        only_in(MODE_OPEN, "messages");
        options.messages = (int)number("messages", optarg, 0, 1000);
        break;
      default: fail("%s is not an option, or lacks its value", argv[optind - 1]);
    }
  }
  if (optind < argc) fail("unknown argument %s", argv[optind]);
  if (options.mode != MODE_SERVE && !options.port && !options.unix_path) fail("--port or --unix is missing");
}
