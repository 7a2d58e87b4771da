"""Where OpenCV does not load, one sentence says what to install."""

import pytest

LIBGL = 'libGL.so.1: cannot open shared object file: No such file'


def broken(tmp_path):
    folder = tmp_path / 'site' / 'cv2'
    folder.mkdir(parents=True)
    (folder / '__init__.py').write_text(f'raise ImportError({LIBGL!r})')
    return folder.parent


@pytest.mark.parametrize(
    'code',
    [
        'import mmcvgssl, cv2',
        'from mmcvgssl.apis import Predictor',
    ],
)
def test_a_missing_library_is_explained(run_python, tmp_path, code):
    done = run_python(code, broken(tmp_path))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert LIBGL in last
    assert '`pip install opencv-python-headless`' in last
    assert last.count('cannot be loaded') == 1


def test_a_missing_opencv_is_explained(run_python, site_without):
    done = run_python('import mmcvgssl', site_without('cv2'), options=['-S'])
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert '`pip install opencv-python-headless`' in last


def test_one_that_loads_is_left_alone():
    import cv2

    assert type(cv2.__loader__).__name__ == 'SourceFileLoader'
    assert cv2.__spec__.loader is cv2.__loader__
