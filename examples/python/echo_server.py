# Echo what those send who have a token.
import asyncio
import sys

from websockets import serve


async def echo(websocket):
    async for message in websocket:
        if message == "bye":
            break
        await websocket.send(message)


def check(connection, request):
    if request.path == "/health":
        return connection.respond(200, "well\n")
    if request.headers.get("Authorization") != "Bearer abc":
        return connection.respond(401, "who are you?\n")


async def main(port):
    async with serve(
        echo,
        "127.0.0.1",
        port,
        subprotocols=["echo"],
        process_request=check,
    ) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
