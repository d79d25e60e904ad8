"""An echo server with Python's websockets, on a port that the system chooses."""

import asyncio

import websockets


async def echo(connection, *_):
    async for message in connection:
        await connection.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print("listening on port %d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
