"""Take the picture of docs/report.md, of images that are made here.

Needs Chromium and the extras `dev` and `report`. Writes docs/report.png.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from serve_screenshots import (
    DOCS,
    KINDS,
    OPTIONS,
    SIZE,
    save,
    surface,
    write,
)

from mmcvgssl.apis import AnomalyInspector, Predictor, predict_to_folder
from mmcvgssl.reports import write_report


def faint(kind: str, seed: int, share: float) -> np.ndarray:
    """Make a surface with a defect that hardly shows, BGR uint8."""
    shown, good = surface(kind, seed), surface('good', seed)
    return cv2.addWeighted(shown, share, good, 1 - share, 0)


def make_report(home: Path) -> Path:
    """Predict good and defective surfaces, and report on them."""
    good = home / 'learned'
    good.mkdir()
    inspector = AnomalyInspector.fit(
        write(good, 'good', range(60)),
        false_alarm_rate=0.1,
        show_progress=False,
    )
    model = home / 'surface.safetensors'
    inspector.save(model)
    tested = home / 'tested'
    for kind in KINDS:
        (tested / kind).mkdir(parents=True)
        for i in range(60 if kind == 'good' else 30):
            file = tested / kind / f'{i:02d}.png'
            cv2.imwrite(str(file), faint(kind, 60 + i, 0.1 + 0.3 * i / 30))
    os.chdir(home)  # names of folders that a reader would see
    predict_to_folder(Predictor(model), 'tested', 'predictions')
    write_report(['predictions'], truth='tested')
    return home / 'report.html'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=DOCS, help='a folder')
    return parser.parse_args()


def main() -> None:
    """Take the picture."""
    out = parse_args().out.resolve() / 'report.png'
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as tools:
        browser = tools.chromium.launch(
            executable_path=shutil.which('chromium'), args=[*OPTIONS]
        )
        width, height = SIZE
        page = browser.new_page(viewport={'width': width, 'height': height})
        page.goto(make_report(Path(home)).as_uri())
        page.wait_for_selector('.figure .main-svg')
        save(page, out)
        browser.close()


if __name__ == '__main__':
    main()
