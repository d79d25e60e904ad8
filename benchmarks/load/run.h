/* The order of things, which the modes share: load, quiet point, go, load, result. */
#pragma once
#include "connection.h"

/* Loads the connections for so many ms, then waits until nothing is under way; returns the seconds both took. */
typedef double load_function(int duration);

/* New messages are started; at the end of a phase they are not. */
extern bool sending;
/* Messages that are to come, over all connections, and those that came. */
extern uint64_t outstanding, messages;

/* Keeps loading what the caller has begun at `start`. */
double run_until_quiet(double start, int duration, received_function *received);
/* The load of echo and serve: as many frames as came go back, at the end they are held (`owed`). */
double exchange(int duration);
/* Outside of a phase: a message to and fro on each of the first `count` connections. */
void exchange_once(int count);
void exchange_received(struct connection *c, uint32_t count);

/* Fails when there was no progress for too long; called again and again. */
void check_progress(double time);

/* Waits for a line on standard input, and answers pings meanwhile. */
void wait_for_line(int limit, const char *word, received_function *received);
/* Prints {"ready":true} and waits for go. */
void wait_for_go(received_function *received);
/* `more` is added to the fields: empty or ,"name":value. */
void print_result(double seconds, double cpu, const char *more);

struct measurement {
  double seconds, cpu;
};
/* Warm-up, quiet point, go, measuring. */
struct measurement measure(load_function *load, received_function *received);
