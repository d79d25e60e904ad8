/* What every part needs of the process it runs in: its end, memory, clocks, limits. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A peer that does nothing for so long is stuck; waiting longer would hang the run. */
#define STALL_MS 10000

/* Prints one line on standard error and ends the process with 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Zeroed memory. */
void *allocate(size_t count, size_t size);
/* Seconds of the monotonic clock. */
double now(void);
/* Seconds of CPU time this process took. */
double own_cpu(void);
/* Makes room for so many open files. */
void raise_file_limit(uint64_t files);
