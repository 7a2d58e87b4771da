"""The checkpoints of a run, the newest first, and which of them are whole."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from pathlib import Path

from mmengine.logging import print_log

from mmcvgssl.weights.errors import WeightsError
from mmcvgssl.weights.files import read_checkpoint

NOTE = 'last_checkpoint'  # mmengine's file that names the newest checkpoint
# entries that resuming needs besides the weights
RESUMED, COUNTS = ('meta', 'message_hub'), ('epoch', 'iter')
_NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def checkpoints_in(folder: str | Path) -> list[Path]:
    """Return a run's checkpoints, the newest first.

    The newest is the one that mmengine's note names, by its name in this
    folder: the folder where it was written may be of another machine.
    """
    folder = Path(folder)
    numbers = {
        path: int(found[1])
        for path in folder.glob('*.pth')
        if (found := _NUMBERED.fullmatch(path.name)) and path.is_file()
    }
    noted = _noted(folder)
    after = sorted(numbers, key=lambda path: -numbers[path])
    if noted is None:
        return after
    # those of higher numbers belong to an earlier, longer run
    top = numbers.get(noted, max(numbers.values(), default=0))
    older = [p for p in after if p != noted and numbers[p] <= top]
    return [noted, *older, *(p for p in after if numbers[p] > top)]


def newest_whole(folder: str | Path) -> tuple[Path | None, list[str]]:
    """Find the newest checkpoint that can be read.

    Returns:
        Its path, if there is one, and what is wrong with newer ones.
    """
    wrong: list[str] = []
    for path in checkpoints_in(folder):
        fault = what_is_wrong(path)
        if not fault:
            return path, wrong
        wrong.append(fault)
    return None, wrong


def newest_whole_checkpoint(
    folder: str | Path, say: Callable[[str], object] | None = None
) -> Path | None:
    """Return the newest checkpoint that can be read; say if newer ones can't.

    Args:
        folder: Folder of a run.
        say: Takes what is wrong with newer ones; by default the log.

    Returns:
        None if there is no checkpoint at all.

    Raises:
        WeightsError: If there are some, and none can be read.
    """
    found, wrong = newest_whole(folder)
    if wrong and found is None:
        raise WeightsError(
            f'{folder} holds no checkpoint that can be read: '
            f'{"; ".join(wrong[:3])}. Move them away to start anew, or name '
            'another one (--resume FILE)'
        )
    for fault in wrong:
        (say or _warn)(f'{fault}; {found} is used instead')
    return found


def check_resumable(path: str | Path) -> None:
    """Check that a training can go on from a checkpoint.

    Raises:
        FileNotFoundError: If there is none.
        WeightsError: If it is cut off, or holds weights alone; names the
            newest whole one beside it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint {path}')
    fault = what_is_wrong(path)
    if not fault:
        checkpoint = read_checkpoint(path)
        lacking = [
            k for k in RESUMED if not isinstance(checkpoint.get(k), dict)
        ]
        meta = checkpoint['meta'] if 'meta' not in lacking else {}
        lacking += [k for k in COUNTS if not isinstance(meta.get(k), int)]
        if not lacking:
            return
        fault = (
            f'{path} holds no {", no ".join(lacking)}, so no training can '
            'go on from it; to start with its weights use load_from or '
            'backbone_checkpoint'
        )
    found, _ = newest_whole(path.parent)
    other = f'; the newest whole one there is {found}' if found else ''
    raise WeightsError(f'{fault}{other}')


def what_is_wrong(path: Path) -> str:
    """Say why a checkpoint cannot be read; nothing if it can."""
    status = path.stat()
    return _fault(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _fault(path: Path, size: int, time: int) -> str:
    try:
        read_checkpoint(path)
    except WeightsError as error:
        text = str(error).partition('. Download')[0]
        return f'{path} ({size} bytes) is cut off or damaged: {text}'
    return ''


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


def _noted(folder: Path) -> Path | None:
    try:
        with (folder / NOTE).open(encoding='utf-8') as file:
            written = file.read(4096).strip()
    except (OSError, ValueError):
        return None
    if not written or '\0' in written:
        return None
    # a run moved here names the folder it was written to
    for path in (folder / re.split(r'[/\\]', written)[-1], Path(written)):
        if path.suffix == '.pth' and path.is_file():
            return path
    return None
