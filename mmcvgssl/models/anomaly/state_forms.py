"""Names, shapes and types of the tensors of fitted states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.weights.values import first

_FIX = 'the file is damaged or of another version: fit anew'


@dataclass(frozen=True)
class Form:
    """Shape and numbers of a tensor.

    Args:
        sizes: Sizes of its axes: a number, or a name for one of 1 or more;
            axes of one name have the same size in all tensors.
        dtype: Number type of its numbers; None: any real ones, for what is
            converted before it is computed with.
    """

    sizes: tuple[int | str, ...]
    dtype: torch.dtype | None = torch.float32

    def __str__(self) -> str:
        sizes = ', '.join(str(s).rpartition('.')[2] for s in self.sizes)
        return f'{_name(self.dtype)} [{sizes}]'

    def fits(self, value: Tensor) -> bool:
        """Whether a tensor is of it, named sizes aside."""
        if self.dtype is None:
            known = value.is_floating_point()
        else:
            known = value.dtype == self.dtype
        return known and len(self.sizes) == value.ndim


# by name; what starts with a name that ends in * is not looked at
Forms = dict[str, Form]
UNKNOWN = Form(())


def below(part: str, forms: Forms) -> Forms:
    """Return forms under a part's name, with sizes of their own."""
    return {
        f'{part}.{key}': replace(
            form,
            sizes=tuple(
                f'{part}.{size}' if isinstance(size, str) else size
                for size in form.sizes
            ),
        )
        for key, form in forms.items()
    }


def check_state(
    tensors: Mapping[str, Tensor], forms: Forms, where: str
) -> None:
    """Check that a state holds the tensors of these forms, and no others.

    Args:
        tensors: Tensors by name.
        forms: Expected forms by the same names.
        where: The file, for messages.

    Raises:
        FittedStateError: Names a tensor that is missing, left over or of
            another form.
    """
    free = tuple(key[:-1] for key in forms if key.endswith('*'))
    wanted = {k: v for k, v in forms.items() if not k.endswith('*')}
    for key, form in wanted.items():
        if key not in tensors:
            raise FittedStateError(
                f'{where}: expected `{key}` as {form}, got no tensor of this '
                f'name, only {first(sorted(tensors))}; {_FIX}'
            )
    left = sorted(k for k in {*tensors} - {*wanted} if not k.startswith(free))
    if left:
        raise FittedStateError(
            f'{where}: expected no tensors but {first(sorted(wanted))}, got '
            f'also {first(left)}; {_FIX}'
        )
    known: dict[str, tuple[int, str]] = {}
    for key, form in wanted.items():
        value = tensors[key]
        pairs = list(zip(form.sizes, value.shape, strict=False))
        why = ''
        if any(got < 1 for got in value.shape):
            why = ', which is empty'
        for size, got in pairs:
            if isinstance(size, str):
                same, other = known.setdefault(size, (got, key))
                if same != got:
                    name = size.rpartition('.')[2]
                    why = f', where {name} is {same} by `{other}`'
            elif size != got:
                why = why or ', of another size'
        if why or not form.fits(value):
            got_form = f'{_name(value.dtype)} {list(value.shape)}'
            raise FittedStateError(
                f'{where}: expected `{key}` as {form}, got {got_form}'
                f'{why}; {_FIX}'
            )


def _name(dtype: torch.dtype | None) -> str:
    return 'floats' if dtype is None else f'{dtype}'.removeprefix('torch.')
