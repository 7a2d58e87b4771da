"""Images under several names: files, pixels, turned and near copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmcvgssl.datasets.checks.finding import (
    ERROR,
    NOTE,
    WARNING,
    Example,
    Finding,
)
from mmcvgssl.datasets.checks.image_table import ImageTable
from mmcvgssl.datasets.checks.near_copies import (
    RELATIONS,
    SIMILARITY,
    NearCopy,
    groups_of,
    near_copies,
)
from mmcvgssl.datasets.copies import same_content

FILES, PIXELS, TURNED, NEAR = LEVELS = (
    'same-file',
    'same-pixels',
    'turned',
    'near',
)
_TEXTS = {
    FILES: 'files of the same content',
    PIXELS: 'images of the same pixels, in files of another content',
    TURNED: 'images that are others mirrored or turned, pixel by pixel',
    NEAR: 'images that are nearly others, such as another exposure or size',
}
_ACROSS = 'figures are too high: remove them from one part'
_CLASSES = 'which class is right? Remove the others'
_WITHIN = 'each counts for one; a split that is drawn anew may divide them'
# the gravest first
_KINDS = (
    ('leak', ERROR, 'in two parts', _ACROSS),
    ('classes', ERROR, 'of two classes', _CLASSES),
    ('copies', WARNING, 'within a part', _WITHIN),
)
_LESS = {ERROR: WARNING, WARNING: NOTE}


@dataclass(frozen=True)
class CopyGroup:
    """Images that are copies of each other, by one level of likeness.

    Args:
        firsts: An image of each group of closer copies in it.
        members: All images.
    """

    firsts: list[int]
    members: list[int]


class CopyGroups:
    """Groups of copies, from files of the same content to near copies.

    Args:
        table: Images that have been read.
        similarity: See :func:`near_copies`.
        progress: See :func:`near_copies`.
    """

    def __init__(
        self,
        table: ImageTable,
        similarity: float = SIMILARITY,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        self.table = table
        count = len(table.files)
        # the first of the copies of an image, which stands for them
        self.first = list(range(count))
        self._members = {i: [i] for i in range(count)}
        self.pairs: dict[int, list[NearCopy]] = defaultdict(list)
        self.groups: dict[str, list[CopyGroup]] = {}
        index = {file: i for i, file in enumerate(table.files)}
        same = same_content('', table.files)
        self._add(FILES, [[index[file] for file in own] for own in same])
        for level, name in ((PIXELS, 'pixels'), (TURNED, 'turned')):
            self._add(level, self._equal(name))
        self._add(NEAR, self._near(similarity, progress))

    def findings(self) -> list[Finding]:
        """Return copies across parts, of two classes, and others."""
        found = [*self._same_names()]
        for kind, severity, where, advice in _KINDS:
            for level in LEVELS:
                own = [
                    group
                    for group in self.groups[level]
                    if self._kind(group) == kind
                ]
                if not own:
                    continue
                sure = level != NEAR
                found.append(
                    Finding(
                        f'{kind}-{level}',
                        severity if sure else _LESS[severity],
                        f'{_TEXTS[level]}, {where}',
                        [self._example(level, group) for group in own],
                        advice,
                    )
                )
        return found

    def _same_names(self) -> list[Finding]:
        """Report files that two parts name."""
        table = self.table
        both = [
            i for i in range(len(table.files)) if len(table.parts([i])) > 1
        ]
        if not both:
            return []
        return [
            Finding(
                *('leak-name', ERROR, 'images that are in two parts'),
                [table.example([i]) for i in both],
                _ACROSS,
            )
        ]

    def _kind(self, group: CopyGroup) -> str:
        """Say what is wrong with a group; of several, the gravest."""
        if len(self.table.parts(group.members)) > 1:
            return 'leak'
        labels = self.table.labels(group.members)
        return 'classes' if len(labels) > 1 else 'copies'

    def _example(self, level: str, group: CopyGroup) -> Example:
        firsts = group.firsts
        if level == TURNED:
            return self.table.example(firsts, join=' ~ ')
        if level != NEAR:
            return self.table.example(firsts)
        own = {*firsts}
        pairs = [
            pair for i in firsts for pair in self.pairs[i] if pair.other in own
        ]
        how = dict.fromkeys(RELATIONS[p.orientation] for p in pairs)
        worst = min((p.similarity for p in pairs), default=1.0)
        line = f' ({", ".join(how)}; correlation {worst:.3f})'
        return self.table.example(firsts, line, ' ~ ')

    def _equal(self, name: str) -> list[list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for i in self.table.read:
            if self.first[i] == i:
                found[getattr(self.table.facts[i], name)].append(i)
        return [group for group in found.values() if len(group) > 1]

    def _near(
        self, similarity: float, progress: Callable[[], object]
    ) -> list[list[int]]:
        firsts = [i for i in self.table.read if self.first[i] == i]
        facts = [self.table.facts[i] for i in firsts]
        pairs = [
            pair._replace(first=firsts[pair.first], other=firsts[pair.other])
            for pair in near_copies(facts, similarity, progress)
        ]
        for pair in pairs:
            self.pairs[pair.first].append(pair)
        return groups_of(len(self.table.files), pairs)

    def _add(self, level: str, groups: Sequence[list[int]]) -> None:
        """Take groups of firsts, and let the first of each stand for all."""
        self.groups[level] = []
        for firsts in groups:
            members = [i for first in firsts for i in self._members[first]]
            self.groups[level].append(CopyGroup(firsts, members))
            for i in members:
                self.first[i] = firsts[0]
            self._members[firsts[0]] = members
