"""The base class of layouts of good and defective images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import layout_error
from mmcvgssl.datasets.layouts.good_names import GoodNames
from mmcvgssl.datasets.layouts.lists import read_list

GOOD, DEFECT = 0, 1
CLASSES = ('good', 'defect')


class Sample(NamedTuple):
    """An image; paths are relative to the root and written with /.

    ``label`` is ``GOOD``, ``DEFECT``, or None as long as it is unknown.
    """

    path: str
    label: int | None
    category: str = ''
    defect: str = ''
    mask: str | None = None


class Layout:
    """Images below a folder, walked or listed.

    Args:
        root: The folder.
        good_names: See :class:`GoodNames`.
        extensions: Suffixes of image files, in small letters.
        contents: Collects what is guessed and left out.
    """

    name: str
    expected: str

    def __init__(
        self,
        root: Path,
        good_names: str | Sequence[str],
        extensions: Collection[str],
        contents: Contents | None = None,
    ) -> None:
        self.root = root
        self.good_names = GoodNames(good_names)
        self.extensions = extensions
        self.contents = (
            contents if contents is not None else Contents(str(root))
        )

    def walked(
        self, split: str, without: Collection[str] = ()
    ) -> list[Sample]:
        """Return what the folders hold for ``train`` or ``test``.

        Args:
            split: Split of the data set.
            without: Paths to leave out.
        """
        raise NotImplementedError(
            f'{type(self).__name__} must implement walked()'
        )

    def describe(self, path: str) -> Sample:
        """Return category, class and mask that an image's path gives."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement describe()'
        )

    def listed(
        self, file: Path, split: str, encoding: str = ''
    ) -> list[Sample]:
        """Return the images of a list, one path a line.

        A class index, 0 for good and 1 for defective, may follow a path
        after a space or tab. Images to train on are good ones.

        Args:
            file: The list.
            split: ``train`` or ``test``.
            encoding: See :func:`mmcvgssl.datasets.text_lists.read_text`.

        Raises:
            ValueError: If a line is malformed, or its label contradicts the
                folders, or is unknown, or a defect is to be trained on.
        """
        return [
            self.settle(path, index, split, where)
            for where, path, index in read_list(
                file, self.root, self.extensions, encoding
            )
        ]

    def is_good(self, folder: str) -> bool:
        """Say whether a folder of this name holds good images."""
        return folder in self.good_names

    def settle(
        self, path: str, index: int | None, split: str, where: str
    ) -> Sample:
        """Describe an image and decide on its label."""
        sample = self.describe(path)
        label = sample.label
        if label is None:
            label = index
        elif index not in (None, label):
            raise ValueError(
                f'{where}: {path} is {CLASSES[label]} by its folder, but '
                f'{CLASSES[index or 0]} by its index; 0 is good and 1 '
                'defective, or leave the index out'
            )
        if label is None and split == 'train':
            label = GOOD
        if label is None:
            raise ValueError(
                f'{where}: is {path} good or defective? List it with 0 or 1, '
                'as "path 0", or put good images into a folder of one of '
                f'these names: {self.good_names}'
            )
        if label == DEFECT and split == 'train':
            raise ValueError(
                f'{where}: {path} is defective; list good images alone to '
                'train on'
            )
        defect = sample.defect or CLASSES[DEFECT]
        return sample._replace(
            label=label, defect=CLASSES[GOOD] if label == GOOD else defect
        )

    def error(self, problem: str) -> ValueError:
        """Make an error that shows the expected and the found tree."""
        return layout_error(self.root, self.expected, problem)
