"""Knowledge about a kind of object, and prompts made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import yaml

from mmcvgssl.datasets.text_lists import read_text
from mmcvgssl.utils import parse_json

NORMAL_STATES = ('{}', 'flawless {}', 'perfect {}', 'unblemished {}')
ANOMALOUS_STATES = (
    'damaged {}',
    '{} with flaw',
    '{} with defect',
    '{} with damage',
)
TEMPLATES = (
    'a photo of the {}.',
    'a cropped photo of the {}.',
    'a cropped photo of a {}.',
    'a close-up photo of the {}.',
    'a close-up photo of a {}.',
    'a bright photo of the {}.',
    'a bright photo of a {}.',
    'a dark photo of the {}.',
    'a dark photo of a {}.',
    'a jpeg corrupted photo of the {}.',
    'a jpeg corrupted photo of a {}.',
    'a blurry photo of the {}.',
    'a blurry photo of a {}.',
    'a photo of the small {}.',
    'a photo of a small {}.',
    'a photo of the large {}.',
    'a photo of a large {}.',
    'a photo of the {} for visual inspection.',
    'a photo of a {} for visual inspection.',
    'a photo of the {} for anomaly detection.',
    'a photo of a {} for anomaly detection.',
)
SHIPPED = Path(__file__).parent / 'knowledge'
_MOST = 1 << 20  # bytes of a file
_SUFFIXES = ('.yaml', '.yml', '.json')
_FORMAT = (
    'expected {category: {name: what prompts call it, good: [phrases with '
    '{}], defects: [sentences with {}], normal_images: [paths, optional]}}'
)


class KnowledgeError(ValueError):
    """A knowledge file that is incomplete or malformed.

    Example:
        >>> try:
        ...     load_knowledge({'tile': {'name': 'tile'}})
        ... except KnowledgeError as error:
        ...     print(error)
        knowledge: tile: good is empty; write at least one, such as 'clean {}'
    """


@dataclass(frozen=True)
class Knowledge:
    """An expert's description of one category.

    Args:
        name: Name of the object in prompts.
        good: Phrases with ``{}`` for the object in order.
        defects: Sentences with ``{}`` for the object with its defects.
        normal_images: Paths of images without defects.

    Example:
        >>> known = Knowledge('tile', ('even {}',), ('{} with a crack',))
        >>> build_prompts(known).anomalous[-1]
        'a photo of a tile with a crack for anomaly detection.'
    """

    name: str
    good: tuple[str, ...]
    defects: tuple[str, ...]
    normal_images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompts:
    """Prompts for the normal, the anomalous and no particular object.

    Example:
        >>> known = Knowledge('tile', ('even {}',), ('{} with a crack',))
        >>> prompts = build_prompts(known)
        >>> len(prompts.normal), len(prompts.anomalous), len(prompts.redundant)
        (105, 105, 21)
    """

    normal: tuple[str, ...]
    anomalous: tuple[str, ...]
    redundant: tuple[str, ...]


def build_prompts(knowledge: Knowledge) -> Prompts:
    """Return the prompts of all states of an object, in every template.

    Example:
        >>> known = Knowledge('tile', ('even {}',), ('{} with a crack',))
        >>> build_prompts(known).normal[0]
        'a photo of the tile.'
    """

    def fill(states: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            template.replace('{}', state.replace('{}', knowledge.name))
            for state in states
            for template in TEMPLATES
        )

    return Prompts(
        normal=fill((*NORMAL_STATES, *knowledge.good)),
        anomalous=fill((*ANOMALOUS_STATES, *knowledge.defects)),
        redundant=tuple(t.replace('{}', '') for t in TEMPLATES),
    )


def shipped_knowledge() -> list[str]:
    """Return the names of the package's knowledge files.

    Example:
        >>> 'steel_strip' in shipped_knowledge()
        True
    """
    return sorted(path.stem for path in SHIPPED.glob('*.yaml'))


def load_knowledge(
    source: str | Path | Mapping[str, Any],
) -> dict[str, Knowledge]:
    """Read the knowledge about one or several categories.

    Args:
        source: A shipped name (:func:`shipped_knowledge`), the path of a
            YAML or JSON file, or the content of such a file. Paths of normal
            images are relative to the file's folder.

    Returns:
        Category to knowledge.

    Raises:
        FileNotFoundError: If there is no such file or shipped name.
        KnowledgeError: If a file does not have the format.

    Example:
        >>> list(load_knowledge('steel_strip'))
        ['steel_strip']
    """
    if isinstance(source, Mapping):
        return _parse(source, 'knowledge', Path())
    path = Path(source)
    if path.suffix.lower() not in _SUFFIXES:
        path = SHIPPED / f'{source}.yaml'
    if not path.is_file():
        raise FileNotFoundError(
            f'no knowledge {str(source)!r}: give the path of a '
            f'{", ".join(_SUFFIXES)} file as model.knowledge, or one of '
            f'{", ".join(shipped_knowledge())}'
        )
    size = path.stat().st_size
    if size > _MOST:
        raise KnowledgeError(
            f'{path}: expected up to {_MOST} bytes of knowledge, got {size}'
        )
    text = read_text(path)
    try:
        if path.suffix.lower() == '.json':
            content = parse_json(text)
        else:
            content = yaml.safe_load(text)
    except (RecursionError, ValueError, yaml.YAMLError) as error:
        short = ' '.join(str(error).split())[:300]
        raise KnowledgeError(f'{path} cannot be read: {short}') from error
    return _parse(content, str(path), path.parent)


def as_content(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Return knowledge as plain content, without paths of images.

    Args:
        source: See :func:`load_knowledge`.
    """
    return {
        category: {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in vars(known).items()
            if key != 'normal_images'
        }
        for category, known in load_knowledge(source).items()
    }


def _parse(content: Any, where: str, folder: Path) -> dict[str, Knowledge]:
    if not isinstance(content, Mapping) or not content:
        raise KnowledgeError(f'{where}: {_FORMAT}')
    return {
        str(category): _parse_one(entry, f'{where}: {category}', folder)
        for category, entry in content.items()
    }


def _parse_one(entry: Any, where: str, folder: Path) -> Knowledge:
    if not isinstance(entry, Mapping):
        raise KnowledgeError(f'{where}: {_FORMAT}')
    known = set(Knowledge.__dataclass_fields__)
    if unknown := sorted(set(entry) - known, key=str):
        raise KnowledgeError(
            f'{where} has {", ".join(f"{k!s:.40}" for k in unknown)}, which '
            f'mean nothing here; {_FORMAT}'
        )
    name = entry.get('name')
    if not isinstance(name, str) or not name.strip():
        raise KnowledgeError(f'{where}: name is {shown(name)}; {_FORMAT}')
    paths = _texts(entry.get('normal_images', []), f'{where}: normal_images')
    return Knowledge(
        name,
        _phrases(entry, 'good', where),
        _phrases(entry, 'defects', where),
        tuple(str(folder / path) for path in paths),
    )


def _phrases(entry: Mapping, key: str, where: str) -> tuple[str, ...]:
    texts = _texts(entry.get(key), f'{where}: {key}')
    if not texts:
        raise KnowledgeError(
            f'{where}: {key} is empty; write at least one, such as '
            + ("'clean {}'" if key == 'good' else "'{} with a deep scratch'")
        )
    for text in texts:
        if '{}' not in text:
            raise KnowledgeError(
                f'{where}: {key} has {shown(text)} without {{}}, where the '
                'name of the object goes'
            )
    return texts


def _texts(value: Any, where: str) -> tuple[str, ...]:
    value = [] if value is None else value
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise KnowledgeError(
            f'{where} is {shown(value)}, expected a list of texts'
        )
    for text in value:
        if not isinstance(text, str):
            raise KnowledgeError(
                f'{where} has {shown(text)}, expected text; put quotes around '
                'it'
            )
    return tuple(value)


def refuse_tiles(known: Mapping[str, Knowledge], k: int) -> None:
    """Refuse normal images that are read whole beside images in tiles.

    Args:
        known: What is known, by category.
        k: Normal images a category that are compared with.

    Raises:
        ValueError: Names the categories that list some.
    """
    named = [name for name, each in known.items() if each.normal_images]
    if not k or not named:
        return
    raise ValueError(
        'KeAD reads the normal images that its knowledge file names whole, '
        'and cannot compare tiles with them: leave `normal_images` of '
        f'{", ".join(named)} out there, and give them as images to fit to'
    )
