# The log-in dialogue with Python's websockets, server: it listens until it hears a name that it knows.
import asyncio
import sys

import websockets

names = ["hlq", "alice", "bob"]


async def log_in(connection, *_):
    async for name in connection:
        if name in names:
            await connection.send("True")
            break
        await connection.send("name is not exist")


async def main():
    async with websockets.serve(log_in, "localhost", int(sys.argv[1]) if len(sys.argv) > 1 else 8765) as server:
        print("listening on port %d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
