// The messages that the client sends: the same sizes and kinds as those of ../go/messages.go and
// ../python/deflate_messages.py.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
  const char *name;
  uint8_t *data;
  size_t length;
  bool is_text;
};

struct series {
  struct message *messages;
  size_t count;
};

// Sizes above the largest are left out.
struct series make_series(size_t largest);
