"""Tasks of Label Studio, with boxes to correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from mmcvgssl.maps.box_files import CLASS, ImageBoxes

LOCAL_FILES = '/data/local-files/?d='
_CONFIG = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image">
{labels}
  </RectangleLabels>{choices}
</View>
"""
_CHOICES = """
  <Choices name="class" toName="image" choice="single">
{choices}
  </Choices>"""


def to_label_studio(
    images: Sequence[ImageBoxes], address: str = LOCAL_FILES
) -> list[dict[str, Any]]:
    """Return tasks as Label Studio imports them, in order.

    Args:
        images: Images, and boxes to begin with.
        address: Start of the images' addresses, by default that of local
            files below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``.

    Example:
        >>> import numpy as np
        >>> boxes = np.array([[0, 0, 4, 4]])
        >>> image = ImageBoxes('a b.png', (8, 8), boxes, np.ones(1))
        >>> task = to_label_studio([image])[0]
        >>> task['data']['image']
        '/data/local-files/?d=a%20b.png'
        >>> task['predictions'][0]['result'][0]['value']['width']
        50.0
    """
    tasks = []
    for rank, image in enumerate(images, 1):
        data = {
            'image': address + quote(image.path),
            'path': image.path,
            'rank': rank,
        }
        task: dict[str, Any] = {'data': data}
        if len(image.boxes):
            task['predictions'] = [
                {'model_version': 'mmcvgssl', 'result': _results(image)}
            ]
        tasks.append(task)
    return tasks


def label_studio_config(classes: Sequence[str] = ()) -> str:
    """Return the labelling interface for these tasks, as XML.

    Args:
        classes: Names of classes, of boxes and of whole images.

    Example:
        >>> '<Choice value="scratch"/>' in label_studio_config(['scratch'])
        True
    """
    names = [*dict.fromkeys([CLASS, *classes])]
    labels = [f'    <Label value={quoteattr(name)}/>' for name in names]
    choices = [f'    <Choice value={quoteattr(name)}/>' for name in classes]
    part = _CHOICES.format(choices='\n'.join(choices)) if choices else ''
    return _CONFIG.format(labels='\n'.join(labels), choices=part)


def _results(image: ImageBoxes) -> list[dict[str, Any]]:
    height, width = image.size
    results = []
    for number, box in enumerate(image.boxes.tolist(), 1):
        x1, y1, x2, y2 = box
        value = {
            'x': 100 * x1 / width,
            'y': 100 * y1 / height,
            'width': 100 * (x2 - x1) / width,
            'height': 100 * (y2 - y1) / height,
            'rotation': 0,
            'rectanglelabels': [CLASS],
        }
        results.append(
            {
                'id': f'box{number}',
                'type': 'rectanglelabels',
                'from_name': 'box',
                'to_name': 'image',
                'original_width': width,
                'original_height': height,
                'image_rotation': 0,
                'value': value,
            }
        )
    return results
