# Not called websockets.py, or Python would import this file for the library.
# As the documentation of Python's websockets shows a client, with asyncio.

import asyncio
import json
import os
import platform
import sys

import websockets
from websockets.asyncio.client import connect

URL = os.environ["URL"]
MESSAGE = "".join(chr(32 + index % 95) for index in range(int(os.environ["SIZE"])))


async def run():
    async with connect(URL, compression=None) as websocket:
        for _ in range(int(os.environ["IN_FLIGHT"])):
            await websocket.send(MESSAGE)
        async for _ in websocket:
            await websocket.send(MESSAGE)


async def main():
    runtime = f"Python {platform.python_version()}"
    print(json.dumps({"port": 0, "version": websockets.__version__, "runtime": runtime}), flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.readline() or os._exit(0))
    await asyncio.gather(*(run() for _ in range(int(os.environ["CONNECTIONS"]))))


asyncio.run(main())
