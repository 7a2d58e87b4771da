"""Images with their anomaly maps."""

from __future__ import annotations

import os
from pathlib import Path

from mmcvgssl.datasets.reading import TooManyUnreadableError
from mmcvgssl.datasets.surface_images import SurfaceImages
from mmcvgssl.maps.file import MapError
from mmcvgssl.maps.map_folder import MapFolder
from mmcvgssl.maps.writer import require_own_maps
from mmcvgssl.registry import DATASETS
from mmcvgssl.utils import some


@DATASETS.register_module()
class AnomalyMapDataset(SurfaceImages):
    """Images, their anomaly maps and, ``with_label``, their classes.

    An image's info has ``map_path``, besides the keys of
    :class:`SurfaceImages`. If the folder has a ``manifest.jsonl``, as
    mmcvgssl maps writes it, the map is looked up there, and the info
    also has ``map_size``, height and width of the image that the map was made
    of, and ``map_digest``, the digest of the map's file. In a folder without
    a manifest, the map is the file at the image's relative path, with the
    suffix ``.npy``.

    Args:
        maps: Folder of the maps.
        map_root: Folder that the maps' paths are relative to, by default
            ``data_root``: the folder of images that the maps were made of.
        allow_missing: Leave out images without a map, and images that have
            changed since their maps were made, and say how many, instead of
            stopping. What has changed counts as unreadable: its share is up
            to ``max_unreadable``.
        **kwargs: Options of :class:`SurfaceImages`.

    Raises:
        FileNotFoundError: If the folder of maps is missing, or images have
            no map: says how many and names the first.
        ValueError: If the manifest is malformed, no image has a map, two
            would share one, or images have changed since their maps were
            made.
        TooManyUnreadableError: If too many have, or are broken.

    Example:
        >>> import cv2, numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as images, TemporaryDirectory() as maps:
        ...     black = np.zeros((8, 8, 3), np.uint8)
        ...     saved = cv2.imwrite(f'{images}/1.png', black)
        ...     np.save(f'{maps}/1.npy', np.zeros((2, 2), np.float16))
        ...     data_set = AnomalyMapDataset(images, maps)
        ...     Path(data_set.get_data_info(0)['map_path']).name
        '1.npy'
    """

    def __init__(
        self,
        data_root: str = '',
        maps: str = '',
        map_root: str | None = None,
        allow_missing: bool = False,
        **kwargs,
    ) -> None:
        if not maps:
            raise ValueError(
                'AnomalyMapDataset needs maps, the folder that '
                'mmcvgssl maps writes: give it by --cfg-options maps=DIR'
            )
        self.maps = Path(maps)
        self.map_root = map_root
        self.allow_missing = allow_missing
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read paths and labels, and find the maps."""
        data = super().load_data_list()
        root = self.map_root if self.map_root is not None else self.data_root
        paths = [
            Path(os.path.relpath(info['img_path'], root or '.')).as_posix()
            for info in data
        ]
        found, changed = self._find(paths, root or '.')
        without = [p for p in paths if p not in found and p not in changed]
        if without:
            problem = (
                f'{some(without, "image")} of {len(paths)} without a map in '
                f'{self.maps}'
            )
            if not self.allow_missing:
                raise FileNotFoundError(
                    f'{problem}; paths are relative to {root or "."}: set '
                    'map_root if the maps were made of another folder, make '
                    'the maps with mmcvgssl maps, or leave these images '
                    'out with allow_missing=True'
                )
            if not found:
                raise ValueError(
                    f'{problem}: no image is left; check maps and map_root'
                )
            self.contents.leave_out('without a map', *without)
            self.contents.warnings.append(f'leaving out {problem}')
        if changed:
            self.contents.leave_out('changed since its map', *changed)
            self.unreadable.leave_out(len(changed))
        mapped = [
            {**info, **found[path]}
            for info, path in zip(data, paths, strict=True)
            if path in found
        ]
        if without or changed:
            self.contents.used = {'images': len(mapped)}
        return mapped

    def _find(
        self, paths: list[str], root: str
    ) -> tuple[dict[str, dict], set[str]]:
        """Return path and size of the maps that exist, by image path.

        Beside them, the paths of images that have changed.
        """
        if not self.maps.is_dir():
            raise FileNotFoundError(
                f'no folder of maps {self.maps}; check the path, or make the '
                'maps with mmcvgssl maps'
            )
        found: dict[str, dict] = {}
        changed: set[str] = set()
        if any(self.maps.glob('manifest*.jsonl')):
            maps = MapFolder(self.maps)
            entries = maps.entries
            present = [
                p for p in paths if p in entries and Path(root, p).is_file()
            ]
            changed = self._changed(maps, root, present)
            for path in paths:
                if path in entries and path not in changed:
                    entry = entries[path]
                    file = self.maps / entry.map
                    found[path] = dict(
                        map_path=file,
                        map_size=entry.size,
                        map_digest=entry.digest,
                    )
        else:
            for path in paths:
                if not path.startswith('../'):
                    file = (self.maps / path).with_suffix('.npy')
                    if file.is_file():
                        found[path] = dict(map_path=file)
            require_own_maps(found)  # no manifest says whose they are
        return {
            path: {**info, 'map_path': str(info['map_path'])}
            for path, info in found.items()
            if info['map_path'].is_file()
        }, changed

    def _changed(
        self, maps: MapFolder, root: str, paths: list[str]
    ) -> set[str]:
        """Return the images that have changed, if they may be left out."""
        changed = maps.find_changed(root, paths)
        if not changed:
            return set()
        problem = maps.say_changed(root, changed, len(paths))
        again = 'make the maps anew with mmcvgssl maps'
        if not self.allow_missing:
            raise MapError(
                f'{problem}; {again}, or leave these images out with '
                'allow_missing=True'
            )
        if len(changed) == len(paths):
            raise MapError(f'{problem}, and no image is left; {again}')
        if len(changed) > self.unreadable.most * len(paths):
            raise TooManyUnreadableError(
                f'{problem}, more than the share of {self.unreadable.most:g} '
                f'that may be left out (max_unreadable); {again}'
            )
        self.contents.warnings.append(f'leaving out {problem}')
        return set(changed)
