"""Views of a good image, some with a piece of it pasted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmcvgssl.datasets.transforms.fast_color_jitter import jitter_of
from mmcvgssl.datasets.transforms.pastes import (
    EitherPaste,
    Paste,
    RectanglePaste,
    ScarPaste,
)
from mmcvgssl.registry import TRANSFORMS
from mmcvgssl.utils import is_colour_image


class PasteViews(BaseTransform):
    """The image with jittered colours, then with something pasted into it.

    Source: "CutPaste: Self-Supervised Learning for Anomaly Detection and
    Localization", https://arxiv.org/abs/2104.04015. All views come from the
    same jittered image, so that they differ by the paste alone.

    **Required keys:** img (BGR uint8 [H, W, 3]). **Modified keys:** img, a
    list of V views. **Added keys:** view_labels (int64 [V], the class of each
    view: 0 is normal), paste_masks (V masks uint8 [H, W], 1 where something
    was pasted; elsewhere a view is the normal one).

    Args:
        pastes: One paste for each view after the normal one.
        jitter: Strength of the jitter of brightness, contrast, saturation and
            hue: a number, or options of :class:`FastColorJitter`.

    Raises:
        ValueError: If ``img`` is something else.
    """

    def __init__(
        self,
        pastes: Sequence[Paste],
        jitter: float | Mapping = 0.1,
    ) -> None:
        self.pastes = list(pastes)
        self.jitter = jitter_of(jitter)

    def transform(self, results: dict) -> dict:
        """Make the views; the image itself is not written into."""
        normal = self.jitter.jitter(_checked(results['img']))
        views, masks = [normal], [np.zeros(normal.shape[:2], np.uint8)]
        for paste in self.pastes:
            view, mask = paste.draw(normal.shape[:2]).paint(normal)
            views.append(view)
            masks.append(mask)
        results['img'] = views
        results['view_labels'] = np.arange(len(views))
        results['paste_masks'] = masks
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(pastes={self.pastes}, '
            f'jitter={self.jitter})'
        )


@TRANSFORMS.register_module()
class CutPaste(PasteViews):
    """A normal view and one with a pasted rectangle.

    Keys are those of :class:`PasteViews`.

    Args:
        jitter: Strength of the colour jitter of the image.
        **kwargs: Options of :class:`RectanglePaste`.

    Example:
        >>> image = np.random.randint(256, size=(64, 64, 3), dtype=np.uint8)
        >>> transform = TRANSFORMS.build(dict(type='mmcvgssl.CutPaste'))
        >>> results = transform(dict(img=image))
        >>> len(results['img']), results['view_labels']
        (2, array([0, 1]))
    """

    def __init__(self, jitter: float | Mapping = 0.1, **kwargs) -> None:
        super().__init__([RectanglePaste(**kwargs)], jitter)


@TRANSFORMS.register_module()
class CutPasteScar(PasteViews):
    """A normal view and one with a pasted scar: thin and rotated.

    Keys are those of :class:`PasteViews`.

    Args:
        jitter: Strength of the colour jitter of the image.
        **kwargs: Options of :class:`ScarPaste`.

    Example:
        >>> image = np.random.randint(256, size=(64, 64, 3), dtype=np.uint8)
        >>> transform = TRANSFORMS.build(dict(type='mmcvgssl.CutPasteScar'))
        >>> results = transform(dict(img=image))
        >>> len(results['img']), results['view_labels']
        (2, array([0, 1]))
    """

    def __init__(self, jitter: float | Mapping = 0.1, **kwargs) -> None:
        super().__init__([ScarPaste(**kwargs)], jitter)


@TRANSFORMS.register_module()
class CutPasteUnion(PasteViews):
    """A normal view and one with a rectangle or a scar, at random.

    Keys are those of :class:`PasteViews`.

    Args:
        jitter: Strength of the colour jitter of the image.
        rectangle: Options of :class:`RectanglePaste`.
        scar: Options of :class:`ScarPaste`.

    Example:
        >>> image = np.random.randint(256, size=(64, 64, 3), dtype=np.uint8)
        >>> transform = TRANSFORMS.build(dict(type='mmcvgssl.CutPasteUnion'))
        >>> results = transform(dict(img=image))
        >>> len(results['img']), results['view_labels']
        (2, array([0, 1]))
    """

    def __init__(
        self,
        jitter: float | Mapping = 0.1,
        rectangle: Mapping | None = None,
        scar: Mapping | None = None,
    ) -> None:
        either = EitherPaste(
            RectanglePaste(**(rectangle or {})), ScarPaste(**(scar or {}))
        )
        super().__init__([either], jitter)


@TRANSFORMS.register_module()
class CutPaste3Way(PasteViews):
    """A normal view, one with a rectangle and one with a scar.

    Keys are those of :class:`PasteViews`.

    Args:
        jitter: Strength of the colour jitter of the image.
        rectangle: Options of :class:`RectanglePaste`.
        scar: Options of :class:`ScarPaste`.

    Example:
        >>> image = np.random.randint(256, size=(64, 64, 3), dtype=np.uint8)
        >>> transform = TRANSFORMS.build(dict(type='mmcvgssl.CutPaste3Way'))
        >>> results = transform(dict(img=image))
        >>> len(results['img']), results['view_labels']
        (3, array([0, 1, 2]))
    """

    def __init__(
        self,
        jitter: float | Mapping = 0.1,
        rectangle: Mapping | None = None,
        scar: Mapping | None = None,
    ) -> None:
        pastes: list[Paste] = [
            RectanglePaste(**(rectangle or {})),
            ScarPaste(**(scar or {})),
        ]
        super().__init__(pastes, jitter)


def _checked(image: object) -> np.ndarray:
    if is_colour_image(image):
        return image
    got = type(image).__name__
    if isinstance(image, np.ndarray):
        got = f'{image.dtype} {list(image.shape)}'
    raise ValueError(
        f'expected one image uint8 [H, W, 3] in `img`, got {got}; load it '
        'with mmcvgssl.LoadImage, and let nothing but PackInputs follow'
    )
