"""The passes of a fit: shared by all processes, and resumable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmcvgssl.interrupts import Interrupts
from mmcvgssl.models.anomaly.fit_pass import FitPass, pick
from mmcvgssl.models.anomaly.fitted_state import part_of
from mmcvgssl.models.anomaly.partial_fit import PartialFit
from mmcvgssl.processes import Team, as_sent, moved, on_first_process
from mmcvgssl.progress import progress_bar

if TYPE_CHECKING:
    from mmcvgssl.models.anomaly.fitting_images import Facts, FittingImages


class Passes:
    """Runs the passes of one fit, one after the other.

    In each round every process reads a batch and computes what is to be made
    of it; the first process takes the results in the order of the images. A
    context, which ends what the processes share.

    Args:
        partial: Where to put aside what was gathered, and where to go on
            from; None: nowhere.
        bar: Show a bar for each pass.
    """

    def __init__(
        self, partial: PartialFit | None = None, bar: bool = False
    ) -> None:
        self.partial, self.bar = partial, bar
        self._team = Team()
        self._count = 0
        # images seen by each division of the last pass
        self.counts: list[int] = []

    def __enter__(self) -> Passes:
        return self

    def __exit__(self, *error: object) -> None:
        self._team.close()

    def run(self, images: FittingImages, work: FitPass) -> None:
        """Do a pass; what an earlier run has done of it is not done again.

        Raises:
            ValueError: If there is no image.
            Exception: Any error of reading or computing, of any process.
        """
        number, self._count = self._count, self._count + 1
        running = _Running(self, images, work, number)
        self.counts = running.counts
        if running.resume():
            return
        with Interrupts(self.partial is not None) as interrupts:
            running.go(interrupts)
        images.require(running.used, running.seen)


class _Running:
    """A pass while it runs."""

    def __init__(
        self,
        passes: Passes,
        images: FittingImages,
        work: FitPass,
        number: int,
    ) -> None:
        self.images, self.work, self.number = images, work, number
        self.team, self.partial = passes._team, passes.partial
        self.shows = passes.bar and self.team.rank == 0
        self.seen = self.used = 0
        self.counts = [0] * len(images.divisions)
        # where the pass was after the last round that was taken whole
        self.mark = self._position()
        self.whole, self.changed = True, False
        self.error: Exception | None = None
        # images that any process, or an earlier run, could not read
        self.unreadable: set[tuple[int, int]] = set()

    def resume(self) -> bool:
        """Go to where an earlier run was; return whether it was done."""
        partial = self.partial
        if partial is None:
            return False
        loaded: dict[str, Tensor] = {}

        def read() -> dict[str, Tensor]:
            loaded.update(partial.read(self.number, self.work.title) or {})
            return part_of(loaded, 'at')

        at = on_first_process(read)
        if not at:
            return False
        self.seen, self.used, *counts = at['counts'].tolist()
        self.counts[:] = counts
        done = bool(at['done'])
        self.unreadable = {(a, b) for a, b in at['unreadable'].tolist()}
        self.images.mark_unreadable(self.unreadable - self.images.unreadable())
        self.work.chooser.load_state_dict(part_of(at, 'chooser'))
        for name, part in self.work.parts.items() if loaded else ():
            loaded_state = moved(part_of(loaded, name), self.images.device)
            part.load_state_dict(loaded_state)
        self.mark = self._position()
        if self.team.rank == 0 and not done:
            print_log(
                f'{self.work.title}: goes on after {self.seen} images of an '
                'earlier run',
                logger='current',
            )
        return done

    def go(self, interrupts: Interrupts) -> None:
        """Take all images."""
        bar = progress_bar(
            desc=self.work.title,
            total=None if self.work.chooser.stops else self.images.total,
            initial=self.seen,
            unit='image',
            disable=not self.shows,
        )
        team = self.team
        reading = self.images.read(self.seen, team.rank, team.size)
        try:
            with closing(bar), closing(reading) as batches:
                while self._round(batches, interrupts):
                    bar.update(self.seen - bar.n)
                    if self.partial is not None and self.partial.due:
                        with interrupts.deferred():
                            self._save()
        except BaseException:
            # another signal must not interrupt the handling of the first one
            with interrupts.deferred():
                self._save()
                self._say_where()
            raise
        with interrupts.deferred():
            self._save(done=self.used > 0)

    def _round(self, batches: Any, interrupts: Interrupts) -> bool:
        """Take a batch of each process; return whether there were any."""
        work, batch = self.work, None
        if self.error is None and not work.chooser.full:
            try:
                batch = next(batches, None)
            except Exception as error:  # raised in all by the exchange
                self.error = error
        facts = None if batch is None else self.images.facts(batch[1])
        known = self._exchange(facts)
        mine, taken = self._plan([f for f in known if f is not None])
        result = None
        if batch is not None and mine is not None:
            (inputs, samples), (indices, note) = batch, mine
            try:
                result = work.compute(*pick(inputs, samples, indices), note)
            except Exception as error:  # raised in all by the next exchange
                self.error = error
        made = self.team.collect((self.error is None, result))
        if made and all(well for well, _ in made):
            with interrupts.deferred():
                self._take([made[rank][1] for rank in taken])
        return known[0] is not None

    def _exchange(self, facts: Facts | None) -> list[Facts | None]:
        """Give all what each has read; raise what one of them has met."""
        error, several = self.error, self.team.size > 1
        sent = as_sent(error) if error is not None and several else error
        found = self.images.unreadable()
        received = self.team.exchange((sent, facts, found - self.unreadable))
        for met in (error, *(other for other, _, _ in received)):
            if met is not None:
                raise met
        # the limit counts unreadable images of all processes
        self.unreadable |= {mark for _, _, marks in received for mark in marks}
        self.images.mark_unreadable(self.unreadable - found)
        return [each for _, each, _ in received]

    def _plan(
        self, known: list[Facts]
    ) -> tuple[tuple[list[int], Any] | None, list[int]]:
        """Choose images of all batches of a round, alike in all processes.

        Returns:
            Indices of this process's batch, with the chooser's note, and
            ranks whose batches have any.
        """
        mine, taken = None, []
        for rank, facts in enumerate(known):
            if self.work.chooser.full:
                break
            usable = self.images.chosen(facts, self.counts)
            self.seen += facts.size
            self.used += len(usable)
            if not usable:
                continue
            chosen, note = self.work.chooser.choose([c for _, c in usable])
            if chosen:
                taken.append(rank)
                if rank == self.team.rank:
                    mine = [usable[i][0] for i in chosen], note
        return mine, taken

    def _take(self, results: list) -> None:
        """Take the results of a round, in the first process."""
        self.whole = False
        try:
            for result in results:
                if self.team.size > 1:
                    result = moved(result, self.images.device)
                self.work.take(result)
        except Exception as error:  # raised in all by the next exchange
            self.error = error
            return
        self.mark = self._position()
        self.whole = self.changed = True

    def _position(self) -> dict[str, Tensor]:
        counts = torch.tensor([self.seen, self.used, *self.counts])
        chooser = self.work.chooser.state_dict()
        return {'at.counts': counts, **_under('at.chooser', chooser)}

    def _save(self, done: bool = False) -> None:
        """Put aside what was gathered up to the last whole round."""
        if self.partial is None or self.team.rank or not self.whole:
            return
        if not done and not self.changed:
            return
        marks = torch.tensor(sorted(self.unreadable)).view(-1, 2).long()
        tensors = {**self.mark, 'at.unreadable': marks}
        tensors['at.done'] = torch.tensor(done)
        for name, part in self.work.parts.items():
            tensors |= _under(name, part.state_dict())
        written = self.partial.write(self.number, self.work.title, tensors)
        self.changed = not written

    def _say_where(self) -> None:
        """Log, in the first process, where a next run goes on."""
        partial, seen = self.partial, int(self.mark['at.counts'][0])
        if self.shows and partial is not None and seen and not self.changed:
            print_log(
                f'{self.work.title}: stopped after {seen} images, which are '
                f'put aside in {partial.file(self.number)}; the same command '
                'goes on from there',
                logger='current',
            )


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f'{name}.{key}': value for key, value in tensors.items()}
