"""Names of folders of good images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from mmcvgssl.utils import folded

AUTO = 'auto'
# usual names; case, spaces and signs between words play no part
USUAL = (
    *('good', 'ok', 'okay', 'normal', 'pass', 'passed', 'healthy', 'intact'),
    *('flawless', 'faultless', 'defectless', 'defect_free', 'fault_free'),
    *('no_defect', 'no_defects', 'without_defect', 'non_defective'),
    *('not_defective', 'no_anomaly', 'non_anomalous', 'MT_Free'),
)
_BAD_WORDS = ('defect', 'anomal', 'fault', 'fail', 'reject', 'damag', 'scrap')
_BAD = ('ng', 'nok', 'bad', 'broken', 'abnormal', 'nio', 'ko')
_NOT = ('no', 'not', 'non', 'un', 'never')
# names of folders of masks
MASKS = (
    *('mask', 'masks', 'ground_truth', 'groundtruth', 'gt', 'labels'),
    *('annotations', 'segmentation', 'segmentations', 'label'),
)
_MASK_WORDS = {*MASKS, 'seg', 'annotation'}


class GoodNames:
    """Names of folders of good images.

    Args:
        names: Names in any case; they may hold ``*``, and ``*`` alone makes
            all images good. ``'auto'``: one of the usual names, ``USUAL``.
    """

    def __init__(self, names: str | Sequence[str] = AUTO) -> None:
        given = [names] if isinstance(names, str) else list(names)
        self.guessed = given == [AUTO]
        self.names = list(USUAL) if self.guessed else given
        self._plain = {_plain(name) for name in USUAL}
        self._folded = [folded(name) for name in self.names]

    def __contains__(self, folder: str) -> bool:
        """Say whether a folder of this name holds good images."""
        if self.guessed:
            return _plain(folder) in self._plain
        name = folded(folder)
        return name in self._folded or any(
            fnmatchcase(name, pattern) for pattern in self._folded
        )

    def __str__(self) -> str:
        return ', '.join(self.names)

    def recognised(self, folders: Iterable[str]) -> list[str]:
        """Return the folders whose names mean good or bad in any words."""
        return [name for name in folders if name in self or _words_match(name)]

    def unclear(self, folders: Iterable[str]) -> list[str]:
        """Return those that are like a good name, but are none: ``good 2``."""
        if not self.guessed:
            return []
        return [
            name
            for name in folders
            if name not in self
            and not is_bad(name)
            and any(_plain(word) in self._plain for word in words_of(name))
        ]

    def unmatched(self, folders: Iterable[str]) -> list[str]:
        """Return names that were given, and that no folder has."""
        if self.guessed:
            return []
        found = [folded(folder) for folder in folders]
        return [
            name
            for name, pattern in zip(self.names, self._folded, strict=True)
            if pattern not in found
            and not any(fnmatchcase(folder, pattern) for folder in found)
        ]


def is_of_masks(name: str) -> bool:
    """Say whether the name of a file or folder speaks of masks."""
    plain = re.sub(r'[\W_]+', '_', name.casefold())
    return plain in MASKS or not _MASK_WORDS.isdisjoint(words_of(name))


def is_bad(folder: str) -> bool:
    """Say whether a folder's name says, in English, that images are bad."""
    words = words_of(folder)
    return any(
        word in (*_BAD, *_NOT) or word.startswith(_BAD_WORDS) for word in words
    )


def _words_match(folder: str) -> bool:
    plain = {_plain(name) for name in USUAL}
    words = words_of(folder)
    return is_bad(folder) or any(word in plain for word in words)


def words_of(name: str) -> list[str]:
    """Split a name: ``NotGood-2`` into ``not``, ``good`` and ``2``."""
    apart = re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)', ' ', name)
    return [word.casefold() for word in re.split(r'[\W_]+', apart) if word]


def _plain(name: str) -> str:
    return re.sub(r'[\W_]+', '', folded(name))
