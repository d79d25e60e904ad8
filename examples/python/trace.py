# See on the error output what goes over the line.
import sys

from websocket import create_connection, enableTrace

enableTrace(True)
connection = create_connection(sys.argv[1], suppress_origin=True)
connection.send("Hello, World")
print(connection.recv())
connection.close()
