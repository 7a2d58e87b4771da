"""An environment where neither torch nor the hosts are installed."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.data import ROOT

# what predicting by an exported model needs beside Python; with libraries
NEEDED = (
    *('numpy', 'numpy.libs', 'cv2', 'opencv_python_headless.libs'),
    *('PIL', 'pillow.libs', 'tifffile', 'tqdm'),
    *('onnxruntime', 'onnxruntime-*', 'flatbuffers', 'packaging', 'google'),
)


@pytest.fixture
def bare(tmp_path):
    """Run Python where torch and the hosts are not installed."""
    home = tmp_path / 'packages'
    home.mkdir()
    (home / 'mmcvgssl').symlink_to(ROOT / 'mmcvgssl')
    installed = Path(find_spec('numpy').origin).parents[1]
    for name in NEEDED:
        for place in installed.glob(name):
            (home / place.name).symlink_to(place)

    def run(*arguments, check=True):
        return subprocess.run(
            [sys.executable, '-S', *map(str, arguments)],
            env={**os.environ, 'PYTHONPATH': str(home)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=check,
        )

    return run
