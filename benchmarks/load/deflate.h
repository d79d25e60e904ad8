/* permessage-deflate (RFC 7692), as a client; compiled in only with -DWITH_ZLIB, for it needs zlib. */
#pragma once
#include "connection.h"

/* Fails without WITH_ZLIB; nothing else here is called then. */
void deflate_prepare(void);
/* The field of the request that offers it. */
const char *deflate_offer(void);
/* Takes the server's answer to the offer (NULL without one), or fails. The first prepares the frames. */
void deflate_agree(const char *answer, size_t length);

/* Takes bytes of a message that is compared with what was sent. */
void inflate_part(struct connection *c, const uint8_t *bytes, uint64_t length);
/* Compares it, or fails. */
void inflate_end(struct connection *c);
/* Nothing more is compared on this connection. */
void inflate_detach(struct connection *c);

/* Writes the field ,"compression":{...} of the result; `received` is the mean size of a message that came. */
void deflate_report(char *out, size_t size, double received);
