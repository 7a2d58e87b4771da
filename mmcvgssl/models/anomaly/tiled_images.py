"""Images that are cut into tiles, as models take them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn

from mmcvgssl.datasets.tiles import TILES, TileGrid
from mmcvgssl.maps import JoinedMap
from mmcvgssl.utils import log_once

# tiles that pass a network at once; those that wait are bytes
IN_FLIGHT = 16


class TiledImages:
    """A batch of images in tiles, of which few are prepared at once.

    Args:
        images: Tiles [T, 3, S, S] of each image, as a pipeline gives them.
        grids: Where they lie; one for each image.
        prepare: Makes RGB in [0, 1] of a list of tiles [3, S, S].
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        grids: Sequence[TileGrid],
        prepare: Callable[[list[Tensor]], Tensor],
    ) -> None:
        self.images, self.grids = list(images), list(grids)
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> TiledImages:
        """Return some of the images."""
        return TiledImages(
            [self.images[i] for i in indices],
            [self.grids[i] for i in indices],
            self._prepare,
        )

    def each(self, samples: Sequence) -> Iterator[tuple[TiledImages, list]]:
        """Yield the images one by one, with their data samples."""
        for i, sample in enumerate(samples):
            yield self[[i]], [sample]

    def parts(self, samples: Sequence) -> Iterator[tuple[Tensor, list]]:
        """Yield tiles [n, 3, S, S] of an image after another.

        Args:
            samples: Data samples of the images, which their tiles get, too.
        """
        for tiles, sample in zip(self.images, samples, strict=True):
            for part in tiles.split(IN_FLIGHT):
                yield self._prepare(list(part)), [sample] * len(part)

    def drawn(self, count: int, seed: int) -> TiledImages:
        """Return the images with some of their tiles, drawn at random."""
        random = torch.Generator().manual_seed(seed)
        chosen = [
            tiles[torch.randperm(len(tiles), generator=random)[:count]]
            for tiles in self.images
        ]
        return TiledImages(chosen, self.grids, self._prepare)


class TilePreprocessor(nn.Module):
    """Hands tiles on as they come, and anything else to a preprocessor.

    Args:
        whole: Preprocessor of images, which prepares tiles, too, once they
            are needed.
    """

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole

    @property
    def device(self) -> torch.device:
        """Device of what is prepared."""
        return getattr(self.whole, 'device', torch.device('cpu'))

    def forward(self, data: Any, training: bool = False) -> Any:
        """Prepare a batch, see mmengine's ``BaseDataPreprocessor``.

        Raises:
            ValueError: If nothing says where tiles lie.
        """
        inputs: Any = data.get('inputs') if isinstance(data, dict) else None
        listed = isinstance(inputs, (list, tuple))
        if not listed or all(image.ndim != 4 for image in inputs):
            return self.whole(data, training)
        samples = data.get('data_samples') or [None] * len(inputs)
        pairs = [
            _with_grid(image, sample)
            for image, sample in zip(inputs, samples, strict=True)
        ]
        return {
            **data,
            'inputs': TiledImages(
                [image for image, _ in pairs],
                [grid for _, grid in pairs],
                lambda tiles: self.whole({'inputs': tiles}, training)[
                    'inputs'
                ],
            ),
        }


def _with_grid(image: Tensor, sample: Any) -> tuple[Tensor, TileGrid]:
    """Return tiles [T, 3, S, S] and where they lie."""
    if image.ndim == 3:  # it stands for an image that cannot be read
        return image[None], TileGrid.over(image.shape[1:], max(image.shape))
    grid = None if sample is None else sample.get(TILES)
    if not isinstance(grid, TileGrid) or len(grid) != len(image):
        raise ValueError(
            f'expected a grid of {len(image)} tiles in the data sample, got '
            f'{grid}: have {TILES!r} among the meta_keys of the step that '
            'packs'
        )
    _say(grid)
    return image, grid


def _say(grid: TileGrid) -> None:
    """Say, once, that images are no larger than a tile."""
    if len(grid) > 1:
        return
    height, width = grid.size
    log_once(
        f'an image of {height} x {width} pixels is no larger than a tile, '
        'and taken whole, as without tiles; so are others of its kind',
        logging.INFO,
        'one tile',
    )


def predict_tiles(
    images: TiledImages,
    samples: Sequence,
    predict: Callable[[Tensor, list], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Join the maps of the tiles of each image; score it by its worst tile.

    Args:
        images: Images of one size, or a single one.
        samples: Data samples of the images.
        predict: Returns maps [n, h, w] and scores [n] of tiles.

    Returns:
        Maps [N, h, w] and scores [N].

    Raises:
        ValueError: If maps of images of several sizes are to be stacked.
    """
    maps, scores = [], []
    for (one, sample), grid in zip(
        images.each(samples), images.grids, strict=True
    ):
        joined, of_tiles = JoinedMap(grid), []
        for tiles, owners in one.parts(sample):
            part, values = predict(tiles, owners)
            joined.add(part.double().cpu().numpy())
            of_tiles.append(values)
        scores.append(torch.cat(of_tiles).amax())
        made = torch.from_numpy(joined.result())
        maps.append(made.to(scores[-1].device))
    sizes = {tuple(one.shape) for one in maps}
    if len(sizes) > 1:
        raise ValueError(
            'expected images of one size in a batch of images in tiles, got '
            f'maps of {sorted(sizes)}: read one image at a time, by '
            'batch_size=1'
        )
    return torch.stack(maps), torch.stack(scores)


def image_by_image(
    images: Tensor | TiledImages,
    samples: Sequence,
    describe: Callable[[Tensor], Tensor],
) -> list[Tensor]:
    """Describe each image by its patches; one in tiles by those of all.

    Args:
        images: RGB [N, 3, H, W] in [0, 1], or in tiles.
        samples: Data samples of the images.
        describe: Returns features [S, L, D] of an image [1, 3, H, W].

    Returns:
        Features [S, L, D], or [S, T * L, D] of T tiles.
    """
    if not isinstance(images, TiledImages):
        return [describe(image[None]) for image in images]
    return [
        torch.cat(
            [
                describe(tile[None])
                for part, _ in one.parts(own)
                for tile in part
            ],
            dim=1,
        )
        for one, own in images.each(samples)
    ]


def by_tiles(
    compute: Callable[[Tensor, list, Any], Any], take: Callable[[Any], None]
) -> tuple[Callable[[Any, list, Any], Iterable], Callable[[Iterable], None]]:
    """Have a pass of a fit learn from tiles as from images.

    Args:
        compute: See :class:`~mmcvgssl.models.anomaly.fit_pass.FitPass`.
        take: See there.
    """

    def compute_parts(inputs: Any, samples: list, note: Any) -> Iterable:
        if not isinstance(inputs, TiledImages):
            return [compute(inputs, samples, note)]
        made = (
            compute(tiles, owners, note)
            for tiles, owners in inputs.parts(samples)
        )
        # in one process a part is taken before the next one is computed, so
        # that features of few tiles are in memory
        return made if get_world_size() == 1 else list(made)

    def take_parts(made: Iterable) -> None:
        for part in made:
            take(part)

    return compute_parts, take_parts


def by_images(
    compute: Callable[[Any, list, Any], Any], take: Callable[[Any], None]
) -> tuple[Callable[[Any, list, Any], list], Callable[[Iterable], None]]:
    """Have a pass of a fit take images in tiles one by one, each whole.

    Args:
        compute: See :class:`~mmcvgssl.models.anomaly.fit_pass.FitPass`; it
            gets an image in tiles as :class:`TiledImages`.
        take: See there.
    """

    def compute_each(inputs: Any, samples: list, note: Any) -> list:
        if not isinstance(inputs, TiledImages):
            return [compute(inputs, samples, note)]
        return [
            compute(one, own, _of_image(note, i))
            for i, (one, own) in enumerate(inputs.each(samples))
        ]

    def take_each(made: Iterable) -> None:
        for part in made:
            take(part)

    return compute_each, take_each


def _of_image(note: Any, number: int) -> Any:
    """Return what a chooser says of one image of a batch."""
    if isinstance(note, list):
        return note[number : number + 1]
    return note + number  # images before
