// A long connection: an object that is told what happens, and comes back.
import { WebSocketApp } from 'openline'

let attempts = 0

const app = new WebSocketApp(process.argv[2]!, {
  // Called anew for each attempt.
  headers: () => ({ Authorization: `Bearer token-${++attempts}` }),

  onOpen: (app) => app.send('Hello'),

  onMessage(app, message) {
    console.log(message)
    if (message === 'enough') void app.close()
  },

  onError: (_app, error) => console.error(error),

  onClose: () => console.log('closed'),
})
await app.runForever({ reconnect: 1000, pingInterval: 1000 })
