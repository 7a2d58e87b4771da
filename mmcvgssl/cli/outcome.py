"""What a verb has done, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmcvgssl.utils import json_value, printable

if TYPE_CHECKING:
    from mmcvgssl.model_file import ModelFile

FINDINGS = 3  # exit code


@dataclass(frozen=True)
class Outcome:
    """What a verb has done, for people and for scripts.

    Args:
        text: Printed on stdout.
        data: Printed instead with ``--json``; see :func:`json_value`.
        warnings: Lines for stderr.
        code: Exit code; ``FINDINGS`` where something was looked for, and
            found.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    code: int = 0

    def shown(self, as_json: bool) -> str:
        """Return what is printed, without the end of its last line."""
        return to_json(self.data) if as_json else self.text.rstrip('\n')


def to_json(data: dict[str, Any]) -> str:
    """Return an object as one line of strict JSON."""
    return json.dumps(json_value(data), ensure_ascii=False, allow_nan=False)


def of_model_file(out: str, content: ModelFile) -> Outcome:
    """Return that a model file has been written.

    Args:
        out: The file.
        content: What it holds.
    """
    data = {
        'model': out,
        'kind': content.kind,
        'type': content.model.get('type'),
        'category': content.category,
        'classes': content.classes,
        'chosen': content.chosen,
        'settings': content.settings,
        'remarks': content.remarks,
        'licences': content.licences,
    }
    return Outcome(f'{printable(out)}:\n{content.describe()}', data)
