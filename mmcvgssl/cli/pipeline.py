"""Run all stages from unlabelled images to a detector and its report."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from mmcvgssl.cli.arguments import (
    add_cfg_options,
    choose_work_dir,
    load_named_config,
)
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding

if TYPE_CHECKING:
    from mmcvgssl.pipeline import Pipeline

EXAMPLE = """\
mmcvgssl pipeline agssp_yolov8_s --images DIR --labels COCO.json --dry-run
"""
NOTES = """\
Run it again to go on: finished stages are skipped, interrupted ones continue,
those that a change touched run anew.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('config', help='one of configs/pipelines')
    parser.add_argument(
        '--images',
        required=True,
        help='folder of images without labels, or a list with a path a line',
    )
    parser.add_argument('--labels', help='COCO file of a few labels')
    parser.add_argument(
        '--test-labels',
        help='COCO file to test on (default: a share of the labels)',
    )
    parser.add_argument(
        '--test-fraction',
        type=float,
        default=0.5,
        help='that share (%(default)s)',
    )
    parser.add_argument(
        '--root',
        help="folder that listed paths and the labels' file_name are "
        "relative to (default: the folder of images, or the list's)",
    )
    add_encoding(parser)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--work-dir', help='folder of all that is made')
    parser.add_argument(
        '--dry-run', action='store_true', help='print the plan alone'
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('--only', metavar='STAGE', help='run this stage')
    choice.add_argument(
        '--from', dest='first', metavar='STAGE', help='start with this stage'
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=1,
        help='of each stage on this machine, one a GPU (%(default)s)',
    )
    add_cfg_options(
        parser,
        'settings of the pipeline, as '
        'stages.finetune.options.train_dataloader.batch_size=4',
    )


def run(args: argparse.Namespace) -> Outcome:
    """Run the pipeline."""
    from mmcvgssl.pipeline import Pipeline, read_inputs

    cfg = load_named_config(args.config, args.cfg_options)
    work_dir = choose_work_dir(args, cfg)
    inputs = read_inputs(
        args.images,
        args.labels,
        args.test_labels,
        args.root,
        args.test_fraction,
        args.seed,
        skip=work_dir,
        encoding=args.encoding,
    )
    pipeline = Pipeline(cfg, inputs, work_dir, args.processes)
    plan = pipeline.describe()
    if args.dry_run:
        pipeline.choose(args.only, args.first)
        return Outcome(plan, _data(pipeline))
    print(plan, file=sys.stderr, flush=True)
    report = pipeline.run(args.only, args.first)
    text = f'{report.read_text("utf-8")}\n{report} written'
    return Outcome(text, {**_data(pipeline), 'report': report})


def _data(pipeline: Pipeline) -> dict[str, Any]:
    """Return what the stages are, and have made, by now."""
    stages = [
        {'stage': name, 'state': planned.state, 'output': planned.output}
        for name, planned in pipeline.plan.items()
    ]
    return {'work_dir': pipeline.work_dir, 'stages': stages}
