// Sends images one by one, and has them judged when all are there.
const AT_ONCE = 4, SHOWN = 20;
const find = (name) => element.querySelector(name);
const key = () => find('.drop')?.dataset.key;
let busy = Promise.resolve(), sent = 0;

async function send(file, position) {
  const name = file.name;
  const to = `images/${key()}?name=${encodeURIComponent(name)}&position=${position}`;
  try {
    const answer = await fetch(to, { method: 'POST', body: file });
    if (answer.ok) return null;
    const said = await answer.json().catch(() => ({}));
    return said.error || `${name} was not taken (${answer.status})`;
  } catch (error) {
    return `${name} could not be sent: is it a file that can be read, and is the server still running?`;
  }
}

async function sendAll(files) {
  const bar = find('progress'), said = find('.said'), list = find('.refused');
  const waiting = [...files], refused = [];
  const first = sent;
  let done = 0;
  sent += files.length;
  list.replaceChildren();
  bar.hidden = false;
  async function work() {
    while (waiting.length) {
      const position = first + files.length - waiting.length;
      const error = await send(waiting.shift(), position);
      if (error) refused.push(error);
      done += 1;
      bar.value = done / files.length;
      said.textContent = `${done} of ${files.length} sent`;
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  bar.hidden = true;
  const taken = files.length - refused.length;
  said.textContent = `${taken} of ${files.length} images taken`;
  const counts = new Map();
  for (const text of refused) counts.set(text, (counts.get(text) || 0) + 1);
  const lines = [...counts].map(([text, n]) => (n > 1 ? `${n} files: ${text}` : text));
  const more = lines.length - SHOWN;
  for (const text of [...lines.slice(0, SHOWN), ...(more > 0 ? [`... and ${more} more`] : [])]) {
    const item = document.createElement('li');
    item.textContent = text;
    list.append(item);
  }
  if (taken) trigger('uploaded');
}

async function below(entry) {
  if (entry.isFile) return [await new Promise((yes, no) => entry.file(yes, no))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const part = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!part.length) return found;
    for (const each of part) found.push(...(await below(each)));
  }
}

function start(files) {
  const all = [...files];
  if (all.length) busy = busy.then(() => sendAll(all));
}

element.addEventListener('change', (event) => {
  start(event.target.files);
  event.target.value = '';
});
for (const kind of ['dragenter', 'dragover'])
  element.addEventListener(kind, (event) => {
    event.preventDefault();
    find('.drop')?.classList.add('over');
  });
for (const kind of ['dragleave', 'drop'])
  element.addEventListener(kind, () => find('.drop')?.classList.remove('over'));
element.addEventListener('drop', async (event) => {
  event.preventDefault();
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry())
    .filter(Boolean);
  const given = [...event.dataTransfer.files];
  if (!entries.length) return start(given);
  const files = [];
  for (const entry of entries) files.push(...(await below(entry)));
  start(files);
});

async function alive() {
  if (!key()) return;
  const over = 'what was sent is deleted: reload the page';
  try {
    const answer = await fetch(`sessions/${key()}/alive`, { method: 'POST' });
    if (!answer.ok) find('.said').textContent = `this session is over, and ${over}`;
  } catch (error) {
    find('.said').textContent = `the server does not answer; if it was ended, ${over} when it runs again`;
  }
}
setInterval(alive, 60000);
window.addEventListener('pagehide', () => key() && navigator.sendBeacon(`sessions/${key()}/end`));
// a page that comes back from the browser's memory has lost its session
window.addEventListener('pageshow', (event) => event.persisted && location.reload());
