"""Images to test on, looked at before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import Compose

from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.processes import in_threads
from mmcvgssl.utils import printable, some

_READING = ('LoadImage', 'LoadMask')


def check_test_images(
    infos: Sequence[dict[str, Any]], pipeline: Sequence[dict[str, Any]]
) -> None:
    """Read all images and masks, so that a test cannot fail on one.

    Args:
        infos: Infos of the images, as the data set gives them.
        pipeline: Configs of its transforms; those that read are used.

    Raises:
        UnreadableImageError: Counts those that cannot be read, or whose mask
            is not as it should be, and names the first.
    """
    read = Compose([s for s in pipeline if s['type'].endswith(_READING)])

    def reason(info: dict[str, Any]) -> str | None:
        try:
            read(dict(info))
        except (UnreadableImageError, ValueError) as error:
            return str(error)
        return None

    reasons = list(in_threads(reason, infos))
    broken = {
        printable(info['img_path']): text
        for info, text in zip(infos, reasons, strict=True)
        if text is not None
    }
    if broken:
        raise UnreadableImageError(
            f'{some(broken, "image")} of {len(infos)} to test on cannot be '
            f'used: {next(iter(broken.values()))}. Repair them, leave them '
            'out of the list or by ignore, or test nothing (--no-test); '
            'nothing has been trained yet'
        )
