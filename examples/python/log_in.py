# Log in: try one name after the other until the server knows one.
import asyncio
import sys

from websockets import connect


async def log_in(uri):
    async with connect(uri) as websocket:
        for name in ["eve", "hlq"]:
            await websocket.send(name)
            answer = await websocket.recv()
            print(f"{name}: {answer}")
            if answer == "True":
                break


asyncio.run(log_in(sys.argv[1]))
