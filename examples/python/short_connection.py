# A short connection: connect, send, receive, close.
import sys

from websocket import create_connection

connection = create_connection(
    sys.argv[1],
    timeout=20,
    header={"X-Device": "7"},
    cookie="session=abc",
    origin="https://shop.example",
    subprotocols=["echo"],
)
print(connection.getsubprotocol())
connection.send("Hello, World")
print(connection.recv())
connection.send_bytes(bytes([1, 2, 3]))
print(len(connection.recv()))
connection.ping("still there?")
connection.close()
