"""Completion of the command in shells."""

from __future__ import annotations

import argparse

import shtab

from mmcvgssl.cli.command import COMMANDS
from mmcvgssl.cli.parser import parser_of


def completion(shell: str) -> str:
    """Return a script that completes verbs, options, choices and files.

    Args:
        shell: One that shtab knows.
    """
    parser = argparse.ArgumentParser(prog='mmcvgssl')
    parser.add_argument('--version', action='store_true', help='its version')
    parser.add_argument(
        '--print-completion',
        choices=shtab.SUPPORTED_SHELLS,
        help='print such a script',
    )
    verbs = parser.add_subparsers()
    for verb, command in COMMANDS.items():
        own = parser_of(verb)
        _complete_files(own)
        verbs.add_parser(
            verb, help=command.help, parents=[own], add_help=False
        )
    return f'{shtab.complete(parser, shell)}\n'


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Complete names of files wherever a value has no choices."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete_files(each)
        elif action.nargs != 0 and action.choices is None:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
