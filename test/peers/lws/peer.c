// libwebsockets as a peer: an echo server, and a client that expects its messages back. Its own test server agrees on
// compression only where it takes no messages, and its test client sends bytes that are no text as text.
// usage: libwebsockets server [--compress] [--level N] |
//        client [--compress] [--offer PARAMETERS] [--level N] [--largest BYTES] URL | version

#include <getopt.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "messages.h"

// The library compresses what it is given at once; more would only make it wait for the socket inside.
#define CHUNK 4096
// How long the client may take for all that it does, in seconds.
#define PATIENCE 60

struct connection {
  struct message incoming;
  size_t capacity;
  struct queued *first, *last;
  // How much of the first one was sent.
  size_t sent;
  // The library may still read the message of the last write.
  struct queued *done;
  bool can_send_nothing;
};

struct queued {
  struct message message;
  struct queued *next;
};

static bool compress;
static const char *level;
static size_t largest = SIZE_MAX;
static struct series series;
static size_t received;
static bool is_done, is_over;

static void *take(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

static void put(struct lws *wsi, struct connection *connection, struct message message) {
  struct queued *queued = take(calloc(1, sizeof *queued));
  queued->message = message;
  // The library writes its headers before the payload.
  queued->message.data = (uint8_t *)take(malloc(LWS_PRE + message.length + 1)) + LWS_PRE;
  memcpy(queued->message.data, message.data, message.length);
  if (connection->first == NULL) connection->first = queued;
  else connection->last->next = queued;
  connection->last = queued;
  lws_callback_on_writable(wsi);
}

static void drop(struct queued *queued) {
  if (queued == NULL) return;
  free(queued->message.data - LWS_PRE);
  free(queued);
}

// Send the next chunk; false when the connection is lost.
static bool send_some(struct lws *wsi, struct connection *connection) {
  drop(connection->done);
  connection->done = NULL;
  struct queued *queued = connection->first;
  if (queued == NULL) return true;
  struct message *message = &queued->message;
  size_t left = message->length - connection->sent;
  size_t length = left < CHUNK ? left : CHUNK;
  int kind = message->is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
  int flags = lws_write_ws_flags(kind, connection->sent == 0, length == left);
  if (lws_write(wsi, message->data + connection->sent, length, flags) < (int)length) return false;
  connection->sent += length;
  if (length == left) {
    connection->sent = 0;
    connection->first = queued->next;
    connection->done = queued;
  }
  if (connection->first != NULL) lws_callback_on_writable(wsi);
  return true;
}

// Take a piece; true when it ends a message, which is the caller's until the next piece. The library aborts at some
// messages that end with a run of one byte, thousands of times: it does not fetch all that zlib holds.
static bool receive_some(struct lws *wsi, struct connection *connection, const void *data, size_t length) {
  struct message *incoming = &connection->incoming;
  if (lws_is_first_fragment(wsi)) {
    incoming->length = 0;
    incoming->is_text = !lws_frame_is_binary(wsi);
  }
  if (incoming->length + length > connection->capacity) {
    connection->capacity = 2 * (incoming->length + length);
    incoming->data = take(realloc(incoming->data, connection->capacity));
  }
  if (length > 0) memcpy(incoming->data + incoming->length, data, length);
  incoming->length += length;
  return lws_is_final_fragment(wsi);
}

static void release(struct connection *connection) {
  while (connection->first != NULL) {
    struct queued *next = connection->first->next;
    drop(connection->first);
    connection->first = next;
  }
  drop(connection->done);
  free(connection->incoming.data);
}

// The library aborts when it compresses an empty message and has compressed another before, unless it forgets each
// message. On servers too it is client_no_context_takeover that makes it forget.
static bool can_send_nothing(struct lws *wsi) {
  char extensions[256] = "";
  lws_hdr_copy(wsi, extensions, sizeof extensions, WSI_TOKEN_EXTENSIONS);
  return !compress || strstr(extensions, "permessage-deflate") == NULL ||
         strstr(extensions, "client_no_context_takeover") != NULL;
}

static int set_level(struct lws *wsi) {
  if (level == NULL) return 0;
  // -1 says that compression was not agreed on.
  lws_set_extension_option(wsi, "permessage-deflate", "compression_level", level);
  return 0;
}

static void leave_out_empty(void) {
  while (series.count > 0 && series.messages[0].length == 0) {
    series.messages++;
    series.count--;
  }
}

static bool echo(struct lws *wsi, struct connection *connection) {
  static uint8_t reason[] = "libwebsockets cannot compress an empty message";
  if (connection->incoming.length == 0 && !connection->can_send_nothing) {
    lws_close_reason(wsi, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, reason, sizeof reason - 1);
    return false;
  }
  put(wsi, connection, connection->incoming);
  return true;
}

// Expect the next message of the series, which is sent twice: awaited one by one, and then all at once.
static bool expect(struct lws *wsi, struct connection *connection) {
  struct message *expected = &series.messages[received % series.count];
  struct message *incoming = &connection->incoming;
  if (incoming->length != expected->length || incoming->is_text != expected->is_text ||
      (incoming->length > 0 && memcmp(incoming->data, expected->data, expected->length) != 0)) {
    fprintf(stderr, "message %zu, %s, came back as %zu bytes of %s\n", received, expected->name, incoming->length,
            incoming->is_text ? "text" : "binary");
    return false;
  }
  received++;
  if (received < series.count) {
    put(wsi, connection, series.messages[received]);
  } else if (received == series.count) {
    for (size_t index = 0; index < series.count; index++) put(wsi, connection, series.messages[index]);
  } else if (received == 2 * series.count) {
    printf("%zu messages came back as they were\n", received);
    is_done = true;
    lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
    return false;
  }
  return true;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *data, size_t length) {
  struct connection *connection = user;
  char extensions[256] = "";
  switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
      connection->can_send_nothing = can_send_nothing(wsi);
      return set_level(wsi);
    case LWS_CALLBACK_RECEIVE:
      if (!receive_some(wsi, connection, data, length)) return 0;
      return echo(wsi, connection) ? 0 : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
      return send_some(wsi, connection) ? 0 : -1;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
      lws_hdr_copy(wsi, extensions, sizeof extensions, WSI_TOKEN_EXTENSIONS);
      printf("extensions: %s\n", extensions);
      if (!can_send_nothing(wsi)) leave_out_empty();
      return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      put(wsi, connection, series.messages[0]);
      return set_level(wsi);
    case LWS_CALLBACK_CLIENT_RECEIVE:
      if (!receive_some(wsi, connection, data, length)) return 0;
      return expect(wsi, connection) ? 0 : -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      fprintf(stderr, "cannot connect: %.*s\n", (int)length, data == NULL ? "" : (char *)data);
      is_over = true;
      return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
      if (!is_done) fprintf(stderr, "closed after %zu messages\n", received);
      is_over = true;
      release(connection);
      return 0;
    case LWS_CALLBACK_CLOSED:
      release(connection);
      return 0;
    default:
      return lws_callback_http_dummy(wsi, reason, user, data, length);
  }
}

static const struct lws_protocols protocols[] = {
    {.name = "echo", .callback = on_event, .per_session_data_size = sizeof(struct connection), .rx_buffer_size = CHUNK},
    {.name = NULL},
};

static struct lws_context *create(bool is_server, const struct lws_extension *extensions) {
  struct lws_context_creation_info info = {
      .port = is_server ? 0 : CONTEXT_PORT_NO_LISTEN,
      .iface = is_server ? "127.0.0.1" : NULL,
      .protocols = protocols,
      .extensions = extensions,
      .options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_DISABLE_IPV6,
      .gid = -1,
      .uid = -1,
      .vhost_name = "peer",
  };
  struct lws_context *context = lws_create_context(&info);
  if (context == NULL) exit(1);
  return context;
}

static int serve(const struct lws_extension *extensions) {
  struct lws_context *context = create(true, extensions);
  printf("%d\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "peer")));
  while (lws_service(context, 0) >= 0) continue;
  return 1;
}

static int run_client(char *url, const struct lws_extension *extensions) {
  struct lws_context *context = create(false, extensions);
  const char *scheme, *address, *path;
  char absolute[256];
  int port;
  if (url == NULL || lws_parse_uri(url, &scheme, &address, &port, &path)) {
    fprintf(stderr, "a URL is needed\n");
    return 1;
  }
  snprintf(absolute, sizeof absolute, "/%s", path);
  series = make_series(largest);
  struct lws_client_connect_info info = {
      .context = context,
      .address = address,
      .port = port,
      .path = absolute,
      .host = address,
      .local_protocol_name = "echo",
      .ietf_version_or_minus_one = -1,
  };
  lws_client_connect_via_info(&info);
  alarm(PATIENCE);
  while (!is_over && lws_service(context, 0) >= 0) continue;
  lws_context_destroy(context);
  return is_done ? 0 : 1;
}

int main(int count, char **arguments) {
  static const struct option options[] = {
      {"compress", no_argument, NULL, 'c'},
      {"offer", required_argument, NULL, 'o'},
      {"level", required_argument, NULL, 'l'},
      {"largest", required_argument, NULL, 'm'},
      {NULL, 0, NULL, 0},
  };
  struct lws_extension extensions[] = {
      {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
      {NULL, NULL, NULL},
  };
  int option;
  while ((option = getopt_long(count, arguments, "", options, NULL)) >= 0) {
    if (option == 'c') compress = true;
    else if (option == 'o') extensions[0].client_offer = optarg;
    else if (option == 'l') level = optarg;
    else if (option == 'm') largest = strtoul(optarg, NULL, 10);
    else return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
  const char *what = optind < count ? arguments[optind] : "";
  if (strcmp(what, "server") == 0) return serve(compress ? extensions : NULL);
  if (strcmp(what, "client") == 0) return run_client(arguments[optind + 1], compress ? extensions : NULL);
  if (strcmp(what, "version") == 0) return printf("libwebsockets %s\n", lws_get_library_version()) < 0;
  fprintf(stderr, "say server, client or version\n");
  return 1;
}
