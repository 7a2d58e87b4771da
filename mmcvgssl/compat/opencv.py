"""What to install where OpenCV is missing or cannot be loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .import_hook import around_import

# the builds that share the folder `cv2`
BUILDS = (
    'opencv-python',
    'opencv-contrib-python',
    'opencv-python-headless',
    'opencv-contrib-python-headless',
)


class OpenCVError(ImportError):
    """OpenCV is there, and a library that it needs is not."""


@contextmanager
def _explained(module: ModuleType) -> Iterator[None]:
    try:
        yield
    except OpenCVError:  # cv2 imports another module of its own name
        raise
    except ImportError as error:
        raise OpenCVError(
            f'OpenCV is installed but cannot be loaded ({error}); replace it '
            'by the build that needs no display: `pip uninstall -y '
            f'{" ".join(BUILDS)}`, then `pip install opencv-python-headless`.',
            name='cv2',
        ) from error


def explain_opencv() -> None:
    """Have an import of ``cv2`` that fails say what to install.

    Raises:
        ModuleNotFoundError: If mmengine is installed, and no OpenCV.
    """
    around_import('cv2', _explained)
    if importlib.util.find_spec('mmengine') is None:
        return  # `mmcvgssl.env` says what else is missing
    if importlib.util.find_spec('cv2') is None:
        raise ModuleNotFoundError(
            'mmengine and mmcvgssl need OpenCV, which is not installed: `pip '
            'install opencv-python-headless`.',
            name='cv2',
        )
