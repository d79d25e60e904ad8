# Tell everybody what one of them says.
import asyncio
import sys

from websockets import broadcast, serve


async def chat(websocket):
    async for message in websocket:
        broadcast(websocket.server.connections, message)


async def main(port):
    async with serve(chat, "127.0.0.1", port) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
