// A long connection: an object that is told what happens on it.
// The Python program that it follows line by line is long_connection.py beside it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CloseInfo, type Message, WebSocketApp } from 'openline'

class HelloApp extends WebSocketApp {
  override async onOpen(): Promise<void> {
    void this.sayHello()
  }

  async sayHello(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await sleep(1000)
      await this.send(`Hello ${i}`)
    }
    await sleep(1000)
    await this.close()
    console.log('done')
  }

  override onMessage(message: Message): void {
    console.log(message)
  }

  override onError(error: unknown): void {
    console.error(error)
  }

  override onClose(_info: CloseInfo | undefined): void {
    console.log('### closed ###')
  }
}

const app = new HelloApp(process.argv[2] ?? 'ws://localhost:8765/echo')
await app.runForever()
