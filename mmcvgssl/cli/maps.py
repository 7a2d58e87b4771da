"""Write an anomaly map for each image of a folder or a list."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from mmcvgssl.cli.arguments import add_run_options, load_run
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.utils import check_folder

if TYPE_CHECKING:
    from mmcvgssl.models.anomaly import AnomalyModel

EXAMPLE = """\
mmcvgssl maps parts.safetensors --images parts/new --out maps
"""
NOTES = 'Run it again to go on: maps that are there are not made again.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'config',
        help='config file or recipe of configs/anomaly, or a model file, as '
        'mmcvgssl fit writes it',
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
    add_run_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Make the maps that are not there yet."""
    from mmengine.dist import all_gather_object

    from mmcvgssl.apis import make_maps, maps_text

    cfg, loaded = load_run(args, maps=True)
    counts = make_maps(
        cfg,
        args.images,
        check_folder(args.out, '--out'),
        None if loaded is None else cast('AnomalyModel', loaded.model),
        root=args.root,
        fit=args.fit,
        fitted=args.fitted,
        dtype=args.dtype,
        max_unreadable=args.max_unreadable,
        encoding=args.encoding,
    )
    each = all_gather_object(counts)
    for key in ('written', 'unreadable'):  # of the share of a process
        counts[key] = sum(one[key] for one in each)
    return Outcome(maps_text(counts, args.out), {'out': args.out, **counts})
