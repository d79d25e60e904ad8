"""Python's websocket-client as a peer, in all releases from 1.2 on. It blocks, so each call has a thread."""

import asyncio
import functools
import ssl

import websocket

import agent

connections = []


class Connection(websocket.WebSocket):
    """Remember the close frame that came: the older releases forget it."""

    heard = None

    def recv_frame(self):
        frame = super().recv_frame()
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            self.heard = frame.data
        return frame


def in_thread(function):
    @functools.wraps(function)
    async def call(**parameters):
        return await asyncio.to_thread(function, **parameters)

    return call


@in_thread
def connect(url, subprotocols=None, origin=None, ca=None, headers=None):
    options = {"subprotocols": subprotocols, "origin": origin, "header": headers or []}
    if ca is not None:
        options["sslopt"] = {"context": ssl.create_default_context(cadata=ca)}
    connection = websocket.create_connection(url, timeout=10, class_=Connection, **options)
    connections.append(connection)
    return {
        "connection": len(connections) - 1,
        "subprotocol": connection.getsubprotocol(),
        "extensions": connection.getheaders().get("sec-websocket-extensions"),
    }


@in_thread
def send(connection, message):
    message = agent.from_json(message)
    if isinstance(message, str):
        connections[connection].send(message)
    else:
        connections[connection].send_binary(message)


@in_thread
def send_fragments(connection, fragments):
    fragments = [agent.from_json(fragment) for fragment in fragments]
    is_text = isinstance(fragments[0], str)
    opcode = websocket.ABNF.OPCODE_TEXT if is_text else websocket.ABNF.OPCODE_BINARY
    for index, fragment in enumerate(fragments):
        is_last = index == len(fragments) - 1
        data = fragment.encode() if is_text else fragment
        frame = websocket.ABNF.create_frame(data, opcode if index == 0 else websocket.ABNF.OPCODE_CONT, int(is_last))
        connections[connection].send_frame(frame)


@in_thread
def ping(connection, payload):
    connections[connection].ping(payload)
    opcode, data = connections[connection].recv_data(control_frame=True)
    if opcode != websocket.ABNF.OPCODE_PONG or data != payload.encode():
        raise Exception("got opcode %d with %r instead of a pong with %r" % (opcode, data, payload))


@in_thread
def receive(connection):
    opcode, data = connections[connection].recv_data()
    if opcode == websocket.ABNF.OPCODE_CLOSE:
        raise Exception("a close frame came instead of a message")
    return agent.to_json(data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data)


@in_thread
def close(connection, code, reason):
    connections[connection].close(code, reason.encode())
    return close_frame(connection)


@in_thread
def closed(connection):
    opcode, _ = connections[connection].recv_data()
    if opcode != websocket.ABNF.OPCODE_CLOSE:
        raise Exception("a message came instead of a close frame")
    connections[connection].shutdown()
    return close_frame(connection)


def close_frame(connection):
    heard = connections[connection].heard
    if heard is None:
        return {"code": 1006, "reason": ""}
    return {"code": int.from_bytes(heard[:2], "big") if heard else 1005, "reason": heard[2:].decode()}


agent.run(
    {
        "connect": connect,
        "send": send,
        "sendFragments": send_fragments,
        "ping": ping,
        "receive": receive,
        "close": close,
        "closed": closed,
    }
)
