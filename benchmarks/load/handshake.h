/* The opening handshake, of both sides, without blocking. */
#pragma once
#include "connection.h"

/* Opening handshakes under way at once, where it does not matter. */
#define USUAL_CONCURRENCY 64

/* Connections whose handshake is done. */
extern int opened;

/* Opens the first `count` connections and returns when all are open. */
void open_connections(int count, int concurrency);
/* Takes a socket of a client that connected. */
void accept_connection(struct connection *c, int fd);
/* Does what the socket is ready for. */
void advance_handshake(struct connection *c);
/* Parses --host. */
struct in_addr loopback_address(void);
