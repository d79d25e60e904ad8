"""A client of Python's websockets that prints its debug log, with which a trace of ours is compared.
usage: debug_log_peer.py URL
"""

import asyncio
import logging
import sys

import websockets

MESSAGES = (
    "hello",
    "",
    "中文 é",
    "it's",
    '{"a": "b"}',
    "two\nlines\tand \\",
    b"\x00\x01\xff",
    bytes(range(26)),
    ["in ", "fragments"],
)


async def main(url):
    async with websockets.connect(url, compression=None, ping_interval=None) as connection:
        for message in MESSAGES:
            await connection.send(message)
            await connection.recv()
        await (await connection.ping("are you there"))
        await (await connection.ping(b"\xff\x00"))
        await connection.close(1000, "bye")


logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
logging.getLogger("websockets").setLevel(logging.DEBUG)
asyncio.run(main(sys.argv[1]))
