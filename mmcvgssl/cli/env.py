"""Say what is installed: versions, ops, devices and teachers on disk."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome

EXAMPLE = 'mmcvgssl env'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(args: argparse.Namespace) -> Outcome:
    """Look at this installation."""
    from mmcvgssl import env

    found = env.sections()
    return Outcome(env.to_text(found), found)
