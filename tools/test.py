"""Evaluate a checkpoint by the test loop of a config."""

import argparse
import json
from pathlib import Path

from mmengine.dist import is_main_process

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import build_runner
from mmcvgssl.apis.cli import load_run, parse_run_args, user_errors
from mmcvgssl.apis.model_file_runs import (
    open_model,
    read_as_the_model,
    test_on_folder,
)
from mmcvgssl.model_file import is_model_file
from mmcvgssl.utils import atomic_write


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config',
        help='config file, or a model file, as tools/fit.py writes it',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        default='none',
        help='checkpoint or model file, which is tested on the images of the '
        "config; 'none' for what is fitted, not trained",
    )
    parser.add_argument(
        '--images',
        help='for a model file: folder of images to test on, good ones and '
        'those of each defect in folders of their own, or MVTec-style',
    )
    parser.add_argument('--work-dir', help='folder of logs')
    parser.add_argument('--out', help='file for the metrics, as JSON')
    return parse_run_args(parser)


def main() -> None:
    """Test."""
    args = parse_args()
    with user_errors():
        cfg, loaded = load_run(args)
        given = args.checkpoint
        if loaded is not None:
            if given != 'none':
                raise ValueError(
                    f'{args.config} is a model file, which needs no {given}'
                )
            test_on_folder(cfg, args.images)
        elif args.images:
            raise ValueError(
                '--images is for a model file; a config names its images: '
                '--cfg-options data_root=DIR'
            )
        elif is_model_file(given):
            loaded, given = open_model(given), 'none'
        if given != 'none' and not Path(given).is_file():
            raise FileNotFoundError(f'no checkpoint {given}')
        if cfg.get('test_dataloader') is None:
            raise ValueError(
                f'{args.config} describes no test; a pretraining config is '
                'evaluated by tools/few_shot.py'
            )
        if given != 'none':
            cfg.load_from = given
        elif loaded or 'load_from' not in (args.cfg_options or {}):
            cfg.load_from = None
        if loaded is not None:
            read_as_the_model(cfg, loaded)
        runner = build_runner(
            cfg, testing=True, model=None if loaded is None else loaded.model
        )
        metrics = runner.test()
        if args.out and is_main_process():
            plain = {key: float(value) for key, value in metrics.items()}
            atomic_write(args.out, json.dumps(plain, indent=1).encode())


if __name__ == '__main__':
    main()
