"""The images of all parts of a data set, each file once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmcvgssl.datasets.checks.data_part import DataPart, PartImage
from mmcvgssl.datasets.checks.finding import Example
from mmcvgssl.datasets.checks.image_facts import ImageFacts
from mmcvgssl.utils import printable


@dataclass
class ImageTable:
    """The images of all parts, each file once.

    Args:
        files: Paths of the files.
        uses: Names of the parts that a file is in, and its images there.
        facts: What is known of each file, once it has been read.
    """

    files: list[str]
    uses: list[list[tuple[str, PartImage]]]
    facts: list[ImageFacts] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable[DataPart]) -> ImageTable:
        """Collect the images of parts, in order."""
        uses: dict[str, list[tuple[str, PartImage]]] = {}
        for part in parts:
            for image in () if part.only_boxes else part.images:
                uses.setdefault(image.file, []).append((part.name, image))
        return cls([*uses], [*uses.values()])

    @property
    def read(self) -> list[int]:
        """Indices of the files that could be read."""
        return [i for i, fact in enumerate(self.facts) if fact.error is None]

    def parts(self, indices: Iterable[int]) -> set[str]:
        """Return the names of the parts that files are in."""
        return {part for i in indices for part, _ in self.uses[i]}

    def labels(self, indices: Iterable[int]) -> set[str]:
        """Return the classes that files are of."""
        return {
            image.label
            for i in indices
            for _, image in self.uses[i]
            if image.label is not None
        }

    def label(self, index: int) -> str | None:
        """Return the class of a file; None if it has none, or several."""
        found = self.labels([index])
        return found.pop() if len(found) == 1 else None

    def name(self, index: int) -> str:
        """Name a file by its parts, its path there and its class."""
        image = self.uses[index][0][1]
        parts = '+'.join(dict.fromkeys(part for part, _ in self.uses[index]))
        labels = sorted(self.labels([index]))
        shown = f' ({printable(" / ".join(labels))})' if labels else ''
        return f'{parts}: {printable(image.path)}{shown}'

    def example(
        self, indices: Sequence[int], line: str = '', join: str = ' = '
    ) -> Example:
        """Return an example that shows files, the first few by name."""
        names = join.join(self.name(i) for i in indices[:4])
        more = f' and {len(indices) - 4} more' if len(indices) > 4 else ''
        return Example(
            f'{names}{more}{line}', tuple(self.files[i] for i in indices)
        )
