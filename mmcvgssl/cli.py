"""Shared parts of the command-line tools."""

from __future__ import annotations

import argparse
import os

from mmengine.config import Config

from mmcvgssl.apis.model_file_config import (
    config_of,
    open_model,
    require_maps,
)
from mmcvgssl.model_file import LoadedModel, is_model_file
from mmcvgssl.runner.build import default_work_dir
from mmcvgssl.runner.config import load_config
from mmcvgssl.runner.options import OptionAction
from mmcvgssl.runner.user_errors import user_errors
from mmcvgssl.utils import check_folder

__all__ = [
    'add_cfg_options',
    'add_licence',
    'choose_work_dir',
    'load_run',
    'load_run_config',
    'parse_run_args',
    'user_errors',
]


def add_cfg_options(
    parser: argparse.ArgumentParser,
    help: str = 'settings to override; data_root=DIR, for example',
) -> None:
    """Add the option ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help=help,
    )


def add_licence(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--licence``."""
    parser.add_argument(
        '--licence',
        action='append',
        default=[],
        metavar='TEXT',
        help='terms that hold for the images or weights, for those who get '
        'the file; may be given several times',
    )


def parse_run_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line of a tool that a launcher may start.

    Adds ``--cfg-options`` and what mmengine's launchers hand over.
    """
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def load_run(
    args: argparse.Namespace, maps: bool = False
) -> tuple[Config, LoadedModel | None]:
    """Load the config or model file of the command line.

    Args:
        args: Command line.
        maps: Whether a model file has to be of a model that makes maps.

    Returns:
        The config, with where and how it runs, and the model of the file.
    """
    if not is_model_file(args.config):
        return load_run_config(args), None
    loaded = open_model(args.config)
    if maps:
        require_maps(loaded)
    cfg = config_of(loaded, args.cfg_options)
    return _as_run(args, cfg), loaded


def load_run_config(args: argparse.Namespace) -> Config:
    """Load the config of the command line, with work_dir and launcher."""
    return _as_run(args, load_config(args.config, args.cfg_options))


def _as_run(args: argparse.Namespace, cfg: Config) -> Config:
    if args.launcher != 'none' or 'launcher' not in (args.cfg_options or {}):
        cfg.launcher = args.launcher
    cfg.work_dir = choose_work_dir(args, cfg)
    return cfg


def choose_work_dir(args: argparse.Namespace, cfg: Config) -> str:
    """Return the folder of results: named, the config's, or by its name.

    Raises:
        OSError: If it is a file, or may not be written to.
        ValueError: If it was given, and is empty.
    """
    if args.work_dir is not None:
        return check_folder(args.work_dir, '--work-dir')
    named = cfg.get('work_dir') or default_work_dir(args.config)
    return check_folder(named, '--work-dir')
