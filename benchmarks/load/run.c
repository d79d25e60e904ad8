#include "run.h"
#include "deflate.h"
#include "options.h"
#include "process.h"
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

bool sending;
uint64_t outstanding, messages;

void check_progress(double time) {
  static uint64_t seen_messages, seen_outstanding;
  static double progress;
  if (!progress || messages != seen_messages || !seen_outstanding)
    seen_messages = messages, progress = time;
  seen_outstanding = outstanding;
  if (time - progress > STALL_MS / 1e3)
    fail("no message for %d s, %llu outstanding", STALL_MS / 1000, (unsigned long long)outstanding);
}

double run_until_quiet(double start, int duration, received_function *received) {
  double deadline = start + duration / 1e3, time = start;
  check_progress(start);
  while (outstanding) {
    wait_events(100, received);
    time = now();
    if (time >= deadline) sending = false;
    check_progress(time);
  }
  return time - start;
}

static void send_owed(struct connection *c, uint32_t frames) {
  queue_frames(c, frames);
  c->outstanding += frames;
  outstanding += frames;
  if (!c->wants_write) flush(c);
}

void exchange_received(struct connection *c, uint32_t count) {
  if (count > c->outstanding)
    fail(serving ? "more messages than --in-flight without an answer" : "more echoes than messages");
  c->outstanding -= count;
  outstanding -= count;
  messages += count;
  if (sending)
    send_owed(c, count);
  else
    c->owed += count;
}

double exchange(int duration) {
  double start = now();
  sending = true;
  for (int i = 0; i < options.connections; i++) {
    uint32_t owed = connections[i].owed;
    connections[i].owed = 0;
    send_owed(&connections[i], owed);
  }
  return run_until_quiet(start, duration, exchange_received);
}

void exchange_once(int count) {
  for (int i = 0; i < count; i++) send_owed(&connections[i], 1);
  run_until_quiet(now(), 0, exchange_received);
}

void wait_for_line(int limit, const char *word, received_function *received) {
  struct pollfd inputs[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = poller, .events = POLLIN}};
  double deadline = now() + limit / 1e3;
  for (char byte = 0; byte != '\n';) {
    double left = deadline - now();
    if (left <= 0) fail("nobody said %s", word);
    poll(inputs, 2, (int)(left * 1e3) + 1);
    if (inputs[1].revents) wait_events(0, received);
    /* One byte at a time: a second line may follow. */
    if (inputs[0].revents && read(STDIN_FILENO, &byte, 1) != 1) fail("nobody said %s", word);
  }
}

void wait_for_go(received_function *received) {
  puts("{\"ready\":true}");
  fflush(stdout);
  wait_for_line(STALL_MS, "go", received);
}

void print_result(double seconds, double cpu, const char *more) {
  char compression[512] = "";
  double count = received_messages ? (double)received_messages : 1;
  if (options.deflate) deflate_report(compression, sizeof compression, (double)received_bytes / count);
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"cpuUtilisation\":%.4f%s%s}\n",
         (unsigned long long)messages, seconds, cpu, cpu / seconds, more, compression);
  fflush(stdout);
}

struct measurement measure(load_function *load, received_function *received) {
  /* Clients under test may still be about to send their first messages. */
  if (options.warm_up || outstanding) load(options.warm_up);
  wait_for_go(received);
  messages = received_messages = received_bytes = 0;
  struct measurement result;
  double cpu = own_cpu();
  result.seconds = load(options.duration);
  result.cpu = own_cpu() - cpu;
  return result;
}
