"""From unlabelled images and a few labels to a detector, stage by stage."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmcvgssl.locks import locked
from mmcvgssl.pipeline.calls import Call, call_of, write_config
from mmcvgssl.pipeline.child import run_child
from mmcvgssl.pipeline.inputs import Inputs
from mmcvgssl.pipeline.plan import (
    DEPENDS,
    DONE,
    LEFT_OUT,
    LISTS,
    UP_TO_DATE,
    Planned,
    make_plan,
    placeholder_values,
)
from mmcvgssl.pipeline.report import write_report
from mmcvgssl.pipeline.stage import read_stages
from mmcvgssl.pipeline.stage_functions import FUNCTIONS
from mmcvgssl.user_errors import user_errors
from mmcvgssl.utils import atomic_write


class StageError(RuntimeError):
    """A stage that has failed, or cannot run yet."""


class Pipeline:
    """Stages of a config over some images.

    Args:
        cfg: Config with ``stages``, in order.
        inputs: Images and labels.
        work_dir: Gets a folder for each stage, and the report.
        processes: Number of processes of each stage that can use several.

    Raises:
        ValueError: If the config or a stage's config is malformed, or a
            batch is larger than what is learned from.
        KeyError: If an option is in no config.
        ImportError: If a stage's config needs a package that is missing.
    """

    def __init__(
        self,
        cfg: Config,
        inputs: Inputs,
        work_dir: str | Path,
        processes: int = 1,
    ) -> None:
        self.inputs, self.processes = inputs, processes
        self.work_dir = Path(work_dir).resolve()
        self.stages = read_stages(cfg)
        self.plan = make_plan(self.stages, inputs, self.work_dir, processes)

    def describe(self) -> str:
        """Return the plan as text: state and command of every stage."""
        known = placeholder_values(self.plan, self.inputs, self.work_dir)
        lines = []
        for number, (name, planned) in enumerate(self.plan.items(), 1):
            why = f' ({planned.reason})' if planned.reason else ''
            why = '' if planned.state == UP_TO_DATE else why
            lines.append(
                f'[{number}/{len(self.plan)}] {name}: {planned.state}{why}'
            )
            if planned.state not in (UP_TO_DATE, LEFT_OUT):
                call = call_of(planned, known, self.processes)
                lines.append(f'    {shlex.join(call.typed())}')
        return '\n'.join(lines)

    def choose(
        self, only: str | None = None, first: str | None = None
    ) -> list[str]:
        """Return the stages to run.

        Args:
            only: This one alone.
            first: This one and those after it.

        Raises:
            ValueError: If there is no such stage.
            StageError: If one before it is not up to date.
        """
        names = list(self.plan)
        for name in (only, first):
            if name is not None and name not in names:
                raise ValueError(
                    f'no stage {name!r}; there are {", ".join(names)}'
                )
        start = only or first
        chosen = names[names.index(start) :] if start else names
        if only:
            chosen = [only]
        for name in chosen:
            for asked in self.plan[name].stage.placeholders:
                need = self.plan.get(asked)
                if (
                    need is not None
                    and asked not in chosen
                    and need.state not in (UP_TO_DATE, LEFT_OUT)
                ):
                    raise StageError(
                        f'stage {name} needs {asked}, which is not up to '
                        f'date; leave out --only and --from, or run '
                        f'--from {asked}'
                    )
        return chosen

    def run(self, only: str | None = None, first: str | None = None) -> Path:
        """Run what is not up to date; write the report and return it.

        Raises:
            ValueError: If there is no such stage.
            StageError: If a stage fails.
            FolderInUseError: If another run has the folder of results.
        """
        chosen = self.choose(only, first)
        # of another run's inputs, the lists would be others
        with locked(self.work_dir, '.lock', True) as handles:
            self.inputs.write(self.work_dir / LISTS)
            self._run_stages(chosen, handles)
            return write_report(self.plan, self.inputs, self.work_dir)

    def _run_stages(
        self, chosen: Sequence[str], handles: tuple[int, ...]
    ) -> None:
        for number, (name, planned) in enumerate(self.plan.items(), 1):
            if name not in chosen or planned.state in (UP_TO_DATE, LEFT_OUT):
                continue
            print(
                f'[{number}/{len(self.plan)}] {name}',
                file=sys.stderr,
                flush=True,
            )
            self._run(planned, handles)

    def _run(self, planned: Planned, whole: tuple[int, ...]) -> None:
        known = placeholder_values(self.plan, self.inputs, self.work_dir)
        planned.folder.mkdir(parents=True, exist_ok=True)
        name = planned.stage.name
        # of another name than the lock of the stage's own process
        with locked(planned.folder, '.lock', True) as handles:
            planned.depends.write(planned.folder / DEPENDS)
            write_config(
                planned, self.plan, self.inputs, known, self.processes
            )
            call = call_of(planned, known, self.processes)
            call.write()
            words = call.typed()
            print(shlex.join(words), file=sys.stderr, flush=True)
            start = time.monotonic()
            code = _do(call, whole + handles)
            if code:
                raise StageError(
                    f'stage {name} ended with code {code}; what it says '
                    'stands above. The same command goes on from here'
                )
            note = {
                'command': words,
                **call.as_dict(),
                'seconds': round(time.monotonic() - start, 1),
            }
            atomic_write(
                planned.folder / DONE, json.dumps(note, indent=1).encode()
            )


def _do(call: Call, handles: tuple[int, ...]) -> int:
    """Run the call of a stage; return its exit code.

    Boxes are cut, and folds drawn, here. What builds a network has a process
    of its own, or several: accelerators' memory is free afterwards, and the
    hosts' registries, loggers and seeds are as new.

    Args:
        call: Call of the stage, written to its folder.
        handles: Handles of locks, which the process holds, too.
    """
    if call.function not in ('maps_to_boxes', 'folds'):
        return run_child(call.process(), handles)
    try:
        with user_errors():
            FUNCTIONS[call.function](**call.arguments)
    except SystemExit as stop:
        if stop.code != 1:  # SIGTERM: the pipeline itself is to end
            raise
        return 1
    return 0
