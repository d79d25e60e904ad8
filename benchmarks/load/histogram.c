#include "histogram.h"
#include <string.h>

#define STEPS (1u << HISTOGRAM_STEP_BITS)

void histogram_clear(struct histogram *h) {
  memset(h, 0, sizeof *h);
}

void histogram_add(struct histogram *h, double seconds) {
  uint64_t value = seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
  int shift = value < 2 * STEPS ? 0 : 63 - __builtin_clzll(value) - HISTOGRAM_STEP_BITS;
  h->counts[(uint64_t)shift * STEPS + (value >> shift)]++;
  h->total++;
  if (value > h->max) h->max = value;
}

double histogram_percentile(const struct histogram *h, double part) {
  double rank = part * (double)h->total;
  uint64_t seen = 0;
  for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->counts[i];
    if (!h->counts[i] || (double)seen < rank) continue;
    int shift = i < 2 * STEPS ? 0 : (int)(i / STEPS) - 1;
    /* The middle of the bucket, which may lie above all that was counted. */
    double value = ((double)(i - (uint64_t)shift * STEPS) + 0.5) * (double)(1ull << shift);
    return (value > (double)h->max ? (double)h->max : value) / 1e3;
  }
  return 0;
}

double histogram_max(const struct histogram *h) {
  return (double)h->max / 1e3;
}
