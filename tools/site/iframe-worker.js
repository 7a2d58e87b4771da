/* Lets the search of a site that is opened from a disk have its worker.

Browsers start no worker from a file. Scripts of files they do run in a frame,
so a frame takes the worker's place. It has the same address, and is asked and
answers by the same messages. On a server nothing is changed. */
if (location.protocol === 'file:') {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.onmessage = null
      this.waiting = []
      const frame = document.createElement('iframe')
      frame.hidden = true
      document.body.append(frame)
      this.frame = frame
      const inside = frame.contentWindow
      const page = frame.contentDocument
      // what the worker says
      inside.postMessage = data => {
        const event = new MessageEvent('message', { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      // further scripts are written into the frame, one after another
      inside.importScripts = (...urls) =>
        urls.reduce(
          (before, each) => before.then(() => load(page, each)),
          Promise.resolve()
        )
      load(page, url).then(() => {
        const waiting = this.waiting
        this.waiting = null
        waiting.forEach(data => this.ask(data))
      })
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data)
      else this.ask(data)
    }

    ask(data) {
      this.frame.contentWindow.dispatchEvent(
        new MessageEvent('message', { data })
      )
    }

    terminate() {
      this.frame.remove()
    }
  }
}

function load(page, url) {
  return new Promise((done, failed) => {
    const script = page.createElement('script')
    script.src = new URL(url, location.href).href
    script.onload = done
    script.onerror = failed
    page.head.append(script)
  })
}
