# A short connection with Python's websocket-client: connect, send, receive, close.
import sys

from websocket import create_connection

connection = create_connection(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8765/echo")
print("Sending 'Hello, World'...")
connection.send("Hello, World")
print("Sent")
print("Receiving...")
result = connection.recv()
print("Received '%s'" % result)
connection.close()
