# The log-in dialogue with Python's websockets, client: ask on the terminal until the server knows the name.
import asyncio
import sys

import websockets


async def log_in():
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8765/login"
    async with websockets.connect(uri) as connection:
        while True:
            name = input("What's your name? ")
            await connection.send(name)
            answer = await connection.recv()
            print(answer)
            if answer == "True":
                break


asyncio.new_event_loop().run_until_complete(log_in())
