"""Good images to learn from, good and defective ones to test on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mmengine.logging import MMLogger

from mmcvgssl.datasets.layouts import (
    CLASSES,
    GOOD,
    Layout,
    MvtecLayout,
    Sample,
    find_layout,
)
from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.registry import DATASETS

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
      ``MT_Crack``; a mask lies beside its image under the same stem and the
      suffix ``.png``;
    - ``folder``: good images in any nesting, or a folder for each class.

    The last two have no split of their own: without a list, training takes
    the good images and testing all of them.

    Args:
        data_root: Folder of the images.
        ann_file: Optional list: a path (and a class index, 0 or 1, after a
            space or tab) a line. Without an index the folder tells the
            class, and what is to be trained on is good.
        leave_out: List of images that are not read from folders, such as
            those tested on; it need not exist.
        layout: One of them, or ``auto``.
        split: ``train``: good images, unreadable ones are skipped; ``test``:
            all images, an unreadable one is an error.
        categories: One or more of an MVTec-style tree; by default all.
        category: The same, by the name that it has in configs; empty: all.
        good_names: Names of folders of good images, in any case.
        **kwargs: Of :class:`SurfaceImages`.

    Raises:
        FileNotFoundError: If folder or list is missing.
        ValueError: If the tree or the list is not as expected.
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
        good_names: str | Sequence[str] = ('good', 'MT_Free', 'ok'),
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split is train or test, got {split!r}')
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
        root = Path(self.img_prefix or self.data_root)
        layout = find_layout(
            self.layout,
            root,
            self.good_names,
            self.extensions,
            self.categories,
        )
        if self.ann_file:
            samples = layout.listed(Path(self.ann_file), self.split)
        else:
            samples = self._kept(layout.walked(self.split), layout)
            if self.split == 'test' and not isinstance(layout, MvtecLayout):
                good = sum(sample.label == GOOD for sample in samples)
                MMLogger.get_current_instance().warning(
                    f'{root}: no list, so tests read all {good} good images, '
                    'those trained on, too; tools/prepare_data.py divides '
                    'them'
                )
        return [_info(root, sample) for sample in samples]

    def _kept(self, samples: list[Sample], layout: Layout) -> list[Sample]:
        """Leave out what the list names."""
        file = Path(self.data_root, self.leave_out)
        if not (self.leave_out and file.is_file()):
            return samples
        out = {sample.path for sample in layout.listed(file, 'test')}
        kept = [sample for sample in samples if sample.path not in out]
        if samples and not kept:
            raise ValueError(f'{file} leaves out all {len(samples)} images')
        return kept


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
