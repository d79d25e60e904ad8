# A long connection: an object that is told what happens, and comes back.
import sys

from websocket import WebSocketApp

attempts = 0


def make_header():
    # Called anew for each attempt.
    global attempts
    attempts += 1
    return {"Authorization": f"Bearer token-{attempts}"}


def on_open(app):
    app.send("Hello")


def on_message(app, message):
    print(message)
    if message == "enough":
        app.close()


def on_error(app, error):
    print(error, file=sys.stderr)


def on_close(app, code, reason):
    print("closed")


app = WebSocketApp(
    sys.argv[1],
    header=make_header,
    on_open=on_open,
    on_message=on_message,
    on_error=on_error,
    on_close=on_close,
)
app.run_forever(reconnect=1, ping_interval=1, suppress_origin=True)
