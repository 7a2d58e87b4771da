"""What the page shows of a session, as HTML."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from mmcvgssl.datasets.reading import SUFFIXES
from mmcvgssl.predictions import DEFECTIVE, GOOD, Prediction
from mmcvgssl.serving.session import SentImage, Session

ON_PAGE = 48  # images
_STEPS = 1000  # of the slider
SORTS = ('score', 'name', 'as sent')
# signs that Gradio's templates would read, in file names, say
_SIGNS = {'$': '&#36;', '{': '&#123;', '}': '&#125;', '`': '&#96;'}


@dataclass
class Card:
    """What is shown of one image."""

    number: int
    name: str
    badge: str
    score: str = ''
    says: str = ''
    tone: str = ''
    error: str = ''
    read: bool = True


@dataclass
class Section:
    """Images under one heading."""

    title: str
    cards: list[Card] = field(default_factory=list)


def static(name: str) -> str:
    """Return a file of the page."""
    return (files('mmcvgssl.serving') / 'static' / name).read_text('utf-8')


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True)
    return environment.from_string(static(name))


def drop_zone(session: Session) -> str:
    """Return where images are dropped."""
    limits = session.limits
    text = (
        f'up to {limits.max_images} images or folders of them, of '
        f'{limits.max_mb:g} MB each; deleted when this page is closed'
    )
    return _plain(
        _template('drop.html').render(
            key=session.key, limits=text, accept=','.join(SUFFIXES)
        )
    )


def slider(session: Session) -> str:
    """Return what moves the threshold; nothing where there is none."""
    kind, own = session.served.kind, session.served.threshold
    if kind == 'classifier':
        return ''
    label = 'Threshold: images of a higher score are defective'
    if kind == 'detector':
        label = 'Threshold: boxes of this score or more count'
    elif own is None:
        label += ' (the model has none: move it)'
    low, high = threshold_range(session)
    value = session.threshold
    return _plain(
        _template('slider.html').render(
            label=label,
            low=low,
            high=high,
            step=(high - low) / _STEPS,
            value=high if value is None else value,
            version=session.version,  # shown anew, whatever was typed
        )
    )


def threshold_range(session: Session) -> tuple[float, float]:
    """Return thresholds from below all scores to above, in short numbers."""
    if session.served.kind == 'detector':
        return 0.0, 1.0
    scores = [row.row()['score'] for row in session.predictions()]
    known = [session.served.threshold, session.threshold, *scores]
    values = [value for value in known if value is not None] or [0.0]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    unit = 10.0 ** math.floor(math.log10(room))
    low = math.floor((low - room) / unit)
    high = math.ceil((high + room) / unit)
    return round(low * unit, 12), round(high * unit, 12)


def grid(session: Session, page: int = 0, sort: str = SORTS[0]) -> str:
    """Return the images of a page.

    Args:
        session: Whose they are.
        page: Number of the page, from 0 on.
        sort: How they are sorted, where they are not to be labelled.
    """
    images = [i for i in session.images if i.prediction is not None]
    sections = _sections(session, images, sort)
    pages = max(-(-sum(len(each) for _, each in sections) // ON_PAGE), 1)
    page = min(max(page, 0), pages - 1)
    first = page * ON_PAGE
    shown = []
    for title, members in sections:
        part = members[max(first, 0) : max(first + ON_PAGE, 0)]
        first -= len(members)
        if part:
            made = [_card(session, image) for image in part]
            shown.append(Section(title, made))
    return _plain(
        _template('grid.html').render(
            key=session.key,
            labels=session.labelling is not None,
            classes=_classes(session),
            drawn=session.served.kind != 'classifier',
            notes=_notes(session, images),
            sections=shown,
            version=session.version,
            page=page,
            pages=pages,
        )
    )


def summary(session: Session) -> str:
    """Return a line that counts what was found, and links to the files."""
    found = session.predictions()
    if not found:
        return _summary('no images yet', [])
    several = 'image' if len(found) == 1 else 'images'
    text = f'{len(found)} {several}: {session.kind.summary(found)}'
    home = f'results/{session.key}'
    links = [
        (f'{home}/predictions.csv', 'Table (CSV)'),
        (f'{home}/results.zip', 'Tables and overlays (ZIP)'),
    ]
    if session.labelling is not None and session.labelling.labels:
        text += f'; {len(session.labelling.labels)} labelled'
        if len(session.labelling.classes) > 1:
            file = f'{home}/classifier.safetensors'
            links.append((file, 'Model file'))
    return _summary(text, links)


def progress(done: int, count: int) -> str:
    """Return a line for the time until all are judged."""
    return _summary(f'{done} of {count} images judged ...', [])


def _summary(text: str, links: list[tuple[str, str]]) -> str:
    template = _template_of(
        '<p class="summary" role="status">{{ text }}</p>'
        '{% if links %}<p class="summary">Download: {% for to, name in links '
        '%}<a href="{{ to }}" download>{{ name }}</a>{% endfor %}</p>'
        '{% endif %}'
    )
    return _plain(template.render(text=text, links=links))


@cache
def _template_of(text: str) -> jinja2.Template:
    return jinja2.Environment(autoescape=True).from_string(text)


def _plain(html: str) -> str:
    for sign, entity in _SIGNS.items():
        html = html.replace(sign, entity)
    return html


def _sections(
    session: Session, images: list[SentImage], sort: str
) -> list[tuple[str, list[SentImage]]]:
    if session.labelling is not None:
        return _to_label(session, images)
    if sort == 'name':
        images = sorted(images, key=lambda image: image.name.casefold())
    elif sort == 'score':
        images = sorted(images, key=lambda i: -_worth(i.prediction))
    return [('', images)]


def _worth(made: Prediction | None) -> float:
    """Return what images are sorted by; those not read come first."""
    if made is None or not made.is_read:
        return float('inf')
    row = made.row()
    if row.get('probability') is not None:
        return 1 - row['probability']
    return row.get('score') or 0.0


def _to_label(
    session: Session, images: list[SentImage]
) -> list[tuple[str, list[SentImage]]]:
    by_path = {str(image.path): image for image in images}
    opinion = session.opinion
    free = [by_path.pop(p) for p in opinion.order if p in by_path]
    labelled = [i for i in by_path.values() if session.label_of(i)]
    labelled.sort(key=lambda image: session.label_of(image) or '')
    others = [i for i in by_path.values() if not session.label_of(i)]
    unread = [i for i in others if not i.prediction.is_read]  # type: ignore
    waiting = [i for i in others if i.prediction.is_read]  # type: ignore
    return [
        ('Label these next', free[: opinion.chosen]),
        ('The others, the least certain first', free[opinion.chosen :]),
        ('Without an opinion as yet', waiting),
        ('Labelled', labelled),
        ('Not read', unread),
    ]


def _classes(session: Session) -> list[tuple[str, int]]:
    if session.labelling is None:
        return []
    counts = Counter(session.labelling.labels.values())
    return [(name, counts[name]) for name in session.labelling.classes]


def _notes(session: Session, images: list[SentImage]) -> list[str]:
    notes = [f'in the model file: {text}' for text in session.served.remarks]
    if session.served.why_not:
        notes.append(f'learns no labels: {session.served.why_not}')
    unread = [
        image.name
        for image in images
        if image.prediction is not None and not image.prediction.is_read
    ]
    if unread:
        more = ', ...' if len(unread) > 5 else ''
        notes.append(
            f'{len(unread)} of {len(images)} cannot be read: '
            f'{", ".join(unread[:5])}{more}'
        )
    return notes


def _card(session: Session, image: SentImage) -> Card:
    made = session.judged(image)
    card = Card(image.number, image.name, '')
    if not made.is_read:
        card.badge, card.tone, card.read = 'not read', 'unread', False
        card.error = made.error or ''
        return card
    if made.error:  # read, but its overlay could not be written
        card.error = made.error
    row: dict[str, Any] = made.row()
    label = session.label_of(image)
    card.says = _says(session, made, row)
    if session.served.kind == 'anomaly':
        card.badge = row['verdict'] or 'no verdict'
        card.score = f'{row["score"]:.4f}'
        card.tone = {GOOD: 'good', DEFECTIVE: 'bad'}.get(row['verdict'], '')
    elif session.served.kind == 'detector':
        count = row['count']
        card.badge = f'{count} {"box" if count == 1 else "boxes"}'
        card.tone = 'bad' if count else 'good'
        card.score = f'{row["score"]:.2f}' if count else ''
    elif row['label'] is None:
        card.badge = '?'
    else:
        card.badge, card.score = row['label'], f'{row["probability"]:.2f}'
    if label is not None:
        card.badge, card.tone = f'✓ {label}', 'labelled'
    return card


def _says(session: Session, made: Prediction, row: dict[str, Any]) -> str:
    """Say all that was found in an image."""
    shares = row.get('probabilities')
    if shares:
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        text = ', '.join(f'{name} {share:.3f}' for name, share in ranked[:8])
        return text + (', ...' if len(ranked) > 8 else '')
    if session.served.kind == 'classifier':
        return 'label images of two classes to see what it thinks'
    text = session.kind.line(made).strip()
    if made.error:
        text = f'{text}; {made.error}'
    return text


def headline(name: str, about: str) -> str:
    """Return the top of the page.

    Args:
        name: Name of the model's file.
        about: What it is, in lines, of which the first is shown.
    """
    first, _, rest = about.partition('\n')
    template = _template_of(
        '<h2>{{ name }}</h2><p>{{ first }}</p>{% if rest %}<details>'
        '<summary>more about it</summary><pre>{{ rest }}</pre></details>'
        '{% endif %}'
    )
    return _plain(template.render(name=name, first=first, rest=rest))
