"""Shared parts of the command-line tools."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import cv2
from mmengine.config import Config

from mmcvgssl.apis.config import load_config
from mmcvgssl.apis.model_file_runs import (
    config_of,
    open_model,
    require_maps,
)
from mmcvgssl.apis.options import OptionAction
from mmcvgssl.apis.train import default_work_dir
from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.datasets.transforms import UnreadableImageError
from mmcvgssl.engine import InvalidLossError
from mmcvgssl.interrupts import Interrupts
from mmcvgssl.model_file import LoadedModel, is_model_file
from mmcvgssl.utils import check_folder

# start of PyTorch's message for an error in a worker of a loader
_CAUGHT = re.compile(r'Caught (\w+) in DataLoader worker process')
_USER_ERRORS = (
    AssertionError,  # the hosts raise it for settings that they refuse
    ImportError,
    InvalidLossError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    TooManyUnreadableError,
    TypeError,
    UnreadableImageError,
    ValueError,
    cv2.error,
)


@contextmanager
def user_errors() -> Iterator[None]:
    """End the program with the message of an error of the user's.

    The traceback stays above it, for those who write code; the last lines
    say what was expected, what came and the fix. SIGTERM ends the program as
    Ctrl-C does, so that nothing half written is left.
    """
    # a console of another encoding can print all names
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        with Interrupts():
            yield
    except _USER_ERRORS as error:
        import traceback

        traceback.print_exc()
        # a KeyError's text is quoted, and the first argument of others is
        # a number or a codec
        plain = error.args and not isinstance(error, (OSError, UnicodeError))
        text = _of_worker(str(error.args[0] if plain else error).strip())
        if not text or (isinstance(error, KeyError) and text.isidentifier()):
            text = f'{type(error).__name__} {text}: see the last lines above'
        print(f'\nERROR: {text}', file=sys.stderr)
        raise SystemExit(1) from None


def _of_worker(text: str) -> str:
    """Return the message of an error of a worker, without its traceback."""
    caught = _CAUGHT.match(text)
    if caught is None:
        return text
    raised = re.compile(rf'^(?:\w+\.)*{caught[1]}: ', re.MULTILINE)
    ends = [found.end() for found in raised.finditer(text)]
    return text[ends[-1] :] if ends else text


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
