# Not called websockets.py, or Python would import this file for the library.
# As the documentation of Python's websockets shows an echo, with asyncio and its defaults, but for the limit of the
# message and for compression, which is off where the work has none.

import asyncio
import json
import os
import platform
import resource
import signal
import ssl
import sys

import websockets
from websockets.asyncio.server import broadcast, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

WORK = os.environ.get("WORK", "echo")
COMPRESSION = os.environ.get("COMPRESSION")


async def echo(websocket):
    async for message in websocket:
        if WORK == "broadcast":
            broadcast(server.connections, message)
        else:
            await websocket.send(message)


def answer():
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    if line.startswith("usage"):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"user": usage.ru_utime * 1e6, "system": usage.ru_stime * 1e6}), flush=True)
    if line.startswith("memory"):
        with open("/proc/self/statm") as statm:
            pages = int(statm.read().split()[1])
        print(json.dumps({"resident": pages * resource.getpagesize()}), flush=True)


# What compression="deflate" stands for, which is the default, and without takeover where that is wanted.
def deflate():
    alone = COMPRESSION == "no-takeover"
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=alone,
        client_no_context_takeover=alone,
        server_max_window_bits=12,
        client_max_window_bits=12,
        compress_settings={"memLevel": 5},
    )


async def main():
    global server
    context = None
    if "TLS_KEY" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, stop.set_result, None)
    loop.add_reader(sys.stdin, answer)
    options = {"max_size": 16 * 1024 * 1024, "compression": None, "ssl": context}
    if COMPRESSION:
        options["extensions"] = [deflate()]
    async with serve(echo, "127.0.0.1", int(os.environ.get("PORT", 0)), **options) as server:
        port = server.sockets[0].getsockname()[1]
        runtime = f"Python {platform.python_version()}"
        print(json.dumps({"port": port, "version": websockets.__version__, "runtime": runtime}), flush=True)
        await stop


asyncio.run(main())
