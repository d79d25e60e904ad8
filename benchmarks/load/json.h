/* Messages as programs send them: JSON documents of the same shape that differ in what they say. */
#pragma once
#include <stdint.h>

/* Writes exactly `size` bytes of ASCII; each index gives another document, the same in every run. */
void build_json(uint8_t *out, uint64_t size, uint32_t index);
