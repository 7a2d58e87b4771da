"""Running a verb: streams, errors and the exit code."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from warnings import catch_warnings, filterwarnings

from mmcvgssl.cli.command import COMMANDS
from mmcvgssl.cli.outcome import Outcome, to_json
from mmcvgssl.cli.parser import UsageError, parser_of
from mmcvgssl.processes import is_first_process
from mmcvgssl.progress import LOG, QUIET, VERBOSE
from mmcvgssl.user_errors import DEBUG, UserErrorExit, user_errors

ERROR, USAGE, INTERRUPTED = 1, 2, 130
CLOSED = 141  # what a shell says of a program that a closed pipe has ended
_HOSTS = r'(mmengine|mmcv|mmdet|mmpretrain|mmyolo)\.'
AGAIN = 'the same command goes on from here'


def run_verb(verb: str, words: Sequence[str], prog: str | None = None) -> int:
    """Run a verb: print its result on stdout, all else on stderr.

    Args:
        verb: One of :data:`COMMANDS`.
        words: Words of the command line behind the verb.
        prog: What the user has typed before them.

    Returns:
        The exit code.
    """
    # what argparse takes for it, too
    as_json = any(len(w) > 2 and '--json'.startswith(w) for w in words)
    try:
        with _only_results_on_stdout(as_json):
            outcome = _run(verb, words, prog)
    except UsageError as error:
        error.parser.print_usage(sys.stderr)
        print(f'{error.parser.prog}: error: {error}', file=sys.stderr)
        return _failed(str(error), USAGE, as_json)
    except UserErrorExit as stop:
        return _failed(stop.message, ERROR, as_json)
    except KeyboardInterrupt:
        advice = getattr(COMMANDS[verb].load(), 'INTERRUPTED', AGAIN)
        text = f'interrupted: {advice}'
        if is_first_process():
            print(f'\n{text}', file=sys.stderr)
        return _failed(text, INTERRUPTED, as_json)
    except SystemExit as stop:  # help, or the end that SIGTERM asks for
        return stop.code if isinstance(stop.code, int) else ERROR
    except Exception as error:  # a fault of the code, which stays one
        _failed(f'{type(error).__name__}: {error}', ERROR, as_json)
        raise
    if not is_first_process():
        return outcome.code
    for line in outcome.warnings:
        print(line, file=sys.stderr)
    return printed(lambda: print(outcome.shown(as_json))) or outcome.code


def printed(show: Callable[[], None]) -> int:
    """Print; return the exit code, also where nobody reads on."""
    try:
        show()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter flushes at its end, too
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    return 0


def _run(verb: str, words: Sequence[str], prog: str | None) -> Outcome:
    with user_errors():
        args = parser_of(verb, prog).parse_args(words)
    options = vars(args)
    del options['json']
    verbose, debug = options.pop('verbose'), options.pop('debug')
    # variables, as a verb may start processes
    settings = {LOG: VERBOSE if verbose else QUIET}
    if debug:
        settings[DEBUG] = '1'
    with _environment(settings), catch_warnings(), user_errors():
        for kind in () if verbose else (DeprecationWarning, FutureWarning):
            # what a host is going to rename is no matter of who runs it
            filterwarnings('ignore', category=kind, module=_HOSTS)
        return COMMANDS[verb].load().run(Namespace(**options))


def _failed(text: str, code: int, as_json: bool) -> int:
    if as_json and is_first_process():
        shown = to_json({'error': text, 'exit_code': code})
        return printed(lambda: print(shown)) or code
    return code


@contextmanager
def _only_results_on_stdout(active: bool) -> Iterator[None]:
    """Send to stderr what is printed meanwhile, by other processes, too."""
    if not active:
        yield
        return
    copy = None
    with suppress(OSError):  # one of them may be closed
        copy = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if copy is not None:
            os.dup2(copy, 1)
            os.close(copy)


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
