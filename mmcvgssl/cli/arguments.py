"""Options that several verbs have, and the config that they describe."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.processes import by_torchrun
from mmcvgssl.runner.options import OptionAction

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmcvgssl.model_file import LoadedModel


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


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add the options of the network of ``--features``, and of reading."""
    parser.add_argument(
        '--config', help='of the training, for a checkpoint that holds none'
    )
    parser.add_argument(
        '--size',
        type=int,
        metavar='PIXELS',
        help='side of the images for the features (default: 224; a model '
        'file has its own)',
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes that read images; 0: none beside this one',
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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options`` and what mmengine's launchers hand over."""
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        help='what has started this process beside others (default: '
        'pytorch if torchrun has, else none)',
    )
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


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
    from mmcvgssl.apis.model_file_config import (
        config_of,
        open_model,
        require_maps,
    )
    from mmcvgssl.model_file import is_model_file
    from mmcvgssl.terminal_log import quieten_log

    quieten_log()
    if not is_model_file(args.config):
        return load_run_config(args), None
    loaded = open_model(args.config)
    if maps:
        require_maps(loaded)
    cfg = config_of(loaded, args.cfg_options)
    return _as_run(args, cfg), loaded


def load_run_config(args: argparse.Namespace) -> Config:
    """Load the config of the command line, with work_dir and launcher."""
    return _as_run(args, load_named_config(args.config, args.cfg_options))


def load_named_config(
    name: str, options: dict[str, Any] | None = None
) -> Config:
    """Load a config file, or a recipe of the package by its name.

    Raises:
        FileNotFoundError: If there is neither.
    """
    from mmcvgssl.apis.recipes import recipe_file
    from mmcvgssl.runner.config import load_config
    from mmcvgssl.terminal_log import quieten_log

    quieten_log()
    if os.path.exists(name) or Path(name).suffix:
        return load_config(name, options)
    try:
        file = recipe_file(name)
    except KeyError as error:
        raise FileNotFoundError(
            f'no config file {name}, and {error.args[0]}'
        ) from None
    return load_config(file, options)


def _as_run(args: argparse.Namespace, cfg: Config) -> Config:
    # mmengine reads it where a launcher has not set it
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.launcher is not None:
        cfg.launcher = args.launcher
    elif 'launcher' not in (args.cfg_options or {}):
        cfg.launcher = 'pytorch' if by_torchrun() else 'none'
    cfg.work_dir = choose_work_dir(args, cfg)
    return cfg


def choose_work_dir(args: argparse.Namespace, cfg: Config) -> str:
    """Return the folder of results: named, the config's, or by its name.

    Raises:
        OSError: If it is a file, or may not be written to.
        ValueError: If it was given, and is empty.
    """
    from mmcvgssl.runner.build import default_work_dir
    from mmcvgssl.utils import check_folder

    if args.work_dir is not None:
        return check_folder(args.work_dir, '--work-dir')
    named = cfg.get('work_dir') or default_work_dir(args.config)
    return check_folder(named, '--work-dir')
