"""Measure peak memory of tools/make_maps.py against the number of images.

The images given are repeated under other names, as links, up to each count.
Each run is a process of its own; what follows COUNTS goes to make_maps.py.
"""

import argparse
import tempfile
from pathlib import Path

from peak import measured

from mmcvgssl.datasets.image_folders import images_below

MAKE_MAPS = Path(__file__).parents[1] / 'make_maps.py'


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='a map generator')
    parser.add_argument('--images', type=Path, required=True, help='folder')
    parser.add_argument('--counts', type=int, nargs='+', default=[500, 20_000])
    return parser.parse_known_args()


def repeat(images: Path, names: list[str], count: int, out: Path) -> None:
    """Link ``count`` files in ``out`` to the images, in turn."""
    for i in range(count):
        source = images / names[i % len(names)]
        folder = out / f'{i // 1000:03}'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{i:06}{source.suffix}').symlink_to(source.resolve())


def main() -> None:
    """Make maps of few and of many images."""
    args, more = parse_args()
    names = images_below(args.images)
    if not names:
        raise SystemExit(f'{args.images}: no images')
    for count in args.counts:
        with tempfile.TemporaryDirectory() as folder:
            repeated = Path(folder, 'images')
            repeat(args.images, names, count, repeated)
            command = [str(MAKE_MAPS), args.config]
            command += ['--images', str(repeated), *more]
            command += ['--out', str(Path(folder, 'maps'))]
            _, made = measured(command)
        print(f'{count} images: {made:.0f} MiB', flush=True)


if __name__ == '__main__':
    main()
