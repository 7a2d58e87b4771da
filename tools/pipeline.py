"""Run all stages from unlabelled images to a detector and its report."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import load_config
from mmcvgssl.cli import (
    add_cfg_options,
    choose_work_dir,
    user_errors,
)
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.locks import FolderInUseError
from mmcvgssl.pipeline import Pipeline, StageError, read_inputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Run it again to go on: finished stages are skipped, '
        'interrupted ones continue, those that a change touched run anew.',
    )
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
    return parser.parse_args()


def main() -> None:
    """Run the pipeline."""
    args = parse_args()
    with user_errors():
        cfg = load_config(args.config, args.cfg_options)
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
        print(pipeline.describe(), flush=True)
        try:
            if args.dry_run:
                pipeline.choose(args.only, args.first)
                return
            report = pipeline.run(args.only, args.first)
        except (FolderInUseError, StageError) as error:
            raise SystemExit(f'ERROR: {error}') from None
        except KeyboardInterrupt:
            raise SystemExit('stopped; the same command goes on') from None
        print(report.read_text('utf-8'))
        print(f'{report} written')


if __name__ == '__main__':
    main()
