"""Draw what the pipeline of a config really feeds to the network."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.arguments import add_cfg_options, load_named_config
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.terminal_log import quieten_log
from mmcvgssl.utils import printable

EXAMPLE = """\
mmcvgssl browse cvgssl-regress_resnet18_lite0_1xb64-400e_folder --out fed \\
    --cfg-options data_root=DIR
"""
NOTES = """\
Views of self-supervised trainings are laid out, anomaly maps and masks are
drawn over their images, boxes with their classes.
"""
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('config', help='config file or recipe')
    parser.add_argument(
        '--out',
        required=True,
        help='folder of a picture for each sample, and of contact_sheet.png',
    )
    parser.add_argument(
        '--part',
        default='train',
        choices=('train', 'val', 'test', 'fit'),
        help='whose loader is looked at (default: %(default)s)',
    )
    parser.add_argument(
        '--number',
        type=int,
        default=16,
        metavar='N',
        help='most samples, evenly over the data set (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        help="of random transforms (default: the config's)",
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Draw."""
    from mmcvgssl.apis import browse_dataset

    quieten_log()
    cfg = load_named_config(args.config, args.cfg_options)
    made = browse_dataset(cfg, args.out, args.part, args.number, args.seed)
    lines = [
        f'{printable(file.name)}: {printable(line)}'
        for file, line in zip(made.files, made.lines, strict=True)
    ]
    text = f'{len(made.files)} of {made.count} images in {args.out}'
    data = {
        'out': args.out,
        'files': made.files,
        'samples': made.lines,
        'count': made.count,
    }
    return Outcome('\n'.join([*lines, text]), data)
