"""Write the lists of images that the configs read; no image is copied."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome

EXAMPLE = 'mmcvgssl prepare folder TEST_DIR'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.datasets.preparation import PREPARATIONS

    commands = parser.add_subparsers(dest='data_set', required=True)
    for name, preparation in PREPARATIONS.items():
        command = commands.add_parser(
            name, help=preparation.help, description=preparation.help
        )
        preparation.add_arguments(command)


def run(args: argparse.Namespace) -> Outcome:
    """Prepare one data set and count its images."""
    from mmcvgssl.datasets.preparation import PREPARATIONS

    options = vars(args)
    preparation = PREPARATIONS[options.pop('data_set')]
    prepared = preparation.run(**options)
    return Outcome(prepared.summary(), prepared.as_dict())
