"""The training whose checkpoints are in a work directory."""

from __future__ import annotations

from pathlib import Path

from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import (
    RECORD,
    TRAINING,
    Provenance,
    ProvenanceError,
    named,
    of_training,
    settle,
)

_CHECKPOINTS = ('*.pth', 'last_checkpoint')
# a training may go on for longer, and be validated at other times
_LENGTH = ('train_cfg.max_', 'train_cfg.val_', 'train_cfg.dynamic_')


def claim_work_dir(
    runner: Runner, load_from: str | None = None, resume: str | None = None
) -> None:
    """Make sure that a work directory holds one training.

    A training that goes on by itself must be the one that lies there. One
    that starts moves another's checkpoints to the folder ``earlier``. One
    that is named goes on, and how it differs is said.

    Args:
        runner: Runner whose training has not begun.
        load_from: Checkpoint that the training starts with.
        resume: ``'auto'``, the checkpoint to go on from, or None.

    Raises:
        ProvenanceError: If what is to go on is another training, or does not
            say what it depends on.

    Example:
        >>> from mmcvgssl.apis import build_runner, load_config
        >>> runner = build_runner(load_config('train.py'))
        >>> claim_work_dir(runner)
        >>> Path(runner.work_dir, 'provenance.json').is_file()
        True
    """
    folder = Path(runner.work_dir)
    known = on_first_process(lambda: Provenance.read(folder / RECORD))
    parts = {key: runner.cfg.get(key) for key in TRAINING}
    ours = of_training(
        {**parts, 'load_from': load_from},
        runner.train_dataloader.dataset,
        get_world_size(),
        known,
    )
    if resume is None:
        if settle(ours, folder, _CHECKPOINTS, f'the training in {folder}'):
            _say(
                'it starts anew over its own checkpoints; --resume goes on '
                'from them'
            )
        return
    found = any(True for name in _CHECKPOINTS for _ in folder.glob(name))
    different = (
        ours.without(*_LENGTH).differences(known.without(*_LENGTH))
        if known is not None
        else ['it does not say on what it depends']
    )
    if found and different:
        text = f'the training in {folder} is another: {named(different)}'
        if resume == 'auto':
            raise ProvenanceError(
                f'{text}. Choose another --work-dir, leave out --resume to '
                'start anew and move it to `earlier`, or name the checkpoint '
                'to go on from (--resume FILE)'
            )
        _say(f'{text}; it goes on, as {resume} is named')
    elif found:
        _say(f'reused: the training in {folder}, to go on')
    on_first_process(lambda: ours.write(folder / RECORD))


def _say(text: str) -> None:
    print_log(text, logger='current')
