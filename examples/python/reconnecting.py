# Come back whenever the connection is lost, until the server has said all.
import asyncio
import sys

from websockets import ConnectionClosed, connect


async def stay(uri):
    async for websocket in connect(uri):
        try:
            await websocket.send("I am here")
            async for message in websocket:
                print(message)
                if message == "that is all":
                    await websocket.close()
                    return
        except ConnectionClosed as error:
            print(error, file=sys.stderr)


asyncio.run(stay(sys.argv[1]))
