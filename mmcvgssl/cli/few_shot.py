"""Evaluate features with a handful of labels, over several draws."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mmcvgssl.cli.arguments import add_cfg_options, load_named_config
from mmcvgssl.cli.outcome import Outcome, of_model_file
from mmcvgssl.terminal_log import quieten_log
from mmcvgssl.utils import check_folder

EXAMPLE = """\
mmcvgssl few-shot cvgssl-regress_resnet18_lite0_1xb64-400e_folder \\
    --checkpoint teacher --shots 1 4 --cfg-options data_root=TEST_DIR
"""
NOTES = """\
The config names the labelled images; mmcvgssl prepare folder DIR lists
those of a folder for each class. --save writes a classifier for mmcvgssl
predict; mmcvgssl fit --update FILE adds images and classes to it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.apis.few_shot import MODES
    from mmcvgssl.apis.selection.draws import DRAWS, EQUAL

    parser.add_argument('config', help='config the weights were trained with')
    parser.add_argument(
        '--checkpoint',
        required=True,
        help="file, 'none' for random weights, 'teacher' for the teacher",
    )
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument('--runs', type=int, default=5, help='draws per shot')
    parser.add_argument('--mode', choices=MODES, default='probe')
    parser.add_argument(
        '--standardize',
        action='store_true',
        help='take all levels that the network gives, each feature '
        'standardised over the training images, without their labels',
    )
    parser.add_argument(
        '--draw',
        choices=DRAWS,
        nargs='+',
        default=[EQUAL],
        help='which training images get a label: as many of each class, or '
        'as many in all by a method of mmcvgssl select, or by two of them in '
        'rounds, which look at no other labels (default: equal); results of '
        'several are in folders of their names',
    )
    parser.add_argument(
        '--unlabelled',
        metavar='IMAGES',
        help='for --mode propagation: further images, all of these classes, '
        'that labels spread to; a folder, or a list, NAME.txt. Those that are '
        'to be tested on, and copies of them, are left out',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--size', type=int, help='side of the images, pixels')
    parser.add_argument(
        '--report-best',
        action='store_true',
        help='also give the best epoch on the test set, labelled as such',
    )
    parser.add_argument(
        '--save',
        metavar='FILE.safetensors',
        help='also write a classifier for mmcvgssl predict, learned from all '
        'labelled training images, not from the few of a draw; its accuracy '
        'on the test images is printed',
    )
    parser.add_argument(
        '--save-draw',
        type=int,
        nargs=2,
        metavar=('SHOTS', 'RUN'),
        help='let --save learn from the images of one draw instead: run RUN, '
        'counted from 0, of SHOTS images a class, as few_shot.json lists them',
    )
    parser.add_argument('--workers', type=int, default=0)
    parser.add_argument(
        '--work-dir',
        help='where results go; default: work_dirs/<config>/few_shot/'
        '<mode>_<checkpoint>',
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Evaluate."""
    from mmcvgssl.apis.few_shot import FewShot
    from mmcvgssl.apis.few_shot_model import (
        images_to_learn_from,
        save_classifier,
    )
    from mmcvgssl.apis.selection.draws import EQUAL
    from mmcvgssl.engine import keep_freed_memory
    from mmcvgssl.runner.build import default_work_dir

    quieten_log()
    keep_freed_memory()
    if args.save_draw and args.save is None:
        raise ValueError('--save-draw says what --save learns from')
    draws = list(dict.fromkeys(args.draw))
    if args.save_draw and len(draws) > 1:
        raise ValueError(
            f'--save-draw is a run of one --draw, got {", ".join(draws)}: '
            'leave one'
        )
    cfg = load_named_config(args.config, args.cfg_options)
    named = args.work_dir
    if named is None:
        named = (args.cfg_options or {}).get('work_dir') or os.path.join(
            default_work_dir(args.config),
            'few_shot',
            f'{args.mode}_{Path(args.checkpoint).stem}'
            + '_standardized' * args.standardize
            + ''.join(f'_{name}' for name in draws if draws != [EQUAL]),
        )
    out = Path(check_folder(named, '--work-dir'))
    protocol = FewShot(
        cfg,
        args.checkpoint,
        args.mode,
        seed=args.seed,
        size=args.size,
        report_best=args.report_best,
        workers=args.workers,
        standardize=args.standardize,
        draw=draws[0],
        unlabelled=args.unlabelled,
    )
    draw = tuple(args.save_draw) if args.save_draw else None
    if args.save is not None:  # complain before work starts
        images_to_learn_from(protocol, args.save, draw)
    texts, data = [], []
    for name in draws:
        folder = out / name if len(draws) > 1 else out
        protocol.draw = name  # features are computed once
        results = protocol.run(args.shots, args.runs, folder)
        file = folder / 'few_shot.json'
        texts.append(
            f'{results.table()}{file}, few_shot.md and few_shot.png written'
        )
        data.append({'file': file, **results.data})
    found: dict[str, Any] = data[0]
    if len(draws) > 1:
        found = {'draws': data}
    if args.save is not None:
        saved = of_model_file(
            args.save, save_classifier(protocol, args.save, draw)
        )
        texts.append(saved.text)
        found['saved'] = saved.data
    return Outcome('\n'.join(texts), found)
