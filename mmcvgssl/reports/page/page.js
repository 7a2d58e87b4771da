'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const options = { responsive: true, displaylogo: false };
  const thumb = document.getElementById('thumb');

  function showThumbs(figure, thumbs) {
    figure.on('plotly_hover', (found) => {
      const picture = thumbs[found.points[0].customdata];
      if (!picture) return;
      thumb.firstElementChild.src = picture;
      thumb.hidden = false;
      const { clientX: x, clientY: y } = found.event;
      thumb.style.left = `${Math.max(0, Math.min(x + 16, innerWidth - 120))}px`;
      thumb.style.top = `${Math.max(0, y - 120)}px`;
    });
    figure.on('plotly_unhover', () => { thumb.hidden = true; });
  }

  function draw(home, part, number) {
    const figure = home.querySelector('.figure');
    const { data: traces, layout } = part.figures[number];
    return Plotly.react(figure, traces, layout, options);
  }

  for (const home of document.querySelectorAll('.plot')) {
    const part = data[home.dataset.key];
    const select = home.querySelector('select');
    draw(home, part, 0).then(() => {
      if (part.thumbs.length) showThumbs(home.querySelector('.figure'), part.thumbs);
    });
    if (select) {
      select.selectedIndex = 0; // browsers remember another after a reload
      select.addEventListener('change', () => draw(home, part, select.selectedIndex));
    }
  }

  const percent = (part, whole) => `${(100 * part / whole).toFixed(1)} %`;

  function badge(figure, threshold, inclusive) {
    const score = Number(figure.dataset.score);
    const above = inclusive ? score >= threshold : score > threshold;
    const defective = figure.dataset.defective;
    let name = above ? 'above' : 'below';
    if (defective === '1') name = above ? 'found' : 'missed';
    if (defective === '0') name = above ? 'false alarm' : 'good';
    const shown = figure.querySelector('.badge');
    shown.textContent = name;
    shown.className = `badge ${name.replace(' ', '-')}`;
  }

  function move(home, part) {
    const { slider } = part;
    const at = Number(home.querySelector('input').value);
    const threshold = slider.thresholds[at];
    const say = (name, text) => {
      const shown = home.querySelector(`.${name}`);
      if (shown) shown.textContent = text;
    };
    say('threshold', threshold.toPrecision(5));
    const { detected, falseAlarms, unknown, per } = slider;
    const [first, second] = slider.nouns;
    if (detected) {
      const n = detected.above[at];
      say('detected', `${n} of ${detected.count} ${first}`
        + (detected.count ? ` (${percent(n, detected.count)})` : ''));
    }
    if (falseAlarms) {
      const n = falseAlarms.above[at];
      say('false-alarms', per
        ? `${n} ${second}, ${(n / per).toFixed(2)} an image`
        : `${n} of ${falseAlarms.count} ${second} (${percent(n, falseAlarms.count)})`);
    }
    if (unknown) say('unknown', `${unknown.above[at]} of ${unknown.count}`);
    home.querySelectorAll('.groups tbody tr').forEach((row, i) => {
      const group = slider.groups[i];
      row.querySelector('.above').textContent = group.above[at];
      row.querySelector('.below').textContent = group.count - group.above[at];
    });
    const line = { type: 'line', yref: 'paper', y0: 0, y1: 1, x0: threshold,
      x1: threshold, line: { color: '#1c1c1c', width: 1.5, dash: 'dot' } };
    Plotly.relayout(home.querySelector('.figure'), { shapes: [line] });
    const key = home.dataset.key;
    for (const gallery of document.querySelectorAll(`[data-slider="${key}"]`)) {
      for (const figure of gallery.children) badge(figure, threshold, slider.inclusive);
    }
  }

  for (const home of document.querySelectorAll('.slider')) {
    const part = data[home.dataset.key];
    const input = home.querySelector('input');
    input.value = input.defaultValue;
    input.addEventListener('input', () => move(home, part));
    draw(home, part, 0).then(() => move(home, part));
  }
})();
