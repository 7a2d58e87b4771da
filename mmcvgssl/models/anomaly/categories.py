"""The categories of a knowledge file, and the category of each image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.models.anomaly.prompts import build_prompts, load_knowledge
from mmcvgssl.provenance import of_file


class Categories:
    """Knowledge and prompts of each category.

    Args:
        knowledge: See :func:`load_knowledge`.
        default: Category of images that name none; by default the only one.

    Attributes:
        facts: Category to :class:`Knowledge`.
        prompts: Category to :class:`Prompts`.
        default: Category of images that name none, or None.

    Raises:
        FileNotFoundError: If the knowledge file is missing.
        KnowledgeError: If it does not have the format.
        ValueError: If nothing is known of the default.
    """

    def __init__(
        self,
        knowledge: str | Path | Mapping[str, Any],
        default: str | None = None,
    ) -> None:
        self.facts = load_knowledge(knowledge)
        self.prompts = {n: build_prompts(v) for n, v in self.facts.items()}
        if default is not None:
            self.require(default)
        only = next(iter(self.facts)) if len(self.facts) == 1 else None
        self.default = default or only

    @property
    def digest(self) -> str:
        """Digest of the prompts of all categories."""
        texts = {name: vars(value) for name, value in self.prompts.items()}
        encoded = json.dumps(texts, sort_keys=True).encode()
        return hashlib.sha256(encoded).hexdigest()[:32]

    def normal_images(self, k: int) -> dict[str, tuple[str, ...]]:
        """Return the first k paths of each category that lists images."""
        return {
            name: known.normal_images[:k]
            for name, known in self.facts.items()
            if k and known.normal_images
        }

    def image_digests(self, k: int) -> dict[str, list[str]]:
        """Name the files of :meth:`normal_images` by their content."""
        return {
            name: [
                of_file(path) if Path(path).is_file() else 'missing'
                for path in paths
            ]
            for name, paths in self.normal_images(k).items()
        }

    def of_samples(self, data_samples: Sequence) -> list[str]:
        """Return the category of each sample, or else the default."""
        default = self.default or ''
        return [s.get('category') or default for s in data_samples]

    def complete(self, names: Sequence[str]) -> list[str]:
        """Replace empty categories by the default.

        Raises:
            ValueError: If nothing is known of one.
        """
        default = self.default or ''
        return self.of_images([n or default for n in names], len(names))

    def of_images(
        self, names: str | Sequence[str] | None, count: int
    ) -> list[str]:
        """Give each image a known category.

        Args:
            names: Names of all images, or one for each; None: the default.
            count: Number of the images.

        Raises:
            ValueError: If there are more or fewer names, or nothing is known
                of one.
        """
        if names is None or isinstance(names, str):
            names = [names or self.default or ''] * count
        if len(names) != count:
            raise ValueError(
                f'{count} images need as many categories, got {len(names)}'
            )
        for name in names:
            self.require(name)
        return list(names)

    def require(self, name: str) -> None:
        """Refuse an unknown category.

        Raises:
            ValueError: Names those that are known.
        """
        known = ', '.join(self.facts)
        if not name:
            raise ValueError(
                'which category? Set `category` of KeAD, or give each data '
                f'sample one of {known}'
            )
        if name not in self.facts:
            raise ValueError(
                f'nothing is known of the category {name!r}, only of {known}; '
                'add it to the knowledge file under this name, or set '
                '`knowledge` to another'
            )
