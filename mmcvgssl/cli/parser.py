"""The parser of a verb: its options, those of all verbs, and hints."""

from __future__ import annotations

import argparse
import difflib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import NoReturn

from mmcvgssl.cli.command import COMMANDS


class Parser(argparse.ArgumentParser):
    """Names the option that a mistyped one is like."""

    words: Sequence[str] = ()

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """Parse, and remember the words for the message of an error."""
        self.words = [*(sys.argv[1:] if args is None else args)]
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with code 2, with how an option may be spelt."""
        raise UsageError(f'{message}{"".join(self._hints())}', self)

    def _hints(self) -> Iterator[str]:
        known = [
            name
            for parser in (self, *_leaves(self))
            for name in parser._option_string_actions
            if name[2:]
        ]
        for word in self.words:
            name = word.partition('=')[0]
            if not name.startswith('--') or len(name) == 2:
                continue
            if any(option.startswith(name) for option in known):
                continue
            alike = difflib.get_close_matches(name, known, 1, 0.6)
            if alike:
                yield f'; for {name}, did you mean {alike[0]}?'


class UsageError(Exception):
    """A command line that cannot be read.

    Args:
        message: What is wrong.
        parser: The parser that says so.
    """

    def __init__(self, message: str, parser: argparse.ArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


def parser_of(verb: str, prog: str | None = None) -> Parser:
    """Return the parser of a verb.

    Args:
        verb: One of :data:`COMMANDS`.
        prog: What the user has typed; by default the verb.
    """
    module = COMMANDS[verb].load()
    title, _, more = (module.__doc__ or '').partition('\n')
    notes = getattr(module, 'NOTES', '')
    example = textwrap.indent(module.EXAMPLE.rstrip(), '  ')
    parser = Parser(
        prog=prog or f'mmcvgssl {verb}',
        description=f'{title}\n{more}'.strip(),
        epilog=f'example:\n{example}\n\n{notes}'.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    for each in _leaves(parser):
        _add_common(each)
    return parser


def _leaves(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse.ArgumentParser]:
    """Return a parser, or those of its subcommands, which get options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from {id(p): p for p in action.choices.values()}.values()
            return
    yield parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('options of all verbs')
    group.add_argument(
        '--json',
        action='store_true',
        help='print the result, or the error, as one JSON object',
    )
    group.add_argument(
        '--verbose',
        action='store_true',
        help='show the whole log, which is written to its file anyway',
    )
    group.add_argument(
        '--debug',
        action='store_true',
        help='show where in the code an error has come from',
    )
