"""Fixtures of all tests."""

import json
import logging
import os
import runpy
import shutil
import subprocess
import sys
import uuid
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import build_runner, check_before_training, load_config
from tests.data import ROOT, tiny_config, write_classes, write_images

CHROMIUM_OPTIONS = (
    *('--headless=new', '--no-sandbox', '--disable-gpu'),
    '--disable-background-networking',
)

# sums do not depend on the machine, and tests run side by side
torch.set_num_threads(1)


@pytest.fixture(scope='module')
def quick_configs():
    """Let mmengine read shared bases once, and write configs unformatted."""
    read = cache(Config._file2dict)

    def copied(filename, *args, **kwargs):
        return deepcopy(read(os.path.abspath(filename), *args, **kwargs))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(copied))
        patch.setattr(
            'yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True)
        )
        yield


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """What is logged once a process is logged in each test."""
    monkeypatch.setattr('mmcvgssl.utils._logged', set())


@pytest.fixture
def tiny(tmp_path):
    """Write a config (see ``tiny_config``) over eight pictures."""
    images = tmp_path / 'images'
    write_images(images, 8)

    def write(extra: str = '', head: bool = True, name: str = 'cfg') -> Path:
        return tiny_config(tmp_path / name, images, extra, head)

    return write


@pytest.fixture
def tiny_classes(tmp_path):
    """Write a config over three classes of pictures, six a class."""
    return tiny_config(tmp_path / 'cfg', write_classes(tmp_path / 'images', 6))


@pytest.fixture
def fit():
    """Train in this process as tools/train.py does; return the runner."""

    def train(config, work_dir, options=None, resume=False):
        cfg = load_config(config, options)
        cfg.work_dir, cfg.launcher = str(work_dir), 'none'
        cfg.experiment_name, cfg.resume = uuid.uuid4().hex, resume
        runner = build_runner(cfg)
        check_before_training(runner)
        runner.train()
        return runner

    return train


@pytest.fixture
def warned(tmp_path_factory):
    """Give the lines of the logger's warnings, of workers, too."""
    file = tmp_path_factory.mktemp('log') / 'warnings.log'
    handler = logging.FileHandler(file)
    handler.setLevel(logging.WARNING)
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lambda: file.read_text().splitlines()
    logger.removeHandler(handler)
    handler.close()


@pytest.fixture
def kept_outputs():
    """Collect what the model says of each test image."""

    class Keep(Hook):
        def __init__(self) -> None:
            self.samples: list = []

        def after_test_iter(self, runner, batch_idx, data_batch, outputs):
            self.samples += outputs

    return Keep()


@pytest.fixture
def scalars():
    """Read the losses that runs have logged, by epoch and step."""

    def read(work_dir) -> dict[tuple[int, int], dict[str, float]]:
        found = {}
        # later files of a resumed run replace what was lost
        for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
            for line in file.read_text().splitlines():
                entry = json.loads(line)
                found[entry['epoch'], entry['step']] = {
                    k: v for k, v in entry.items() if 'loss' in k
                }
        return found

    return read


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run a tool in this process; return exit code, output and errors."""

    def run(name: str, *args) -> tuple[int, str, str]:
        path = ROOT / 'tools' / name
        monkeypatch.setattr(sys, 'argv', [str(path), *map(str, args)])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as stop:
            code = 0 if stop.code is None else stop.code
            if not isinstance(code, int):  # what Python does with a text
                print(code, file=sys.stderr)
                code = 1
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def process(tmp_path):
    """Run a command in its own process, two threads at most."""

    def run(command, **env) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=240,
            env={
                **os.environ,
                'OMP_NUM_THREADS': '1',
                'NO_ALBUMENTATIONS_UPDATE': '1',
                'PYTHONPATH': str(ROOT),
                'PYTHON': sys.executable,
                **{k: str(v) for k, v in env.items()},
            },
        )

    return run


@pytest.fixture(scope='module')
def browser():
    """Start Debian's Chromium; where CI is set it must be there."""
    program = shutil.which('chromium')
    missing = None if program else 'there is no chromium on the path'
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = 'playwright is not installed: pip install "mmcvgssl[dev]"'
    if missing:
        assert os.environ.get('CI') != 'true', missing
        pytest.skip(missing)
    with sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=program, args=[*CHROMIUM_OPTIONS]
        )
        yield chromium
        chromium.close()
