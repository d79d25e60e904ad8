/* TLS below a connection; compiled in only with -DWITH_TLS, for it needs OpenSSL. */
#pragma once
#include "connection.h"

enum tls_state { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE };

/* Fails without WITH_TLS; nothing else here is called then. */
void tls_prepare(void);
void tls_attach(struct connection *c);
void tls_detach(struct connection *c);
enum tls_state tls_handshake(struct connection *c);
/* As send() and recv(): -1 with EAGAIN in errno when there is no room or nothing has come. */
ssize_t tls_send(struct connection *c, const void *from, size_t length);
ssize_t tls_receive(struct connection *c, void *to, size_t length);
/* Bytes were taken out of the socket and not yet received. */
bool tls_pending(struct connection *c);
