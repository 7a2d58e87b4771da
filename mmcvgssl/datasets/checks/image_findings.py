"""What files are, and what of it a network could learn instead."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import PurePath

from PIL import Image

from mmcvgssl.datasets.checks.finding import (
    ERROR,
    NOTE,
    WARNING,
    Example,
    Finding,
)
from mmcvgssl.datasets.checks.image_facts import ImageFacts
from mmcvgssl.datasets.checks.image_table import ImageTable
from mmcvgssl.utils import printable, some

SMALL = 32  # pixels a side; mmdet's recipes leave out what is smaller
_TELLING = 0.9  # of a class has one form, and another class another one
_LEAST = 3  # images of a class that say so

Value = Callable[[ImageFacts], str]
FORMS: dict[str, Value] = {
    'size': lambda fact: f'{fact.size[0]} x {fact.size[1]}',
    'colours': lambda fact: fact.colours + ' with opacity' * fact.alpha,
    'depth': lambda fact: fact.samples,
    'format': lambda fact: fact.format,
}


def image_findings(table: ImageTable) -> list[Finding]:
    """Report files that cannot be read, and forms that differ."""
    found = []
    broken = [i for i, f in enumerate(table.facts) if f.error is not None]
    if broken:
        found.append(
            Finding(
                *('unreadable', ERROR, 'images that cannot be read'),
                [
                    Example(f'{table.name(i)}: {printable(_reason(table, i))}')
                    for i in broken
                ],
                'replace or remove them',
            )
        )
    flat = [i for i in table.read if table.facts[i].flat]
    if flat:
        found.append(
            Finding(
                *('flat', WARNING, 'images whose pixels all have one value'),
                [
                    table.example([i], f', {table.facts[i].limits[0]:g}')
                    for i in flat
                ],
                'was the light on? Remove them',
            )
        )
    small = [i for i in table.read if min(table.facts[i].size) < SMALL]
    if small:
        found.append(
            Finding(
                'small',
                WARNING,
                f'images with a side below {SMALL} pixels, which recipes of '
                'mmdet and mmyolo leave out',
                [table.example([i]) for i in small],
                'filter_cfg.min_size=1 of the data set includes them',
            )
        )
    turned = [i for i in table.read if table.facts[i].orientation != 1]
    if turned:
        found.append(
            Finding(
                'orientation',
                NOTE,
                'photos with an orientation tag, which is honoured here, but '
                'not by every program',
                [table.example([i]) for i in turned],
            )
        )
    other = [i for i in table.read if _other_suffix(table, i)]
    if other:
        found.append(
            Finding(
                'suffix',
                NOTE,
                'files of another format than their suffix says; readers here '
                'go by the content',
                [
                    table.example([i], f': {table.facts[i].format}')
                    for i in other
                ],
            )
        )
    return found + _mixed(table) + _deep(table) + _telling(table)


def forms(table: ImageTable, part: str) -> dict[str, dict[str, int]]:
    """Count the forms of a part's images: size, colours, depth, format."""
    own = [i for i in table.read if part in table.parts([i])]
    return {
        name: dict(Counter(value(table.facts[i]) for i in own).most_common())
        for name, value in FORMS.items()
    }


def _other_suffix(table: ImageTable, index: int) -> bool:
    suffix = PurePath(table.files[index]).suffix.lower()
    named = Image.registered_extensions().get(suffix)
    # an MPO is a JPEG with more pictures behind it
    named = {'MPO': 'JPEG'}.get(str(named), named)
    return named not in (None, table.facts[index].format)


def _reason(table: ImageTable, index: int) -> str:
    text, file = str(table.facts[index].error), table.files[index]
    return text.removeprefix(f'{file}: ')


def _mixed(table: ImageTable) -> list[Finding]:
    """Report depths and colours that differ, by an example each."""
    found = []
    for name, what in (
        ('depth', 'images of several depths: do they show the same light?'),
        ('colours', 'images with and without colours'),
    ):
        own: dict[str, list[int]] = defaultdict(list)
        for i in table.read:
            own[FORMS[name](table.facts[i])].append(i)
        if len(own) > 1:
            found.append(
                Finding(
                    f'mixed-{name}',
                    WARNING if name == 'depth' else NOTE,
                    what,
                    [
                        table.example(group[:1], f': {len(group)} of {value}')
                        for value, group in sorted(own.items())
                    ],
                )
            )
    return found


def _deep(table: ImageTable) -> list[Finding]:
    """Say which values images of more than 8 bits use."""
    deep = [i for i in table.read if table.facts[i].samples != '8 bits']
    deep = [i for i in deep if not _shallow(table.facts[i])]
    if not deep:
        return []
    kinds = sorted({table.facts[i].samples for i in deep})
    if len({kind.startswith('float') for kind in kinds}) > 1:
        return [
            Finding(
                'depth-range',
                ERROR,
                'images of floats and of integers have no range in common',
                [
                    table.example([i], f': {table.facts[i].samples}')
                    for i in deep
                ],
                'save them alike, or set depth_range=(low, high)',
            )
        ]
    low = min(table.facts[i].limits[0] for i in deep)
    high = max(table.facts[i].limits[1] for i in deep)
    return [
        Finding(
            'depth-range',
            NOTE,
            f'images of {" and ".join(kinds)} use {low:g} to '
            f'{high:g}; depth_range=(low, high) of LoadImage says what '
            'becomes black and white',
        )
    ]


def _shallow(fact: ImageFacts) -> bool:
    bits = fact.samples.removesuffix(' bits')
    return bits.isdecimal() and int(bits) <= 8


def _telling(table: ImageTable) -> list[Finding]:
    """Report forms by which classes could be told apart."""
    found = []
    for name, value in FORMS.items():
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for i in table.read:
            label = table.label(i)
            if label is not None:
                counts[label][value(table.facts[i])] += 1
        usual = {}
        for label, own in counts.items():
            form, many = own.most_common(1)[0]
            if own.total() >= _LEAST and many >= _TELLING * own.total():
                usual[label] = form
        if len({*usual.values()}) > 1:
            lines = [f'{label}: {form}' for label, form in usual.items()]
            found.append(
                Finding(
                    f'told-by-{name}',
                    WARNING,
                    f'classes that differ by the {name} of their images, '
                    f'which a network can learn instead: '
                    f'{some(map(printable, lines), first=6)}',
                )
            )
    return found
