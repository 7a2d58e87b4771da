"""Checks of the checkpoint that a run loads or resumes."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.runner import Runner

from mmcvgssl.engine import (
    CheckWeightsHook,
    FitCheckpointHook,
    write_atomically,
)
from mmcvgssl.weights import WeightsError, read_checkpoint
from mmcvgssl.weights.checkpoints import (
    check_resumable,
    newest_whole_checkpoint,
)
from mmcvgssl.weights.pretrained import pretrained_must_fit


def check_load_from(cfg: Config) -> list[str]:
    """Settle what a run goes on from or loads, and read it once.

    Asked to resume and no more, a run goes on from the newest whole
    checkpoint of its ``work_dir``, or starts where there is none.

    Args:
        cfg: Config with ``work_dir``; ``resume`` and ``load_from`` are set
            to what is found.

    Returns:
        What the log is to say: newer checkpoints that cannot be read.

    Raises:
        FileNotFoundError: If the named checkpoint is missing.
        WeightsError: If it, or each one of the folder, cannot be read.
    """
    path: str | None = cfg.get('load_from')
    notes: list[str] = []
    if cfg.get('resume') and not path:
        found = newest_whole_checkpoint(cfg.work_dir, notes.append)
        cfg.resume, path = found is not None, str(found) if found else None
        cfg.load_from = path
    if not path or '://' in str(path):  # mmengine fetches those
        return notes
    if path.endswith('.safetensors'):
        raise WeightsError(
            f'load_from={path}: expected a checkpoint of torch (.pth), got '
            'safetensors; load a backbone by backbone_checkpoint, or save it '
            'as .pth'
        )
    if cfg.get('resume'):
        check_resumable(path)
    else:
        read_checkpoint(path)
    return notes


def guard_weights(runner: Runner, notes: Sequence[str] = ()) -> None:
    """Have a runner check what it loads, and write checkpoints atomically.

    Args:
        runner: Just built.
        notes: Notes of :func:`check_load_from`, for its log.
    """
    for note in notes:
        runner.logger.warning(note)
    write_atomically(runner)
    # in its training, before the first step
    start = runner._init_model_weights

    def start_checked() -> None:
        with pretrained_must_fit(runner.model):
            start()

    runner._init_model_weights = start_checked  # type: ignore[method-assign]
    runner.register_hook(CheckWeightsHook())
    if not any(isinstance(hook, FitCheckpointHook) for hook in runner.hooks):
        runner.register_hook(FitCheckpointHook())
