"""Takes calls as lines of JSON on standard input and answers each on standard output: the wire between a test and a peer.

A call is [id, method, parameters]; its answer is [id, result, null] or [id, null, error]. Calls run concurrently.
It ends when its standard input does, so that it cannot outlive the test.
"""

import asyncio
import base64
import json
import sys


def from_json(message):
    """Read a message: {"text": string} or {"binary": base64}."""
    return message["text"] if "text" in message else base64.b64decode(message["binary"])


def to_json(message):
    if isinstance(message, str):
        return {"text": message}
    return {"binary": base64.b64encode(message).decode()}


async def answer(methods, call):
    number, method, parameters = json.loads(call)
    try:
        reply = [number, await methods[method](**parameters), None]
    except Exception as error:
        reply = [number, None, describe(error)]
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def describe(error):
    # websockets: of InvalidStatusCode (older) and InvalidStatus (newer); websocket-client: of both.
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return {"kind": type(error).__name__, "message": str(error), "status": status}


async def main(methods):
    loop = asyncio.get_running_loop()
    tasks = set()
    while True:
        call = await loop.run_in_executor(None, sys.stdin.readline)
        if not call:
            break
        task = loop.create_task(answer(methods, call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def run(methods):
    asyncio.run(main(methods))
