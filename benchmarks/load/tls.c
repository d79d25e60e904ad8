#include "tls.h"
#include "process.h"
#include <errno.h>

#ifdef WITH_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

static SSL_CTX *context;

static _Noreturn void fail_tls(const char *what) {
  const char *reason = ERR_reason_error_string(ERR_get_error());
  fail("TLS: %s: %s", what, reason ? reason : "unknown error");
}

void tls_prepare(void) {
  context = SSL_CTX_new(TLS_client_method());
  if (!context) fail_tls("no context");
  /* The certificate of a server on this machine is a throw-away. */
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  /* Release buffers: of 10,000 connections few have something under way. */
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  /* Without, each record costs two reads: its header, its body. */
  SSL_CTX_set_read_ahead(context, 1);
}

void tls_attach(struct connection *c) {
  SSL *tls = SSL_new(context);
  if (!tls || !SSL_set_fd(tls, c->fd)) fail_tls("no connection");
  SSL_set_connect_state(tls);
  c->tls = tls;
}

void tls_detach(struct connection *c) {
  SSL_free(c->tls);
  c->tls = NULL;
}

enum tls_state tls_handshake(struct connection *c) {
  int result = SSL_do_handshake(c->tls);
  if (result == 1) return TLS_DONE;
  switch (SSL_get_error(c->tls, result)) {
    case SSL_ERROR_WANT_READ: return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANTS_WRITE;
    case SSL_ERROR_SYSCALL: fail("TLS handshake: %s", errno ? strerror(errno) : "the server ended the connection");
    default: fail_tls("handshake");
  }
}

static ssize_t outcome(struct connection *c, int result) {
  if (result > 0) return result;
  switch (SSL_get_error(c->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: return errno ? -1 : 0;
    default: fail_tls("connection");
  }
}

ssize_t tls_send(struct connection *c, const void *from, size_t length) {
  errno = 0;
  return outcome(c, SSL_write(c->tls, from, (int)length));
}

ssize_t tls_receive(struct connection *c, void *to, size_t length) {
  errno = 0;
  return outcome(c, SSL_read(c->tls, to, (int)length));
}

bool tls_pending(struct connection *c) {
  return SSL_has_pending(c->tls);
}

#else

void tls_prepare(void) {
  fail("--tls is not compiled in: install OpenSSL's headers (Debian: libssl-dev) and compile with "
       "-DWITH_TLS ... -lssl -lcrypto");
}

void tls_attach(struct connection *c) {
  (void)c;
}

void tls_detach(struct connection *c) {
  (void)c;
}

enum tls_state tls_handshake(struct connection *c) {
  (void)c;
  return TLS_DONE;
}

ssize_t tls_send(struct connection *c, const void *from, size_t length) {
  (void)c, (void)from, (void)length;
  errno = ENOTSUP;
  return -1;
}

ssize_t tls_receive(struct connection *c, void *to, size_t length) {
  (void)c, (void)to, (void)length;
  errno = ENOTSUP;
  return -1;
}

bool tls_pending(struct connection *c) {
  (void)c;
  return false;
}

#endif
