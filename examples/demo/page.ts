// The page of the demonstration server: one panel for each service, with the browser's own WebSocket.

/** The page as HTML. */
export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>openline</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)) }
  section { display: flex; flex-direction: column; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .6rem; padding: 1rem }
  h1 { margin-bottom: .2rem } h2 { margin: 0; font-size: 1.1rem }
  p { margin: .2rem 0 .6rem; opacity: .75; white-space: pre-line }
  output { flex: 1 1 9rem; overflow: auto; white-space: pre-wrap; font: 14px/1.45 ui-monospace, monospace }
  form { display: flex; gap: .4rem; margin-top: .6rem } input { flex: 1; min-width: 0 } input, button { font: inherit; padding: .3rem .5rem }
  .open::before, .closed::before { content: "●"; margin-right: .4rem } .open::before { color: #2da44e } .closed::before { color: #cf222e }
</style>
<h1>openline</h1>
<p>Four lines to one server.
四条长连接，一个服务器。</p>
<main></main>
<script>
  const services = [
    ['/echo', 'Whatever you send comes back.\\n发什么，回什么。', 'Hello, World'],
    ['/login', 'Send names until the server knows one (hlq is one).\\n直到服务器认识这个名字。', 'hlq'],
    ['/chat', 'Everybody hears you: open this page twice.\\n所有人都会收到。', 'hello, everybody'],
    ['/time', 'The server speaks without being asked.\\n服务器主动推送。', null],
  ]
  for (const [path, about, suggestion] of services) {
    const panel = document.createElement('section')
    panel.innerHTML = '<h2></h2><p></p><output></output>'
    panel.id = path.slice(1)
    const [title, text, output] = panel.children
    title.textContent = path
    text.textContent = about
    document.querySelector('main').append(panel)
    const show = (line) => {
      output.append(line + '\\n')
      output.scrollTop = output.scrollHeight
    }
    const socket = new WebSocket(new URL(path, location.href.replace(/^http/, 'ws')))
    title.className = 'closed'
    socket.onopen = () => { title.className = 'open' }
    socket.onmessage = ({ data }) => show('← ' + data)
    socket.onclose = ({ code, reason }) => {
      title.className = 'closed'
      show('closed with ' + code + (reason && ' ' + reason))
    }
    if (suggestion === null) continue
    const form = document.createElement('form')
    form.innerHTML = '<input aria-label="message"><button>Send</button>'
    form.firstChild.value = suggestion
    form.onsubmit = (event) => {
      event.preventDefault()
      if (socket.readyState !== WebSocket.OPEN) return show('the line is closed: reload the page')
      socket.send(form.firstChild.value)
      show('→ ' + form.firstChild.value)
    }
    panel.append(form)
  }
</script>
</html>
`
