"""Files of a fit that is not done yet."""

from __future__ import annotations

import glob
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log
from safetensors.torch import save as to_safetensors
from torch import Tensor

from mmcvgssl.models.anomaly.fitted_state import (
    FittedStateError,
    provenance_of,
    read_provenance,
    read_state,
)
from mmcvgssl.provenance import Provenance, settle
from mmcvgssl.utils import atomic_write

# largest share of the time that is spent on writing
_SHARE = 0.05


class PartialFit:
    """What the passes of a fit have gathered, a file for each.

    ``fitted.partial.0.safetensors`` beside ``fitted.safetensors`` is that of
    the first pass, and so on. A file of a pass that is done stays as it is;
    that of the pass which runs is written anew from time to time.

    Args:
        path: The file of the whole state.
        provenance: Provenance of the fit.
        save_every: Seconds between two files; 0: write none. Where writing
            takes long, they are farther apart.
    """

    def __init__(
        self, path: Path, provenance: Provenance, save_every: float
    ) -> None:
        self.path, self.provenance = path, provenance
        self.save_every = save_every
        self._next = time.monotonic() + save_every

    def settle(self) -> bool:
        """Reuse the files of this provenance; move those of another away.

        Returns:
            Whether there is something to go on from.
        """
        return settle(
            self.provenance,
            self.path.parent,
            [self._pattern()],
            f'the fit begun for {self.path}',
            self.file(0).name,
            read_provenance,
        )

    def file(self, number: int | str) -> Path:
        """Return the file of a pass."""
        path = self.path
        return path.with_name(f'{path.stem}.partial.{number}{path.suffix}')

    @property
    def due(self) -> bool:
        """Whether it is time for a file."""
        return self.save_every > 0 and self._next <= time.monotonic()

    def write(
        self, number: int, title: str, tensors: Mapping[str, Tensor]
    ) -> bool:
        """Write what a pass has gathered; return whether it is written.

        A file that cannot be written does not end the fit: it is warned of.
        """
        if not self.save_every:
            return False
        start, written = time.monotonic(), True
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        notes = {
            'pass': json.dumps(title),
            'provenance': self.provenance.to_json(),
        }
        try:
            atomic_write(self.file(number), to_safetensors(plain, notes))
        except OSError as error:
            written = False
            print_log(
                f'the fit goes on, but could not be put aside ({error}): if '
                'it is interrupted now, it starts from an earlier image',
                logger='current',
                level=logging.WARNING,
            )
        took = time.monotonic() - start
        wait = max(self.save_every, took / _SHARE)
        self._next = time.monotonic() + wait
        return written

    def read(self, number: int, title: str) -> dict[str, Tensor] | None:
        """Return what a pass has gathered before; None if there is nothing.

        Raises:
            FittedStateError: If the file is that of something else.
        """
        file = self.file(number)
        if not file.is_file():
            return None
        fix = 'remove it, and this part is done anew'
        notes, tensors = read_state(
            file.read_bytes(), 'pass', str, str(file), fix
        )
        theirs = notes['pass']
        different = provenance_of(notes, str(file)).differences(
            self.provenance
        )
        if theirs != title or different:
            raise FittedStateError(
                f'{file}: expected what was gathered by {title!r}, got that '
                f'of another fit ({theirs:.60}): remove '
                f'{self._pattern()}, and the fit starts anew'
            )
        return tensors

    def remove(self) -> None:
        """Remove the files: the fit is done."""
        for file in self.path.parent.glob(self._pattern()):
            file.unlink()

    def remove_own(self) -> None:
        """Remove files that a run has left which ended after its fit."""
        try:
            theirs = read_provenance(self.file(0))
        except FittedStateError:  # said when it is to be used
            return
        if theirs is not None and not theirs.differences(self.provenance):
            self.remove()

    def _pattern(self) -> str:
        return f'{glob.escape(self.path.stem)}.partial.*{self.path.suffix}'
