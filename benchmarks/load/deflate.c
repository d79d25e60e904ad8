/*
 * The generator compresses in advance, and sends the same frames over and over. That is right with context
 * takeover too: the messages repeat in a cycle, so what a server has in its window before a message is the same
 * from the second cycle on, and a back reference says only how far back to look. Each connection sends the first
 * cycle, compressed from an empty window, once, and then the second again and again.
 */
#define _GNU_SOURCE
#include "deflate.h"
#include "options.h"
#include "process.h"

#ifdef WITH_ZLIB

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What a flush ends with, and what a message leaves out (RFC 7692, 7.2.1). */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

/* What was agreed; the text is as the server wrote it. */
static char agreed[256];
static bool server_takeover = true, client_takeover = true;
static int server_window = 15, client_window = 15;
/* Mean size of the messages that are sent over and over. */
static double sent_size;

void deflate_prepare(void) {
  if (!options.size) fail("--deflate needs a --size of at least 1");
}

const char *deflate_offer(void) {
  /* As browsers do, the size of the windows is left to the server. */
  return options.deflate == DEFLATE_TAKEOVER
             ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
             : "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
               "server_no_context_takeover; client_max_window_bits\r\n";
}

/* ---- the answer ---- */

static int window_bits(const char *text) {
  char *end;
  long bits = strtol(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || bits < 8 || bits > 15) fail("a window of %s bits", text);
  return (int)bits;
}

static void read_parameter(const char *parameter) {
  const char server_bits[] = "server_max_window_bits=", client_bits[] = "client_max_window_bits=";
  if (!strcmp(parameter, "server_no_context_takeover"))
    server_takeover = false;
  else if (!strcmp(parameter, "client_no_context_takeover"))
    client_takeover = false;
  else if (!strncmp(parameter, server_bits, strlen(server_bits)))
    server_window = window_bits(parameter + strlen(server_bits));
  else if (!strncmp(parameter, client_bits, strlen(client_bits)))
    client_window = window_bits(parameter + strlen(client_bits));
  else
    fail("the server answered the offer of permessage-deflate with \"%s\"", agreed);
}

static void read_answer(void) {
  char copy[sizeof agreed], *rest;
  strcpy(copy, agreed);
  const char *name = strtok_r(copy, "; ", &rest);
  if (!name || strcmp(name, "permessage-deflate"))
    fail("the server answered the offer of permessage-deflate with \"%s\"", agreed);
  for (const char *parameter; (parameter = strtok_r(NULL, "; ", &rest));) read_parameter(parameter);
  bool wanted = options.deflate == DEFLATE_TAKEOVER;
  if (server_takeover != wanted)
    fail("the server %s its context between messages, which is not what this load is for: \"%s\"",
         wanted ? "does not keep" : "keeps", agreed);
  /* The generator compresses as the mode says; that a server would let it do more makes no difference. */
  if (!wanted) client_takeover = false;
}

/* ---- compressing ---- */

static struct payload compress_message(z_stream *stream, uint32_t index) {
  /* More than any message grows by. */
  uint64_t room = options.size + options.size / 8 + 128;
  uint8_t *out = allocate(room, 1);
  stream->next_in = (uint8_t *)message_at(index);
  stream->avail_in = (uInt)options.size;
  stream->next_out = out;
  stream->avail_out = (uInt)room;
  if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in || !stream->avail_out)
    fail("zlib could not compress a message");
  return (struct payload){.bytes = out, .length = room - stream->avail_out - sizeof tail};
}

static void prepare_compressed_frames(void) {
  uint32_t repeat_from = client_takeover ? message_count : 0, count = repeat_from + message_count;
  struct payload *payloads = allocate(count, sizeof *payloads);
  z_stream stream = {0};
  /* zlib's defaults, but for the window. It has none of 8 bits for this format. */
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -client_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    fail("zlib cannot compress with a window of %d bits", client_window);
  for (uint32_t i = 0; i < count; i++) {
    if (!client_takeover) deflateReset(&stream);
    payloads[i] = compress_message(&stream, i);
    if (i >= repeat_from) sent_size += (double)payloads[i].length / message_count;
  }
  deflateEnd(&stream);
  lay_out_frames(RSV1 | opcode, payloads, count, repeat_from);
  for (uint32_t i = 0; i < count; i++) free((void *)payloads[i].bytes);
  free(payloads);
}

void deflate_agree(const char *answer, size_t length) {
  if (!answer) fail("the server did not agree to permessage-deflate");
  if (length >= sizeof agreed) fail("the server's extensions are too long");
  if (*agreed) {
    if (strlen(agreed) != length || memcmp(agreed, answer, length))
      fail("the server agreed to something else than before: \"%.*s\"", (int)length, answer);
    return;
  }
  memcpy(agreed, answer, length);
  read_answer();
  prepare_compressed_frames();
}

/* ---- inflating what is compared ---- */

struct inflater {
  z_stream stream;
  uint8_t message[]; /* with room for a byte too many */
};

static _Noreturn void fail_comparison(struct connection *c, const char *what) {
  fail("message %u from the server %s", c->compared + 1, what);
}

static struct inflater *attach(struct connection *c) {
  struct inflater *inflater = c->inflater = allocate(1, sizeof *inflater + options.size + 1);
  if (inflateInit2(&inflater->stream, -server_window) != Z_OK) fail("zlib cannot inflate");
  inflater->stream.next_out = inflater->message;
  inflater->stream.avail_out = (uInt)options.size + 1;
  return inflater;
}

void inflate_part(struct connection *c, const uint8_t *bytes, uint64_t length) {
  struct inflater *inflater = c->inflater ? c->inflater : attach(c);
  z_stream *stream = &inflater->stream;
  stream->next_in = (uint8_t *)bytes;
  stream->avail_in = (uInt)length;
  while (stream->avail_in) {
    int result = inflate(stream, Z_SYNC_FLUSH);
    /* A final block ends no message (RFC 7692, 7.2.3.4): more may come, with the same window. */
    if (result == Z_STREAM_END) result = inflateResetKeep(stream);
    if (result != Z_OK) fail_comparison(c, "is not compressed as agreed");
    if (!stream->avail_out) fail_comparison(c, "inflates to more than was sent");
  }
}

void inflate_end(struct connection *c) {
  inflate_part(c, tail, sizeof tail);
  struct inflater *inflater = c->inflater;
  z_stream *stream = &inflater->stream;
  if (stream->avail_out != 1 || memcmp(inflater->message, message_at(c->compared), options.size))
    fail_comparison(c, "does not inflate to what was sent");
  stream->next_out = inflater->message;
  stream->avail_out = (uInt)options.size + 1;
  if (!server_takeover) inflateReset(stream);
}

void inflate_detach(struct connection *c) {
  if (!c->inflater) return;
  inflateEnd(&((struct inflater *)c->inflater)->stream);
  free(c->inflater);
  c->inflater = NULL;
}

void deflate_report(char *out, size_t size, double received) {
  /* Read as it was, the text holds nothing that JSON would want escaped. */
  snprintf(out, size, ",\"compression\":{\"extension\":\"%s\",\"sent\":%.1f,\"received\":%.1f}", agreed,
           sent_size, received);
}

#else

void deflate_prepare(void) {
  fail("--deflate is not compiled in: install zlib's headers (Debian: zlib1g-dev) and compile with "
       "-DWITH_ZLIB ... -lz");
}

const char *deflate_offer(void) {
  return "";
}

void deflate_agree(const char *answer, size_t length) {
  (void)answer, (void)length;
}

void inflate_part(struct connection *c, const uint8_t *bytes, uint64_t length) {
  (void)c, (void)bytes, (void)length;
}

void inflate_end(struct connection *c) {
  (void)c;
}

void inflate_detach(struct connection *c) {
  (void)c;
}

void deflate_report(char *out, size_t size, double received) {
  (void)size, (void)received;
  *out = 0;
}

#endif
