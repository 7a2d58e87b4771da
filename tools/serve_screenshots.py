"""Take the pictures of docs/serve.md, of images that are made here.

Needs Chromium and the extra `dev`. Writes docs/serve_inspect.png and
docs/serve_label.png.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmcvgssl.apis import AnomalyInspector, FewShotClassifier
from mmcvgssl.serving import Address, Server

DOCS = Path(__file__).resolve().parents[1] / 'docs'
SIDE, SIZE = 160, (1240, 980)  # pixels, of images and of the window
OPTIONS = ('--no-sandbox', '--disable-gpu', '--disable-background-networking')
KINDS = ('good', 'scratch', 'pit', 'stain')


def surface(kind: str, seed: int) -> np.ndarray:
    """Make a brushed surface with a defect of a kind, BGR uint8."""
    random = np.random.RandomState(1000 * KINDS.index(kind) + seed)
    lines = random.normal(0, 14, (SIDE, 1)) + random.normal(0, 5, (SIDE, SIDE))
    grey = 128 + cv2.GaussianBlur(lines, (9, 1), 0)
    x, y = random.randint(45, SIDE - 45, 2).tolist()
    mark = np.zeros((SIDE, SIDE), np.float32)
    if kind == 'scratch':
        end = (x + random.randint(-40, 40), y + random.randint(25, 40))
        cv2.line(mark, (x, y - 25), end, 90, 2, cv2.LINE_AA)
    elif kind == 'pit':
        for dx, dy in random.randint(-14, 14, (4, 2)).tolist():
            cv2.circle(mark, (x + dx, y + dy), 4, -95, -1, cv2.LINE_AA)
    elif kind == 'stain':
        axes = tuple(random.randint(18, 30, 2).tolist())
        cv2.ellipse(mark, (x, y), axes, 0, 0, 360, -55, -1)
        mark = cv2.GaussianBlur(mark, (25, 25), 0)
    values = np.clip(grey + mark, 0, 255).astype(np.uint8)
    return cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)


def write(folder: Path, kind: str, seeds: range) -> list[Path]:
    """Write images of a kind."""
    paths = [folder / f'{kind}_{seed:02d}.png' for seed in seeds]
    for path, seed in zip(paths, seeds, strict=True):
        cv2.imwrite(str(path), surface(kind, seed))
    return paths


def inspect(folder: Path, browser: Any, out: Path) -> None:
    """Show the page of an anomaly model."""
    inspector = AnomalyInspector.fit(
        write(folder, 'good', range(60)),
        false_alarm_rate=0.1,
        show_progress=False,
    )
    model = folder / 'surface.safetensors'
    inspector.save(model)
    sent = write(folder, 'good', range(60, 66))
    for kind in KINDS[1:]:
        sent += write(folder, kind, range(4))
    with Server(str(model), Address.take(port=0)) as server:
        server.start()
        page = opened(browser, server.address.url, sent)
        save(page, out)


def label(folder: Path, browser: Any, out: Path) -> None:
    """Show the page of a few-shot classifier while a class is added."""
    model = folder / 'defects.safetensors'
    known = {kind: write(folder, kind, range(2)) for kind in KINDS[:3]}
    FewShotClassifier.fit(known, show_progress=False).save(model)
    sent = [p for kind in KINDS for p in write(folder, kind, range(10, 16))]
    with Server(str(model), Address.take(port=0)) as server:
        server.start()
        page = opened(browser, server.address.url, sent)
        page.click('.card[data-name="stain_10.png"]')
        page.click('.card[data-name="stain_11.png"]')
        page.fill('.new', 'stain')
        page.click('.add')
        page.wait_for_selector('.class:has-text("stain")')
        page.click('.card >> nth=0')
        page.click('.card >> nth=1')
        page.evaluate("document.querySelector('#summary').scrollIntoView()")
        save(page, out)


def opened(browser: Any, url: str, paths: list[Path]) -> Any:
    """Open a page, and send images."""
    width, height = SIZE
    page = browser.new_page(viewport={'width': width, 'height': height})
    page.goto(url)
    page.wait_for_selector('.drop')
    page.set_input_files('.drop input', [str(path) for path in paths])
    page.wait_for_selector('.summary a')
    return page


def save(page: Any, out: Path) -> None:
    """Save what a page shows in 256 colours, and close it."""
    page.wait_for_timeout(1000)  # for pictures to come
    shown = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
    shown.quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)
    page.close()


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=DOCS, help='a folder')
    return parser.parse_args()


def main() -> None:
    """Take the pictures."""
    args = parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as tools:
        browser = tools.chromium.launch(
            executable_path=shutil.which('chromium'), args=[*OPTIONS]
        )
        for take in (inspect, label):
            folder = Path(home) / take.__name__
            folder.mkdir()
            take(folder, browser, args.out / f'serve_{take.__name__}.png')
        browser.close()


if __name__ == '__main__':
    main()
