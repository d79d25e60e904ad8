# A long connection with Python's websocket-client: an object that is told what happens on it.
import sys
import threading
import time

import websocket


class HelloApp(websocket.WebSocketApp):
    def __init__(self, url):
        super().__init__(
            url,
            on_open=HelloApp.opened,
            on_message=HelloApp.received,
            on_error=HelloApp.failed,
            on_close=HelloApp.ended,
        )

    def opened(self):
        threading.Thread(target=self.say_hello).start()

    def say_hello(self):
        for i in range(3):
            time.sleep(1)
            self.send("Hello %d" % i)
        time.sleep(1)
        self.close()
        print("done")

    def received(self, message):
        print(message)

    def failed(self, error):
        print(error, file=sys.stderr)

    def ended(self, *_):
        print("### closed ###")


app = HelloApp(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8765/echo")
app.run_forever()
