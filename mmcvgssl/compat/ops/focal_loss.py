"""Sigmoid and softmax focal loss (RetinaNet, arXiv:1708.02002)."""

from __future__ import annotations

import torch
from torch import Tensor

from ._common import check_shape, compiled_like, wide

# log() is taken of at least this, the smallest normal C float.
_TINY = torch.finfo(torch.float32).tiny


def _class_weight(weight: Tensor, target: Tensor, like: Tensor) -> Tensor:
    """Weight (N,) of each target; background and ignored labels count 1."""
    if weight.numel() == 0:
        return like.new_ones(len(target))
    known = (target >= 0) & (target < len(weight))
    taken = weight.to(like)[target.clamp(0, len(weight) - 1)]
    return taken.where(known, torch.ones_like(taken))


def _check(op: str, scores: Tensor, target: Tensor) -> None:
    check_shape(op, 'input', scores, 'N,C')
    check_shape(op, 'target', target, f'{len(scores)}')


def _sides(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """p, 1 - p and which entries are positive, each (N, C)."""
    p = scores.sigmoid()
    classes = torch.arange(scores.shape[1], device=scores.device)
    return p, 1 - p, target[:, None] == classes


@compiled_like
def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``output`` (N, C) with the loss of logits (N, C), labels (N,).

    A label outside 0..C-1 is background: all its classes are negative.
    ``weight`` is per class (C,) or empty.

    Raises:
        ValueError: If a shape is not as above.
    """
    _check('sigmoid_focal_loss_forward', input, target)
    p, q, positive = _sides(wide(input), target)
    hit = -alpha * q**gamma * p.clamp(min=_TINY).log()
    miss = -(1 - alpha) * p**gamma * q.clamp(min=_TINY).log()
    scale = _class_weight(weight, target, p)[:, None]
    output.copy_(hit.where(positive, miss) * scale)


@compiled_like
def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` (N, C): derivative of the loss by the logits.

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    _check('sigmoid_focal_loss_backward', input, target)
    p, q, positive = _sides(wide(input), target)
    log_p, log_q = p.clamp(min=_TINY).log(), q.clamp(min=_TINY).log()
    hit = -alpha * q**gamma * (q - gamma * p * log_p)
    miss = -(1 - alpha) * p**gamma * (gamma * q * log_q - p)
    scale = _class_weight(weight, target, p)[:, None]
    grad_input.copy_(hit.where(positive, miss) * scale)


def _picked(probs: Tensor, target: Tensor) -> Tensor:
    """Probability (N,) of each label, any where the label is ignored."""
    index = target.clamp(0, probs.shape[1] - 1)
    return probs.gather(1, index[:, None])[:, 0]


@compiled_like
def softmax_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``output`` (N,) with the loss of softmax values (N, C).

    A negative label is ignored. ``weight`` is per class (C,) or empty.

    Raises:
        ValueError: If a shape is not as above.
    """
    _check('softmax_focal_loss_forward', input, target)
    p = _picked(wide(input), target)
    loss = -alpha * (1 - p) ** gamma * p.clamp(min=_TINY).log()
    loss = loss * _class_weight(weight, target, p)
    output.copy_(loss.where(target >= 0, torch.zeros_like(loss)))


@compiled_like
def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` (N, C): derivative of the loss by the logits.

    ``buff`` (N,) receives the derivative by the log of the picked value.

    Raises:
        ValueError: If a shape is not as in the forward op.
    """
    _check('softmax_focal_loss_backward', input, target)
    probs = wide(input)
    p = _picked(probs, target)
    slope = -((1 - p) ** gamma)
    if gamma:  # without focusing 0 ** -1 would appear where p is 1
        log_p = p.clamp(min=_TINY).log()
        slope = slope + gamma * (1 - p) ** (gamma - 1) * p * log_p
    slope = alpha * slope * _class_weight(weight, target, p)
    slope = slope.where(target >= 0, torch.zeros_like(slope))
    buff.copy_(slope)
    classes = torch.arange(probs.shape[1], device=probs.device)
    flag = (target[:, None] == classes).to(probs)
    grad_input.copy_(slope[:, None] * (flag - probs))
