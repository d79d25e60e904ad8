"""Prints the public names of websockets and websocket-client as JSON: a list for each heading of the page on migrating."""

import inspect
import json
import re

import websocket
import websockets
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.asyncio.router import route
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve

# Public by their names alone: what asyncio calls, and parts that no page of the two libraries tells of.
INNER = set(
    """
    connection_made connection_lost data_received eof_received loop paused
    acknowledge_pings close_deadline close_exc connection_exc connection_lost_waiter drain drain_waiters handshake
    keepalive keepalive_task max_queue_low pause_writing pending_pings process_event protocol request_rcvd response_rcvd
    resume_writing send_context send_data send_in_progress set_connection_exc start_keepalive terminate_pending_pings
    write_limit_low
    all_connections close_task create_server handler_tasks handlers_waiter
    has_done_teardown has_done_teardown_lock last_close_frame ping_thread prepared_socket stop_ping
    close_frame cont_frame lock readlock sock_opt
    """.split()
)


def parameters(*functions):
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        name
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and parameter.kind not in kinds
    }


def members(*classes):
    return {
        name
        for cls in classes
        for base in cls.__mro__
        if base.__module__.split(".")[0] in ("websockets", "websocket")
        for name in [*vars(base), *re.findall(r"self\.(\w+)(?::[^=\n]+)? = ", inspect.getsource(base.__init__))]
        if not name.startswith("_")
    } - INNER


def exceptions(module):
    return {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__.startswith("websocket")
    }


def documented_options(function):
    return set(re.findall(r"^ +(\w+): ", function.__doc__, re.MULTILINE))


tls = inspect.getsource(websocket._http)
names = {
    "connect": parameters(connect.__init__, unix_connect) - {"path"},
    "Connections": members(ClientConnection, ServerConnection),
    "serve": parameters(serve, websockets.broadcast, basic_auth) | members(Server) | {"route"},
    "Exceptions of websockets": exceptions(websockets.exceptions),
    "WebSocketApp": parameters(websocket.WebSocketApp.__init__) | members(websocket.WebSocketApp),
    "run_forever": parameters(websocket.WebSocketApp.run_forever),
    "create_connection and WebSocket": parameters(websocket.create_connection, websocket.WebSocket.__init__)
    | documented_options(websocket.create_connection)
    | members(websocket.WebSocket),
    "TLS": set(re.findall(r"sslopt(?:\.get\(|\[)\"(\w+)\"", tls)),
    "Exceptions of websocket-client": exceptions(websocket._exceptions),
    "enableTrace and wsdump": parameters(websocket.enableTrace) | set(websocket._logging.__all__),
}
print(json.dumps({heading: sorted(group) for heading, group in names.items()}))
