// What htmx cannot do: times in the reader's zone, clocks that run on, filters that apply themselves, and the log.
;(() => {
  const minutes = { hour: '2-digit', minute: '2-digit' }
  const day = { day: 'numeric', month: 'short' }
  const format = (options) => new Intl.DateTimeFormat(undefined, options)
  const thisYear = format({ ...day, ...minutes })
  const anyYear = format({ ...day, year: 'numeric', ...minutes })
  const thisYearExact = format({ ...day, ...minutes, second: '2-digit' })
  const anyYearExact = format({ ...day, year: 'numeric', ...minutes, second: '2-digit' })
  const whole = format({ dateStyle: 'full', timeStyle: 'long' })
  const two = (value) => String(value).padStart(2, '0')
  const duration = (ms) => {
    const seconds = Math.floor(ms / 1000)
    if (seconds < 60) return `${seconds} s`
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`
    return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`
  }

  const ago = (ms) => {
    const minutes = Math.floor(ms / 60000)
    if (minutes < 1) return 'just now'
    if (minutes < 60) return `${minutes} min ago`
    if (minutes < 1440) return `${Math.floor(minutes / 60)} h ago`
    return `${Math.floor(minutes / 1440)} d ago`
  }

  // --- times ---
  const started = new WeakMap()
  const write = (element, text) => {
    if (element.textContent !== text) element.textContent = text
  }
  const times = () => {
    for (const time of document.querySelectorAll('time[datetime]')) {
      const at = new Date(time.dateTime)
      const [short, exact] =
        at.getFullYear() === new Date().getFullYear() ? [thisYear, thisYearExact] : [anyYear, anyYearExact]
      write(time, ('exact' in time.dataset ? exact : short).format(at))
      time.title = whole.format(at)
    }
    clocks()
  }
  const clocks = () => {
    for (const element of document.querySelectorAll('[data-elapsed], [data-age]')) {
      const told = element.dataset.elapsed ?? element.dataset.age
      const before = started.get(element)
      // The server's word counts from the moment it came; the clock of this computer may be wrong.
      if (before?.told !== told) started.set(element, { told, at: performance.now() })
      const inWords = 'age' in element.dataset ? ago : duration
      write(element, inWords(Number(told) + performance.now() - started.get(element).at))
    }
  }
  setInterval(clocks, 1000)

  // --- the log of a job ---
  const WINDOW = 65536
  const KEEP = 1000000
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const visible = async () => {
    while (document.hidden)
      await new Promise((resolve) => addEventListener('visibilitychange', resolve, { once: true }))
  }
  const job = () => document.getElementById('job-head')?.dataset ?? {}

  const follow = async (section) => {
    const url = section.dataset.logs
    const [select, box, state, text] = ['select', '[type=checkbox]', '[role=status]', 'pre'].map((selector) =>
      section.querySelector(selector),
    )
    let log
    const say = (sentence) => {
      write(state, sentence)
      state.hidden = sentence === ''
    }
    const key = ({ part, name }) => ((part ?? null) === null ? name : `${part}: ${name}`)
    const list = async () => {
      const response = await fetch(`${url}`)
      const { logs = [], error } = await response.json()
      if (error) throw new Error(error.message)
      const names = logs.map(key)
      if (names.join('\n') !== [...select.options].map(({ value }) => value).join('\n')) {
        const chosen = select.value
        select.replaceChildren(...names.map((name) => new Option(name, name)))
        // Where the first log is empty, the first that is not is the better beginning.
        select.value = names.includes(chosen)
          ? chosen
          : key(logs.find(({ size }) => size > 0) ?? logs[0] ?? { name: '' })
      }
      select.closest('label').hidden = logs.length < 2
      return logs
    }
    const open = async () => {
      const logs = await list()
      const found = logs.find((one) => key(one) === select.value)
      if (!found) return undefined
      text.replaceChildren()
      const from = Math.max(0, found.size - WINDOW)
      return { ...found, attempt: job().attempt, next: from, cut: from > 0, decoder: new TextDecoder(), ended: false }
    }
    /** Answers whether there was news. */
    const read = async () => {
      const query = new URLSearchParams({
        name: log.name,
        from: log.next,
        ...(log.part === null ? {} : { part: log.part }),
      })
      const response = await fetch(`${url}/window?${query}`)
      if (!response.ok) throw new Error((await response.json()).error.message)
      const bytes = new Uint8Array(await response.arrayBuffer())
      log.next = Number(response.headers.get('x-telesto-next'))
      log.ended = response.headers.get('x-telesto-end') === 'true'
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of terminals are control characters
      const more = log.decoder.decode(bytes, { stream: !log.ended }).replace(/\x1b\[[\d;]*[A-Za-z]/g, '')
      if (more !== '') {
        text.append(more)
        while (text.textContent.length > KEEP && text.childNodes.length > 1) text.firstChild.remove()
        if (box.checked) text.scrollTop = text.scrollHeight
      }
      text.hidden = text.textContent === ''
      say(
        text.hidden
          ? log.ended
            ? 'It is empty.'
            : 'It is empty so far.'
          : log.cut
            ? 'The beginning is left out here.'
            : '',
      )
      return bytes.length > 0
    }
    select.addEventListener('change', () => {
      log = undefined
    })
    for (let pause = 1000; section.isConnected; ) {
      await visible()
      try {
        if (log?.attempt !== job().attempt) log = undefined
        log ??= await open()
        if (!log) {
          text.hidden = true
          say(job().active === 'true' ? 'Nothing has been written yet.' : 'There is no log.')
          pause = 3000
        } else if (!log.ended && (box.checked || text.hidden)) {
          pause = (await read()) ? 700 : Math.min(pause * 1.5, 5000)
        } else pause = 1000
      } catch (error) {
        say(error.message)
        // Of what was never told nothing is shown.
        text.hidden = text.textContent === ''
        select.closest('label').hidden = select.options.length < 2
        pause = Math.min(pause * 2, 30000)
      }
      await wait(pause)
    }
  }

  const begin = () => {
    times()
    for (const section of document.querySelectorAll('[data-logs]:not([data-followed])')) {
      section.dataset.followed = ''
      for (const part of section.querySelectorAll('[data-script]')) part.hidden = false
      void follow(section)
    }
  }
  document.addEventListener('htmx:after:swap', begin)
  document.addEventListener('change', ({ target }) => {
    if (target instanceof HTMLSelectElement && target.form?.matches('.filters')) target.form.requestSubmit()
  })
  begin()
})()
