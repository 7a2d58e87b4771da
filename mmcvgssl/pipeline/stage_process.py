"""Run the call of a stage in a process of its own.

``python -m mmcvgssl.pipeline.stage_process FOLDER/call.json``, where the
file is what the pipeline wrote to the stage's folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.pipeline.stage_functions import FUNCTIONS
from mmcvgssl.terminal_log import quieten_log
from mmcvgssl.user_errors import user_errors


def main(words: Sequence[str] | None = None) -> None:
    """Read the call and do it.

    Args:
        words: Words of the command line.

    Raises:
        SystemExit: With code 1 after an error of the user's.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('call', help='call.json of a stage')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch'], default='none'
    )
    args = parser.parse_args(words)
    with user_errors():
        quieten_log()
        name, arguments = read_call(args.call)
        if args.launcher != 'none':
            arguments['launcher'] = args.launcher
        FUNCTIONS[name](**arguments)


def read_call(path: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the name of a function, and what it is called with.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    try:
        call = json.loads(Path(path).read_text('utf-8'))
    except ValueError:  # no text, or no JSON
        call = None
    call = call if isinstance(call, dict) else {}
    name, arguments = call.get('function'), call.get('arguments')
    if name not in [*FUNCTIONS] or not isinstance(arguments, dict):
        raise ValueError(
            f'{path}: expected call.json as a pipeline writes it, with '
            f'`function`, one of {", ".join(FUNCTIONS)}, and `arguments`; '
            'run mmcvgssl pipeline again'
        )
    return str(name), arguments


if __name__ == '__main__':
    main()
