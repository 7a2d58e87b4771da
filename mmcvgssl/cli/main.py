"""Entry points: the command ``mmcvgssl``, and the scripts in ``tools``."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence

from mmcvgssl.cli.command import COMMANDS
from mmcvgssl.cli.run import USAGE, printed, run_verb
from mmcvgssl.version import __version__

SHELLS = ('bash', 'zsh', 'tcsh')
_END = """\
mmcvgssl VERB --help shows what a verb takes, with an example. All take --json,
--verbose and --debug. Ends with 0 if all is well, 1 after an error, which is
said in a sentence, 2 if the command line cannot be read, 3 if check has found
errors, 130 if interrupted.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command ``mmcvgssl``.

    Args:
        words: Words of the command line; by default those of the process.

    Returns:
        The exit code.
    """
    words = [*(sys.argv[1:] if words is None else words)]
    if words and words[0] in COMMANDS:
        return run_verb(words[0], words[1:])
    if not words:
        return printed(lambda: print(_help(), end='')) or USAGE
    parser = argparse.ArgumentParser(
        prog='mmcvgssl', usage='mmcvgssl VERB [...]', add_help=False
    )
    parser.add_argument('-h', '--help', action='store_true')
    parser.add_argument('--version', action='store_true')
    parser.add_argument('--print-completion', choices=SHELLS)
    if not words[0].startswith('-'):
        return _unknown(words[0])
    args = parser.parse_args(words)
    if args.version:
        text = f'mmcvgssl {__version__}\n'
    elif args.print_completion:
        from mmcvgssl.cli.completion import completion

        text = completion(args.print_completion)
    else:
        text = _help()
    return printed(lambda: print(text, end=''))


def run_tool(verb: str) -> None:
    """Run a verb as the script that this process was started with.

    Raises:
        SystemExit: With the exit code.
    """
    raise SystemExit(run_verb(verb, sys.argv[1:], sys.argv[0]))


def _unknown(verb: str) -> int:
    alike = difflib.get_close_matches(verb, COMMANDS, 1, 0.5)
    hint = f'did you mean {alike[0]}?' if alike else 'there are '
    if not alike:
        hint += ', '.join(COMMANDS)
    print(f'mmcvgssl: error: no verb {verb!r}; {hint}', file=sys.stderr)
    return USAGE


def _help() -> str:
    """Return the verbs in their groups."""
    lines = [
        'usage: mmcvgssl VERB ...',
        '       mmcvgssl --version',
        '       mmcvgssl --print-completion {bash,zsh,tcsh}',
    ]
    group = None
    for verb, command in COMMANDS.items():
        if command.group != group:
            group = command.group
            lines += ['', f'{group}:']
        lines.append(f'  {verb:<16} {command.help}')
    return '\n'.join([*lines, '', _END])
