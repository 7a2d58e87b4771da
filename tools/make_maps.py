"""Write an anomaly map for each image of a folder or a list."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import make_maps, maps_text
from mmcvgssl.cli import (
    load_run,
    parse_run_args,
    user_errors,
)
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.utils import check_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config',
        help='config file of configs/anomaly, or a model file, as '
        'tools/fit.py writes it',
    )
    parser.add_argument(
        '--images',
        required=True,
        help='folder of images in any nesting, or a list, one path a line',
    )
    parser.add_argument('--out', required=True, help='folder of the maps')
    parser.add_argument(
        '--root',
        help="folder that listed paths are relative to (default: the list's)",
    )
    parser.add_argument(
        '--fit',
        help='folder or list of the images to fit to (default: those of the '
        'config)',
    )
    parser.add_argument(
        '--fitted', help='file of a fitted state, instead of fitting'
    )
    parser.add_argument(
        '--dtype', choices=['float16', 'float32'], default='float16'
    )
    parser.add_argument(
        '--max-unreadable',
        type=float,
        help='largest share of images that may be unreadable (default: as '
        'the config says, or 0.1)',
    )
    add_encoding(parser)
    parser.add_argument('--work-dir', help='folder of logs')
    return parse_run_args(parser)


def main() -> None:
    """Make the maps that are not there yet."""
    args = parse_args()
    with user_errors():
        cfg, loaded = load_run(args, maps=True)
        counts = make_maps(
            cfg,
            args.images,
            check_folder(args.out, '--out'),
            None if loaded is None else loaded.model,
            root=args.root,
            fit=args.fit,
            fitted=args.fitted,
            dtype=args.dtype,
            max_unreadable=args.max_unreadable,
            encoding=args.encoding,
        )
    print(maps_text(counts, args.out))


if __name__ == '__main__':
    main()
