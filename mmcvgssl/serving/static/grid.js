// Selects images and gives them classes; shows one large.
const chosen = new Set();
let last = null;
const bench = () => element.querySelector('.bench');
const cards = () => [...element.querySelectorAll('.card')];
const labels = () => bench()?.dataset.labels === '1';
const numberOf = (card) => Number(card.dataset.number);

const dialog = document.createElement('dialog');
dialog.className = 'large';
dialog.innerHTML =
  '<form method="dialog"><b></b><button aria-label="close">Close</button></form><p></p><div></div>';
document.body.append(dialog);
dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());

function show(card) {
  if (!card.querySelector('img')) return;
  const { number, version, name, says, drawn } = card.dataset;
  dialog.querySelector('b').textContent = name;
  dialog.querySelector('p').textContent = says;
  const kinds = drawn === '1' ? ['picture', 'drawn'] : ['picture'];
  const pictures = kinds.map((kind) => {
    const img = document.createElement('img');
    img.src = `images/${bench().dataset.key}/${number}/${kind}?v=${version}`;
    img.alt = kind === 'drawn' ? 'what was found' : 'the image';
    img.className = kind;
    return img;
  });
  dialog.querySelector('div').replaceChildren(...pictures);
  dialog.showModal();
}

function mark() {
  for (const card of cards()) card.classList.toggle('selected', chosen.has(numberOf(card)));
  const count = element.querySelector('.count');
  if (count) count.textContent = chosen.size ? `${chosen.size} selected` : '';
}

function select(card, range) {
  const all = cards(), here = all.indexOf(card);
  const from = range && last !== null ? all.findIndex((c) => numberOf(c) === last) : here;
  const on = !chosen.has(numberOf(card)) || range;
  const [a, b] = [Math.min(from < 0 ? here : from, here), Math.max(from, here)];
  for (const each of all.slice(a, b + 1))
    if (each.querySelector('img')) chosen[on ? 'add' : 'delete'](numberOf(each));
  last = numberOf(card);
  mark();
}

function give(label) {
  const count = element.querySelector('.count');
  if (!chosen.size) {
    if (count) count.textContent = 'select images first';
    return;
  }
  if (count) count.textContent = 'learning ...';
  trigger('assign', { numbers: [...chosen], label });
  chosen.clear();
}

element.addEventListener('click', (event) => {
  const at = (name) => event.target.closest(name);
  if (at('.look')) return show(at('.card'));
  if (at('.pages button')) return trigger('turn', { page: Number(at('button').dataset.page) });
  if (at('.every')) {
    for (const card of cards()) if (card.querySelector('img')) chosen.add(numberOf(card));
    return mark();
  }
  if (at('.add')) {
    const name = element.querySelector('.new').value.trim();
    const count = element.querySelector('.count');
    if (!name) return void (count.textContent = 'type the name of the class first');
    return give(name);
  }
  if (at('.class')) return give(at('.class').dataset.none ? null : at('.class').dataset.label);
  if (at('.card')) return labels() ? select(at('.card'), event.shiftKey) : show(at('.card'));
});
element.addEventListener('dblclick', (event) => {
  const card = event.target.closest('.card');
  if (card && labels()) show(card);
});
element.addEventListener('keydown', (event) => {
  const card = event.target.closest('.card');
  if (event.key === 'Enter' && event.target.matches('.new')) give(event.target.value.trim());
  if (card && event.target === card && (event.key === 'Enter' || event.key === ' ')) {
    event.preventDefault();
    if (labels() && event.key === ' ') select(card, event.shiftKey);
    else show(card);
  }
});
element.addEventListener('dragstart', (event) => {
  const card = event.target.closest('.card');
  if (!card) return;
  chosen.add(numberOf(card));
  mark();
  event.dataTransfer.setData('text/plain', [...chosen].join(' '));
});
element.addEventListener('dragover', (event) => {
  if (event.target.closest('.class')) event.preventDefault();
});
element.addEventListener('drop', (event) => {
  const chip = event.target.closest('.class');
  if (!chip) return;
  event.preventDefault();
  give(chip.dataset.none ? null : chip.dataset.label);
});
// labels are gone when the page is
window.addEventListener('beforeunload', (event) => {
  if (element.querySelector('.class b')) event.preventDefault();
});
watch('value', () => {
  const there = new Set(cards().map(numberOf));
  for (const number of [...chosen]) if (!there.has(number)) chosen.delete(number);
  mark();
});
