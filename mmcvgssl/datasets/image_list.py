"""Images that are predicted once each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmpretrain.structures import DataSample

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.listed_images import check_listed
from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.datasets.text_lists import read_paths
from mmcvgssl.registry import DATASETS


@DATASETS.register_module()
class ImageList(SurfaceImages):
    """Images named one by one; an unreadable one is not replaced.

    Args:
        data_root: Folder that the paths are relative to.
        list_file: Text file with one path a line; all images of the folder,
            in any nesting, if it is empty.
        paths: The paths themselves, instead of a file.
        **kwargs: Options of :class:`SurfaceImages`.

    Raises:
        FileNotFoundError: If the folder, the list or an image is missing.
        ValueError: If there is no image.
        TooManyUnreadableError: If more than ``max_unreadable`` are broken.

    Example:
        >>> import cv2, numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     black = np.zeros((8, 8, 3), np.uint8)
        ...     saved = cv2.imwrite(f'{folder}/1.png', black)
        ...     list_file = Path(folder, 'images.txt')
        ...     size = list_file.write_text('1.png')
        ...     images = ImageList(
        ...         folder,
        ...         str(list_file),
        ...         pipeline=[
        ...             dict(type='mmcvgssl.LoadImage'),
        ...             dict(type='mmpretrain.PackInputs'),
        ...         ],
        ...     )
        ...     images[0]['inputs'].shape
        torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        data_root: str = '',
        list_file: str = '',
        paths: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if list_file and paths is not None:
            raise ValueError(
                f'ImageList takes list_file or paths, got both: {list_file} '
                f'and {len(paths)} paths'
            )
        self.list_file, self.paths = list_file, paths
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images."""
        if not self.list_file and self.paths is None:
            return super().load_data_list()
        root = Path(self.data_root)
        if self.paths is None:
            source = self.list_file
            paths = read_paths(source, root, self.encoding)
        else:
            source, paths = str(root), list(self.paths)
        self.contents = Contents(source)
        out = self._ignored(paths)
        paths = [path for path in paths if path not in out]
        check_listed(self.list_file or 'paths', root, paths)
        self.contents.used = {'images': len(paths)}
        return [{'img_path': str(root / path)} for path in paths]

    def _report(self) -> None:
        """Leave what they were chosen of to who has named the images."""
        named = self.list_file or self.paths is not None
        if not named or self.contents.left_out:
            super()._report()

    def __getitem__(self, idx: int) -> dict:
        if not self._fully_initialized:
            self.full_init()
        idx = self._position(idx)
        data = self.prepare_data(idx)
        return data if data is not None else self._placeholder(idx)

    def _placeholder(self, idx: int) -> dict:
        """Fill the row of the batch; the loader pads it."""
        path = self.get_data_info(idx)['img_path']
        sample = DataSample(metainfo=dict(img_path=path, unreadable=True))
        black = torch.zeros(3, 8, 8, dtype=torch.uint8)
        return {'inputs': black, 'data_samples': sample}
