"""Good images to learn from, good and defective ones to test on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.holdout import HELD_OUT, LEARN, divide
from mmcvgssl.datasets.ignored import warn_of_unused
from mmcvgssl.datasets.layouts import (
    CLASSES,
    DEFECT,
    GOOD,
    Layout,
    MvtecLayout,
    Sample,
    find_layout,
    read_list,
)
from mmcvgssl.datasets.listed_images import check_listed
from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.registry import DATASETS
from mmcvgssl.utils import some

SPLITS = ('train', 'test')


@DATASETS.register_module()
class OneClassDataset(SurfaceImages):
    """Images of one category or several, with masks of the defects.

    An image's info holds ``img_path``, ``gt_label`` (0 good, 1 defective),
    ``category`` (empty if there is none), ``defect`` (``good`` or the name
    of the defect's folder) and ``mask_path`` (None if there is none). The
    layouts are

    - ``mvtec``: ``CATEGORY/train/good``, ``CATEGORY/test/DEFECT`` and
      ``CATEGORY/ground_truth/DEFECT/STEM_mask.png``; ``data_root`` may be a
      category itself;
    - ``mask-beside``: a folder for each class, as ``MT_Free`` and
      ``MT_Crack``; a mask lies beside its image under the same stem and
      ``mask_suffix``;
    - ``folder``: good images in any nesting, or a folder for each class.

    The last two layouts have no split. Without a list, training uses the good
    images and testing uses all images. Guesses from names are logged. A guess
    that would remove images, or count defects as good, is refused.

    Args:
        data_root: Folder of the images.
        ann_file: Optional list: a path (and a class index, 0 or 1, after a
            space or tab) a line. Without an index the folder gives the
            class, and what is to be trained on is good.
        leave_out: List of images that are not read from folders, such as
            those tested on; it need not exist.
        layout: One of them, or ``auto``.
        split: ``train``: good images, unreadable ones are skipped; ``test``:
            all images, an unreadable one is an error.
        categories: One or more of an MVTec-style tree; by default all.
        category: Another name of ``categories``, as in configs; empty: all.
        good_names: Names of folders of good images, in any case, perhaps with
            ``*``; ``auto``: the usual ones, as good, ok, normal and pass.
            ``*``: all images are good.
        mask_suffix: End of a mask's name, after its image's stem, which
            layout ``folder`` does not take; ``auto``: ``_mask.png`` or
            ``.png`` in ``ground_truth``, and, beside images, one of more
            such ends, if what has such a name looks like a mask.
        holdout: Share of the images that ``part`` divides off, drawn by
            ``holdout_seed`` in each category; 0: none.
        holdout_seed: Seed of the draw.
        part: ``learn``: all but those; ``held-out``: those alone.
        **kwargs: Options of :class:`SurfaceImages`.

    Raises:
        FileNotFoundError: If folder or list is missing.
        ValueError: If the tree or the list is not as expected.

    Example:
        >>> import cv2, numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ('good/1.png', 'crack/2.png'):
        ...         Path(folder, name).parent.mkdir()
        ...         saved = cv2.imwrite(
        ...             f'{folder}/{name}', np.zeros((8, 8, 3), np.uint8)
        ...         )
        ...     images = OneClassDataset(folder, split='test')
        ...     [images.get_data_info(i)['defect'] for i in range(len(images))]
        ['crack', 'good']
    """

    METAINFO: ClassVar[dict] = {'classes': CLASSES}

    def __init__(
        self,
        data_root: str = '',
        ann_file: str = '',
        leave_out: str = '',
        layout: str = 'auto',
        split: str = 'train',
        categories: str | Sequence[str] | None = None,
        category: str | Sequence[str] = '',
        good_names: str | Sequence[str] = 'auto',
        mask_suffix: str = 'auto',
        holdout: float = 0.0,
        holdout_seed: int = 0,
        part: str = LEARN,
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split is train or test, got {split!r}')
        if not 0 <= holdout < 1 or part not in (LEARN, HELD_OUT):
            raise ValueError(
                'expected holdout as a share of 0 or more below 1 and part '
                f'as {LEARN} or {HELD_OUT}, got {holdout} and {part!r}'
            )
        if part == HELD_OUT and not holdout:
            raise ValueError(
                f'part={HELD_OUT!r} of no images: give their share as holdout'
            )
        self.holdout, self.holdout_seed = holdout, holdout_seed
        self.part = part
        if categories and category:
            raise ValueError(
                f'category {category!r} and categories {categories!r} '
                'exclude each other; leave one out'
            )
        self.leave_out = ''
        if leave_out:
            self.leave_out = str(Path(kwargs.get('split_dir', ''), leave_out))
        self.layout = layout
        self.split = split
        self.categories = _names(category or categories or ())
        self.good_names = _names(good_names)
        self.mask_suffix = mask_suffix
        kwargs.setdefault('test_mode', split == 'test')
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            with_label=True,
            lazy_init=lazy_init,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read paths, labels and masks from the folders or the list."""
        root = self._root
        self.contents = Contents(self.ann_file or str(root))
        tree = Contents(str(root))
        layout = find_layout(
            self.layout,
            root,
            self.good_names,
            self.extensions,
            self.categories,
            tree,
            self.ignore,
            self.mask_suffix,
        )
        if self.ann_file:
            samples = layout.listed(
                Path(self.ann_file), self.split, self.encoding
            )
            out = self._ignored(sample.path for sample in samples)
            samples = [s for s in samples if s.path not in out]
            check_listed(self.ann_file, root, [s.path for s in samples])
            self.contents.warnings += tree.warnings
        else:
            self.contents = tree
            samples = self._walked(layout)
            warn_of_unused(self.ignore, root, tree)
            if self.split == 'test' and not isinstance(layout, MvtecLayout):
                good = sum(sample.label == GOOD for sample in samples)
                tree.warnings.append(
                    f'no list, so tests read all {good} good images, those '
                    'trained on, too; mmcvgssl prepare divides them'
                )
        samples = self._divided(samples)
        self.contents.used = {
            'images': len(samples),
            'good': sum(sample.label == GOOD for sample in samples),
            'defective': sum(sample.label == DEFECT for sample in samples),
            'with mask': sum(sample.mask is not None for sample in samples),
        }
        return [_info(root, sample) for sample in samples]

    def _divided(self, samples: list[Sample]) -> list[Sample]:
        """Select the part that is asked for."""
        if not self.holdout:
            return samples
        selected = divide(
            [sample.path for sample in samples],
            [sample.category for sample in samples],
            self.holdout,
            self.holdout_seed,
            self.part,
        )
        if not selected:
            raise ValueError(
                f'holdout={self.holdout} holds out none of '
                f'{len(samples)} images: a category needs two images or '
                'more, one of them to learn from; add images, or set '
                'holdout=0'
            )
        chosen = {samples[i].path for i in selected}
        why = (
            'held out for the threshold'
            if self.part == LEARN
            else 'not held out'
        )
        self.contents.leave_out(
            why, *(s.path for s in samples if s.path not in chosen)
        )
        return [samples[i] for i in selected]

    def _walked(self, layout: Layout) -> list[Sample]:
        """Read the folders, without what the list ``leave_out`` names."""
        file = Path(self.data_root, self.leave_out)
        out: set[str] = set()
        if self.leave_out and file.is_file():
            out = {
                path
                for _, path, _ in read_list(
                    file, layout.root, self.extensions, self.encoding
                )
            }
        there = [path for path in sorted(out) if (layout.root / path).exists()]
        samples = layout.walked(self.split, out)
        if not samples:
            raise ValueError(f'{file} leaves out all {len(there)} images')
        layout.contents.leave_out(f'in {file}', *there)
        if len(there) < len(out):
            gone = some(sorted(out - {*there}), 'path')
            layout.contents.warnings.append(
                f'{file} is to leave out {gone} that are not there; images '
                'that were moved are not left out'
            )
        return samples


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _info(root: Path, sample: Sample) -> dict:
    return {
        'img_path': str(root / sample.path),
        'gt_label': sample.label,
        'category': sample.category,
        'defect': sample.defect,
        'mask_path': None if sample.mask is None else str(root / sample.mask),
    }
