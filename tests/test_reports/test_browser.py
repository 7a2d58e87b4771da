"""The page in a real browser: it is quiet, and what moves moves."""

import numpy as np
import pytest

from mmcvgssl.apis.features import Features
from mmcvgssl.reports import write_report
from tests.pages import watch
from tests.report_data import (
    THRESHOLD,
    write_anomaly,
    write_boxes,
    write_classes,
    write_few_shot,
    write_pseudo_boxes,
    write_training,
)


class FakeExtractor:
    """Gives each image an embedding by its place."""

    def __init__(self, source, device=None, workers=None) -> None:
        self.source = source

    def __call__(self, paths) -> Features:
        random = np.random.default_rng(0)
        rows = random.normal(size=(len(paths), 6)).astype(np.float32)
        return Features(rows, [*range(len(paths))], {}, {}, {})


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """Write a page of everything, with names that would act if they could."""
    home = tmp_path_factory.mktemp('report')
    work = home / 'work'
    write_training(work / 'first', 2.0)
    write_training(work / 'second', 3.0)
    write_few_shot(work / 'probe')
    write_few_shot(work / 'better', 9.0)
    write_anomaly(work / 'predictions', home / 'parts')
    write_pseudo_boxes(work / 'boxes', ['good/0.png', 'good/1.png'])
    out = home / 'report.html'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'mmcvgssl.reports.embeddings.FeatureExtractor', FakeExtractor
        )
        made = write_report(
            *([work], out),
            truth=home / 'parts',
            images=home / 'parts',
            features='fake',
        )
    assert made.found['training'] == made.found['few-shot'] == 2
    return out


@pytest.fixture
def opened(browser):
    """Open a page; fail on what it asks for, and on errors."""
    pages = []

    def open_(file):
        page = browser.new_page(viewport={'width': 1200, 'height': 900})
        problems: list[str] = []
        pages.append((page, problems))
        own = file.as_uri()
        watch(page, problems, lambda url: url == own or url[:5] == 'data:')
        page.goto(file.as_uri())
        page.wait_for_function(
            "document.querySelectorAll('.figure').length === "
            "document.querySelectorAll('.figure .main-svg:first-child').length"
        )
        return page

    yield open_
    for page, problems in pages:
        assert page.evaluate('window.hacked') is None
        page.close()
        assert problems == []


def test_all_plots_are_drawn(opened, report):
    page = opened(report)
    # loss, metric, few-shot, histogram, boxes and embeddings
    assert page.locator('.figure .main-svg:first-child').count() == 6
    lines = page.locator('.plot').first.locator('.scatterlayer .js-line')
    assert lines.count() == 2
    assert page.locator('.errorbar').count() == 4
    for picture in page.locator('.gallery img').all():
        assert picture.evaluate('image => image.naturalWidth') > 0


def test_another_value_can_be_chosen(opened, report):
    page = opened(report)
    home = page.locator('.plot').first
    assert home.locator('.ytitle').text_content() == 'loss'
    home.locator('select').select_option('lr')
    page.wait_for_function(
        "document.querySelector('.plot .ytitle').textContent === 'lr'"
    )


def test_the_threshold_moves_what_follows_it(opened, report):
    page = opened(report)
    said = {
        name: page.locator(f'.slider .{name}').text_content
        for name in ('threshold', 'detected', 'false-alarms')
    }
    assert float(said['threshold']()) == THRESHOLD
    assert said['detected']() == '9 of 10 defective images (90.0 %)'
    assert said['false-alarms']() == '1 of 10 good images (10.0 %)'
    badges = page.locator('.gallery .badge').all_text_contents()
    assert badges[:2] == ['missed', 'false alarm']
    slider = page.locator('.slider input')
    slider.press('Home')  # below all scores
    assert said['detected']() == '10 of 10 defective images (100.0 %)'
    assert said['false-alarms']() == '10 of 10 good images (100.0 %)'
    badges = page.locator('.gallery .badge').all_text_contents()
    assert badges[:2] == ['found', 'false alarm']
    slider.press('End')  # the highest score itself
    assert said['detected']() == '0 of 10 defective images (0.0 %)'
    assert said['false-alarms']() == '0 of 10 good images (0.0 %)'
    missed = page.locator('.groups .below').all_text_contents()
    assert missed == ['6', '4']


def test_a_point_shows_its_picture(opened, report):
    page = opened(report)
    thumb = page.locator('#thumb')
    assert thumb.is_hidden()
    point = page.locator('.plot .figure').last.locator('path.point').first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(
        box['x'] + box['width'] / 2, box['y'] + box['height'] / 2, steps=4
    )
    thumb.wait_for(state='visible')
    width = thumb.locator('img').evaluate('image => image.naturalWidth')
    assert width == 32
    page.mouse.move(2, 2)
    thumb.wait_for(state='hidden')


def test_classes_and_boxes_with_names_that_are_code(opened, tmp_path):
    write_classes(tmp_path / 'work' / 'classes', tmp_path / 'c')
    made = write_report(
        [tmp_path / 'work'], tmp_path / 'c.html', truth=tmp_path / 'c'
    )
    assert made.notes == []
    page = opened(made.file)
    cells = page.locator('.heatmaplayer ~ *, .heatmaplayer').first
    assert cells.is_visible()
    assert page.locator('.badge.wrong').count() == 1
    folder, truth = write_boxes(tmp_path / 'boxes', tmp_path / 'b')
    made = write_report([folder], tmp_path / 'b.html', truth=truth)
    page = opened(made.file)
    detected = page.locator('.slider .detected')
    page.locator('.slider input').press('Home')
    assert detected.text_content() == '1 of 2 true boxes (50.0 %)'
    said = page.locator('.slider .false-alarms').text_content()
    assert said == '1 false boxes, 0.33 an image'
    page.locator('.slider input').press('End')  # a box of this score counts
    assert detected.text_content() == '1 of 2 true boxes (50.0 %)'
