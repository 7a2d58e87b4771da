"""Images paired with their maps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.datasets.reading import UnreadableImageError, image_size
from mmcvgssl.datasets.unreadable_share import check_share
from mmcvgssl.maps.file import MAKE, MapError, inside
from mmcvgssl.maps.images import list_images
from mmcvgssl.maps.map_folder import MapFolder
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import Reading
from mmcvgssl.utils import some


@dataclass(frozen=True)
class MappedImages:
    """Images that have maps.

    Args:
        root: Folder that the paths are relative to.
        paths: Paths in ascending order, with /.
        without_map: Images left out, as they have no map.
        not_listed: How many maps are of images that the list leaves out.
        changed: Images left out, as they changed since their maps were made.
    """

    root: Path
    paths: list[str]
    without_map: list[str]
    not_listed: int = 0
    changed: list[str] = field(default_factory=list)


def find_mapped_images(
    maps: MapFolder,
    images: str | Path,
    root: str | Path | None = None,
    allow_missing: bool = False,
    skip: Collection[Path] = (),
    encoding: str = '',
) -> MappedImages:
    """Pair images and maps.

    Args:
        maps: The maps.
        images: Folder of images in any nesting, or a list, see
            :func:`mmcvgssl.apis.list_images`; maps of images that a list
            leaves out are not used.
        root: Folder that listed paths are relative to; by default the
            list's.
        allow_missing: Leave out images without a map, and images that have
            changed since their maps were made.
        skip: Folders within that of the images to leave out.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If folder, list or a listed image is missing.
        MapError: If images and maps do not belong together.
        ValueError: If there is no image, or a listed path leads out of the
            folder.

    Example:
        >>> found = find_mapped_images(MapFolder('maps'), 'test_images')
        >>> found.paths
        ['crack/0.png', 'crack/1.png', 'good/0.png', 'good/1.png']
    """
    images = Path(images)
    if images.is_dir():
        if root is not None:
            raise ValueError(
                f'{images} is a folder: a root is for a list of images'
            )
        home, wanted = images, images_below(images, skip)
        unseen = sorted({*maps.entries} - {*wanted})
        lost = [path for path in unseen if not (home / path).is_file()]
        if lost:
            raise MapError(
                f'{some(lost, "map")} in {maps.path} without an image in '
                f'{home}; check the path of the images, which must be that '
                f'the maps were made of, or {MAKE}'
            )
        wanted = sorted([*wanted, *unseen])
    else:
        home, listed = list_images(images, root, encoding)
        wanted = sorted({inside(path) for path in listed})
        lost = [path for path in wanted if not (home / path).is_file()]
        if lost:
            raise FileNotFoundError(
                f'{some(lost, "path")} of {images} not found in {home}; '
                'expected one path a line, relative to the folder given by '
                '--root'
            )
    without = [path for path in wanted if path not in maps]
    if without and not allow_missing:
        raise MapError(
            f'{some(without, "image")} in {images} without a map in '
            f'{maps.path}; {MAKE}, or leave these images out with '
            '--allow-missing'
        )
    mapped = [path for path in wanted if path in maps]
    if not mapped:
        raise MapError(f'no image in {images} has a map in {maps.path}')
    changed = maps.find_changed(home, mapped)
    if len(changed) == len(mapped):
        said = maps.say_changed(home, changed, len(mapped))
        raise MapError(f'{said}, and no image is left; {MAKE}')
    if changed and not allow_missing:
        raise MapError(
            f'{maps.say_changed(home, changed, len(mapped))}; {MAKE}, or '
            'leave these images out with --allow-missing'
        )
    left = {*mapped} - {*changed}
    paths = [path for path in mapped if path in left]
    not_listed = len(maps) - len(mapped)
    return MappedImages(home, paths, without, not_listed, changed)


def check_size(file: Path, size: tuple[int, int], reading: Reading) -> None:
    """Check height and width of an image file by its header.

    Raises:
        UnreadableImageError: If it has none.
        MapError: If they differ.
    """
    width, height = image_size(file, reading['page'], reading['max_pixels'])
    if (height, width) != size:
        raise MapError(
            f'{file} has {height} x {width} pixels, its map was made of '
            f'{size[0]} x {size[1]}; {MAKE}'
        )


def find_broken(
    maps: MapFolder, images: MappedImages, most: float = 0.1
) -> dict[str, str]:
    """Find images that cannot be used with their maps: reason by path.

    That is, one of both cannot be read, or the image has changed since.

    Args:
        maps: The maps.
        images: The images.
        most: Largest share of them.

    Raises:
        FileNotFoundError: If more are broken, and the first map is missing.
        MapError: If a map is not that of its image, or more are broken, and
            the first map cannot be used.
        UnreadableImageError: If more are broken, and the first image is.
        ValueError: If the share is none.
    """
    check_share(most)
    changed = MapError(f'it has changed since its map was made; {MAKE}')
    broken: dict[str, Exception] = dict.fromkeys(images.changed, changed)
    for path in progress_bar(
        images.paths, desc='check', unit='image', leave=False
    ):
        try:
            check_size(images.root / path, maps[path].size, maps.reading)
        except UnreadableImageError as error:
            broken[path] = error
            continue
        try:
            maps.load_map(path)
        except (FileNotFoundError, MapError) as error:
            broken[path] = error
    count = len(images.paths) + len(images.changed)
    if len(broken) > most * count:
        path, first = next(iter(broken.items()))
        raise type(first)(
            f'{len(broken)} of {count} images or maps cannot be read, or '
            f'have changed, more than the share of {most:g} that may be left '
            f'out (--max-unreadable). The first, {path}: {first}'
        )
    return {path: str(broken[path]) for path in sorted(broken)}
