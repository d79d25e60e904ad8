"""Python's websockets as a peer, client and server, in all releases from 10.4 on."""

import asyncio
import inspect
import ssl
import tempfile

import websockets

import agent

# The releases from 14 on have renamed some options and no longer hand their handlers the path.
IS_OLD = "extra_headers" in inspect.signature(websockets.connect).parameters

connections = []
servers = []


async def connect(url, subprotocols=None, origin=None, ca=None, unix=None):
    options = {"subprotocols": subprotocols, "origin": origin}
    if ca is not None:
        options["ssl"] = ssl.create_default_context(cadata=ca)
    if unix is not None:
        connection = await websockets.unix_connect(unix, url, **options)
    else:
        connection = await websockets.connect(url, **options)
    connections.append(connection)
    headers = connection.response_headers if IS_OLD else connection.response.headers
    return {
        "connection": len(connections) - 1,
        "subprotocol": connection.subprotocol,
        "extensions": headers.get("Sec-WebSocket-Extensions"),
    }


async def send(connection, message):
    await connections[connection].send(agent.from_json(message))


async def send_fragments(connection, fragments):
    await connections[connection].send([agent.from_json(fragment) for fragment in fragments])


async def ping(connection, payload):
    await asyncio.wait_for(await connections[connection].ping(payload), 10)


async def receive(connection):
    return agent.to_json(await connections[connection].recv())


async def close(connection, code, reason):
    await connections[connection].close(code, reason)
    return await closed(connection)


async def closed(connection):
    await connections[connection].wait_closed()
    return {"code": connections[connection].close_code, "reason": connections[connection].close_reason}


class Server:
    """Echo, and do what a text that begins with a command says."""

    def __init__(self):
        self.listener = None
        self.closes = asyncio.Queue()

    async def handle(self, connection, *_):
        try:
            async for message in connection:
                command, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
                if command == "close":
                    code, _, reason = rest.partition(" ")
                    await connection.close(int(code), reason)
                elif command == "fragments":
                    await connection.send(["文字", "", "😀", "text"])
                    await connection.send([b"\x00\x01", b"", b"\xff"])
                elif command == "ping":
                    await asyncio.wait_for(await connection.ping("are you there"), 10)
                    await connection.send("there")
                else:
                    await connection.send(message)
        except websockets.ConnectionClosed:
            pass
        await connection.wait_closed()
        self.closes.put_nowait({"code": connection.close_code, "reason": connection.close_reason})


async def serve(subprotocols=None, certificate=None, unix=None, credentials=None, origins=None):
    server = Server()
    options = {"subprotocols": subprotocols, "origins": origins}
    if certificate is not None:
        options["ssl"] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name)
    if credentials is not None and IS_OLD:
        options["create_protocol"] = websockets.basic_auth_protocol_factory("test", tuple(credentials))
    elif credentials is not None:
        options["process_request"] = websockets.basic_auth("test", tuple(credentials))
    if unix is not None:
        server.listener = await websockets.unix_serve(server.handle, unix, **options)
    else:
        server.listener = await websockets.serve(server.handle, "127.0.0.1", 0, **options)
    servers.append(server)
    port = None if unix is not None else server.listener.sockets[0].getsockname()[1]
    return {"server": len(servers) - 1, "port": port}


async def next_close(server):
    """Wait until one more connection of the server has ended."""
    return await asyncio.wait_for(servers[server].closes.get(), 10)


async def stop(server):
    servers[server].listener.close()
    await servers[server].listener.wait_closed()


agent.run(
    {
        "connect": connect,
        "send": send,
        "sendFragments": send_fragments,
        "ping": ping,
        "receive": receive,
        "close": close,
        "closed": closed,
        "serve": serve,
        "nextClose": next_close,
        "stop": stop,
    }
)
