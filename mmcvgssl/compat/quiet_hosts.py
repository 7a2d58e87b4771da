"""Imports of the hosts print notes of level DEBUG, and draw a number."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from .import_hook import around_import


@contextmanager
def _without_debug(module: ModuleType) -> Iterator[None]:
    """Keep ``print_log`` from printing them in the block."""
    names = vars(import_module('mmengine.logging'))
    print_log = names['print_log']

    def print_notes(msg, logger=None, level=logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    names['print_log'] = print_notes
    try:
        yield
    finally:
        names['print_log'] = print_log


def quieten_hosts() -> None:
    """Import mmpretrain's and mmdet's data sets without such notes."""
    for name in ('mmpretrain.datasets', 'mmdet.datasets'):
        around_import(name, _without_debug)


@contextmanager
def _same_state(module: ModuleType) -> Iterator[None]:
    """Leave Python's generator as it was."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def draw_no_numbers() -> None:
    """Import rich, as mmengine does, without a number drawn at random."""
    around_import('rich.style', _same_state)
