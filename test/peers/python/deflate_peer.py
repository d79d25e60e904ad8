"""Python's websockets as a peer that compresses, in all releases from 10.4 on: echo servers, and clients that expect
their messages back. The options are the parameters of permessage-deflate (RFC 7692), as the library takes them. Behind
a comma stands one more server or client; clients run one after the other.
usage: deflate_peer.py server [OPTIONS] [, OPTIONS]... | client [OPTIONS] URL [, [OPTIONS] URL]...; --help names the
options
"""

import argparse
import asyncio
import contextlib
import itertools
import sys

import websockets
from deflate_messages import SIZES, make_series
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

# How long a client may take for all that it does, in seconds.
PATIENCE = 60

# How long a fragment of a client is. The library flushes each, so that its compressed form ends at a byte.
FRAGMENT = 16 * 1024


def window_bits(text):
    return True if text == "any" else int(text)


def make_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", nargs="?")
    parser.add_argument("--compress", action="store_true", help="no option below does anything without this")
    parser.add_argument("--server-no-context-takeover", action="store_true")
    parser.add_argument("--client-no-context-takeover", action="store_true")
    parser.add_argument("--server-max-window-bits", type=int, metavar="BITS")
    parser.add_argument(
        "--client-max-window-bits",
        type=window_bits,
        metavar="BITS",
        help="a client may say 'any': it knows the parameter, and leaves the number to the server",
    )
    parser.add_argument("--level", type=int, help="how hard to compress: 0 to 9")
    parser.add_argument("--largest", type=int, default=SIZES[-1], metavar="BYTES", help="of a client's messages")
    return parser


def split(arguments):
    groups = itertools.groupby(arguments, lambda argument: argument == ",")
    return [list(group) for is_comma, group in groups if not is_comma] or [[]]


def make_options(factory, arguments):
    options = {"compression": None, "max_size": None}
    if arguments.compress:
        extension = factory(
            server_no_context_takeover=arguments.server_no_context_takeover,
            client_no_context_takeover=arguments.client_no_context_takeover,
            server_max_window_bits=arguments.server_max_window_bits,
            client_max_window_bits=arguments.client_max_window_bits,
            compress_settings={} if arguments.level is None else {"level": arguments.level},
        )
        options["extensions"] = [extension]
    return options


async def echo(connection, *_):
    """Send everything back, every other message in three fragments."""
    is_whole = True
    async for message in connection:
        third = len(message) // 3
        if is_whole or third == 0:
            await connection.send(message)
        else:
            await connection.send([message[:third], message[third : 2 * third], message[2 * third :]])
        is_whole = not is_whole


async def serve(all_arguments):
    """Serve until killed, and print the ports as the only lines."""
    async with contextlib.AsyncExitStack() as stack:
        for arguments in all_arguments:
            options = make_options(ServerPerMessageDeflateFactory, arguments)
            server = await stack.enter_async_context(websockets.serve(echo, "127.0.0.1", 0, **options))
            print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


async def run_client(arguments):
    """
    Send every message and await its echo, then send all at once, long ones in fragments; print what was agreed, and
    how many came back.
    """
    options = make_options(ClientPerMessageDeflateFactory, arguments)
    series = list(make_series(arguments.largest))
    connection = await websockets.connect(arguments.url, **options)
    # Releases before 14 keep the headers at the connection itself.
    headers = connection.response.headers if hasattr(connection, "response") else connection.response_headers
    print("extensions:", ", ".join(headers.get_all("Sec-WebSocket-Extensions")), flush=True)
    for name, message in series:
        await connection.send(message)
        await expect(connection, name, message)

    async def send_all():
        for _, message in series:
            fragments = [message[start : start + FRAGMENT] for start in range(0, len(message), FRAGMENT)]
            await connection.send(fragments if len(fragments) > 1 else message)

    async def expect_all():
        for name, message in series:
            await expect(connection, name, message)

    await asyncio.gather(send_all(), expect_all())
    print(2 * len(series), "messages came back as they were", flush=True)
    await connection.close()
    if connection.close_code != 1000:
        sys.exit(f"the connection closed with {connection.close_code}")


async def expect(connection, name, message):
    received = await connection.recv()
    if received != message:
        sys.exit(f"{name} came back as {len(received)} of {type(received).__name__}")


async def main():
    role, *rest = sys.argv[1:]
    parser = make_parser()
    all_arguments = [parser.parse_intermixed_args(group) for group in split(rest)]
    if role == "server":
        await serve(all_arguments)
        return
    for arguments in all_arguments:
        await asyncio.wait_for(run_client(arguments), PATIENCE)


asyncio.run(main())
