# Read what comes until the server has closed.
import asyncio
import sys

from websockets import connect


async def read(uri):
    async with connect(
        uri,
        subprotocols=["prices.v2", "prices.v1"],
        additional_headers={"Authorization": "Bearer abc"},
        origin="https://shop.example",
        open_timeout=20,
        max_size=64 * 1024,
    ) as websocket:
        print(websocket.subprotocol)
        # The first await sends the ping, the second waits for its pong.
        await (await websocket.ping())
        # A list is one message in fragments.
        await websocket.send(["eggs, ", "milk"])
        await websocket.send(bytes([1, 2, 3]))
        async for message in websocket:
            print(message)
        print(websocket.close_code, websocket.close_reason)


asyncio.run(read(sys.argv[1]))
