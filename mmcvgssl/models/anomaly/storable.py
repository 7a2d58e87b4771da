"""Saving and loading of fitted states."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from mmcvgssl.models.anomaly.calibration import Calibration
from mmcvgssl.models.anomaly.fitted_state import (
    FittedStateError,
    part_of,
    provenance_of,
    read_note,
    read_state,
)
from mmcvgssl.models.anomaly.state_forms import (
    UNKNOWN,
    Form,
    Forms,
    below,
    check_state,
)
from mmcvgssl.models.anomaly.threshold_choice import (
    HELD_OUT_DIGESTS,
    IMAGES,
    MEASURED,
    POINT,
)
from mmcvgssl.models.anomaly.thresholded import Thresholded
from mmcvgssl.provenance import Provenance, digest_tensors, require_same
from mmcvgssl.utils import atomic_write
from mmcvgssl.weights import EXACT, check_values, load

# the part of a file's tensors that an update goes on from
BASIS = 'update'


class Storable(Thresholded):
    """Writes what was learned to a file, and reads it.

    A file that does not hold what the model needs, all of it and nothing
    else, is refused before the model changes.
    """

    needs_fit: bool
    settings: dict[str, Any]
    calibration: Calibration | None
    remarks: list[str]
    # what an update goes on from; empty where there is none
    basis: dict[str, Tensor]
    provenance: Provenance | None

    def _require_fitted(self) -> None:
        """Stop where nothing was learned yet."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement _require_fitted()'
        )

    def fitted_bytes(self) -> bytes:
        """Return what :meth:`fit` has learned, with the settings."""
        return to_safetensors(
            {k: v.cpu().contiguous() for k, v in self._tensors().items()},
            self._notes(),
        )

    def _notes(self) -> dict[str, str]:
        """Return the texts beside the tensors of a file, as JSON."""
        notes = {
            'settings': json.dumps(self.settings, sort_keys=True),
            'chosen': json.dumps(self.chosen),
            'remarks': json.dumps(self.remarks),
        }
        if self.provenance is not None:
            notes['provenance'] = self.provenance.to_json()
        return notes

    def _tensors(self) -> dict[str, Tensor]:
        """What fitting has learned, by name."""
        parts = {'state': self.state}
        if self.calibration is not None:
            parts['calibration'] = self.calibration.state_dict()
        parts[BASIS] = self.basis
        return {
            f'{part}.{key}': value
            for part, tensors in parts.items()
            for key, value in tensors.items()
        }

    def save_fitted(self, path: str | Path) -> None:
        """Write what :meth:`fit` has learned to a ``.safetensors`` file."""
        self._require_fitted()
        atomic_write(path, self.fitted_bytes())

    def load_fitted(self, path: str | Path) -> None:
        """Read what :meth:`save_fitted` wrote.

        Raises:
            FileNotFoundError: If the file is missing.
            FittedStateError: If it was fitted with other settings.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f'no fitted state {path}')
        self.load_fitted_bytes(path.read_bytes(), str(path))

    def load_fitted_bytes(self, data: bytes, where: str = 'the state') -> None:
        """Take what :meth:`fitted_bytes` gave.

        Raises:
            FittedStateError: If it was fitted with other settings, or
                tensors are missing, left over or of another form.
            mmcvgssl.weights.WeightsError: If it holds NaN or infinity.
        """
        fix = 'move it away, and it is fitted anew'
        notes, tensors = read_state(data, 'settings', dict, where, fix)
        check_values(tensors, where)
        require_same(
            Provenance(self.settings),
            Provenance(notes['settings']),
            where,
            error=FittedStateError,
        )
        self.take_learned(notes, tensors, where)

    def take_learned(
        self,
        notes: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        where: str = 'the state',
    ) -> None:
        """Take what :meth:`fit` has learned elsewhere, all of it or nothing.

        Args:
            notes: ``chosen``, ``remarks`` and, if known, ``provenance``.
            tensors: Result of :meth:`learned_tensors`.
            where: The file, for messages.

        Raises:
            FittedStateError: If tensors are missing, left over or of another
                form.
        """
        check_state(tensors, self._forms(tensors), where)
        chosen = read_note('chosen', dict, notes, where)
        remarks = read_note('remarks', list, notes, where)
        known = provenance_of(notes, where) if 'provenance' in notes else None
        self._take(tensors, where)
        self.chosen, self.remarks, self.provenance = chosen, remarks, known

    def learned_tensors(self) -> dict[str, Tensor]:
        """Return what fitting has learned, by name.

        Raises:
            FittedStateError: If the model is not fitted.
        """
        self._require_fitted()
        return self._tensors()

    def frozen(self) -> dict[str, nn.Module]:
        """Return the networks that fitting does not change.

        They are named by dotted keys of the model's config; '' is the whole.
        """
        return {}

    def fixed_tensors(self) -> dict[str, Tensor]:
        """Return what follows from frozen networks that are not needed."""
        return {}

    def take_fixed_tensors(
        self, tensors: Mapping[str, Tensor], where: str
    ) -> None:
        """Take what :meth:`fixed_tensors` gave.

        Raises:
            FittedStateError: If it is something else.
        """
        check_state(tensors, {}, where)

    @classmethod
    def portable(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config with the content of what it names by path."""
        return config

    @classmethod
    def for_file(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the config of a model that gets its weights from a file."""
        teacher = config.get('teacher')
        if teacher is None or 'weights' in teacher:
            return config
        return {**config, 'teacher': {**teacher, 'allow_random': True}}

    def state_forms(self, names: Iterable[str]) -> Forms | None:
        """Return the forms of the tensors that :meth:`_fit` stores.

        Args:
            names: Names of the tensors at hand, for states whose names depend
                on the images.

        Returns:
            None if they are not known; then no tensor is refused.
        """
        return None if self.needs_fit else {}

    def basis_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of what an update goes on from.

        Args:
            names: Names of the tensors at hand.
        """
        return {}

    def _forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of all that :meth:`_tensors` gives."""
        own = self.state_forms(part_of(dict.fromkeys(names), 'state'))
        own = {'*': UNKNOWN} if own is None else own
        if self.false_alarm_rate is not None:
            own |= {'operating_point': POINT, 'map_threshold': Form(())}
        forms = below('state', own)
        if self.calibration is not None:
            state = self.calibration.state_dict()
            sizes = {k: Form(tuple(v.shape), None) for k, v in state.items()}
            forms |= below('calibration', sizes)
        basis = part_of(dict.fromkeys(names), BASIS)
        if basis:
            forms |= below(BASIS, self.basis_forms(basis))
            forms |= below(BASIS, {'images': IMAGES})
            if 'held_out' in basis:  # it is known where files were fitted to
                forms |= below(BASIS, {'held_out': HELD_OUT_DIGESTS})
            if self.false_alarm_rate is not None:
                forms |= below(BASIS, MEASURED)
        return forms

    def _take(
        self, tensors: Mapping[str, Tensor], where: str = 'the state'
    ) -> None:
        """Take what :meth:`_tensors` gave."""
        self.state = {
            key: value.to(self.device)
            for key, value in part_of(tensors, 'state').items()
        }
        if self.calibration is not None:
            state = part_of(tensors, 'calibration')
            load(self.calibration, state, EXACT, where, log=False)
        self.basis = part_of(tensors, BASIS)

    def fingerprint(self) -> str:
        """Digest of settings and fitted state: same maps, same text."""
        tensors = {
            key: value
            for key, value in self._tensors().items()
            if not key.startswith(f'{BASIS}.')
        }
        return digest_tensors(
            tensors, json.dumps(self.settings, sort_keys=True)
        )
