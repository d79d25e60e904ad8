/* Counts durations in buckets whose width grows with the value: at most 1 % of it. */
#pragma once
#include <stdint.h>

/* 128 buckets per power of two; enough powers for any 64-bit value. */
#define HISTOGRAM_STEP_BITS 7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS)

struct histogram {
  uint64_t counts[HISTOGRAM_BUCKETS];
  uint64_t total, max; /* ns */
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, double seconds);
/* Microseconds that `part` (0 to 1) of the values do not exceed. */
double histogram_percentile(const struct histogram *h, double part);
double histogram_max(const struct histogram *h);
