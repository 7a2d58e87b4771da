"""An exported model without a library that runs it."""

import numpy as np

from mmcvgssl.export.metadata import Metadata
from mmcvgssl.export.preparation import make_vectors

STEPS = [
    dict(step='resize', width=12, height=8, interpolation='bilinear'),
]


def metadata(**fields) -> Metadata:
    """Return metadata of an anomaly model of inputs 8 x 12."""
    values = dict(
        kind='anomaly',
        precision='float32',
        input=dict(height=8, width=12),
        reading=dict(
            depth_range=None, page=None, max_pixels=None, input_size=None
        ),
        steps=STEPS,
        outputs=dict(maps='', scores=''),
        model=dict(type='Brightness', digest='0' * 32),
        threshold=0.5,
        vectors=make_vectors(STEPS),
        made_with=dict(mmcvgssl='0', opencv='0'),
    )
    return Metadata(**{**values, **fields})


class Brightness:
    """Scores images by their red, as an engine does."""

    def __init__(self, **fields) -> None:
        self.metadata = metadata(**fields)

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return outputs of images, RGB uint8 [N, 8, 12, 3]."""
        maps = images[..., 0].astype(np.float32) / 255
        scores = maps.max((1, 2))
        if self.metadata.kind == 'anomaly':
            return {'maps': maps, 'scores': scores}
        both = np.stack([scores, 1 - scores], 1)
        return {'probabilities': both, 'labels': both.argmax(1)}
