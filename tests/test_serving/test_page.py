"""The page in a real browser."""

import os
import re
import shutil
import zipfile

import pytest

from mmcvgssl.apis import AnomalyInspector, DefectClassifier
from tests.data import picture
from tests.pages import watch

# whether all pictures are there
SHOWN = """() => [...document.querySelectorAll('.card img')]
    .every((img) => img.complete && img.naturalWidth)"""


OWN = re.compile(r'http://127\.0\.0\.1:|data:|blob:')


@pytest.fixture
def visit(browser):
    """Open pages; none may complain, or ask elsewhere than this machine."""
    contexts, wrong = [], []

    def open_page(url):
        context = browser.new_context(viewport={'width': 1200, 'height': 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        watch(page, wrong, OWN.match)
        page.goto(url)
        page.wait_for_selector('.drop')
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def send(page, paths):
    """Choose files, and wait until they are judged."""
    page.set_input_files('.drop input', [str(path) for path in paths])
    page.wait_for_selector('.summary a')


def shown(page):
    """Return badge, score and name of each card."""
    cards = page.locator('.card figcaption').all_inner_texts()
    return [card.split('\n') for card in cards]


def type_threshold(page, value):
    field = page.locator('#threshold input[type=number]')
    field.fill(str(value))
    field.press('Enter')


def test_images_are_judged(example_folder, serving, visit, tmp_path):
    model = example_folder / 'model.safetensors'
    paths = sorted((example_folder / 'test_images').rglob('*.png'))
    named = []
    for i, path in enumerate(paths):
        named.append(tmp_path / f'{i}.png')
        shutil.copy(path, named[-1])
    inspector = AnomalyInspector(model, show_progress=False)
    expected = {
        f'{i}.png': result for i, result in enumerate(inspector(paths))
    }
    server = serving(model)
    page = visit(server.address.url)
    send(page, named)
    page.wait_for_selector('.card img')
    found = {name: (badge, score) for badge, score, name in shown(page)}
    assert found == {
        name: (result.verdict, f'{result.score:.4f}')
        for name, result in expected.items()
    }
    scores = [float(score) for _, score, _ in shown(page)]
    assert scores == sorted(scores, reverse=True)
    # heatmap beside the image
    page.locator('.card').first.click()
    for kind in ('picture', 'drawn'):
        large = page.locator(f'dialog img.{kind}')
        large.wait_for()
        page.wait_for_function(
            'k => document.querySelector(`dialog img.${k}`).naturalWidth',
            arg=kind,
        )
    page.keyboard.press('Escape')
    # verdicts follow the threshold
    low = min(result.score for result in expected.values()) / 2
    type_threshold(page, low)
    page.wait_for_selector('.summary:has-text("4 defective")')
    assert {badge for badge, _, _ in shown(page)} == {'defective'}
    type_threshold(page, 2 * max(scores))
    page.wait_for_selector('.summary:has-text("0 defective")')
    assert {badge for badge, _, _ in shown(page)} == {'good'}
    page.click('#reset')
    count = sum(result.is_defective for result in expected.values())
    page.wait_for_selector(f'.summary:has-text("{count} defective")')
    page.wait_for_function(
        "t => document.querySelector('#threshold input').valueAsNumber === t",
        arg=inspector.threshold,
    )
    with page.expect_download() as download:
        page.click('text=ZIP')
    download.value.save_as(tmp_path / 'results.zip')
    with zipfile.ZipFile(tmp_path / 'results.zip') as archive:
        assert 'overlays/3.png.png' in archive.namelist()
    # another visitor sees nothing of it
    other = visit(server.address.url)
    assert shown(other) == []
    assert len(server.sessions) == 2
    # nothing stays when the page is closed
    page.wait_for_function(SHOWN)  # as none can be had any more then
    page.once('dialog', lambda asked: asked.dismiss())
    with page.expect_response('**/queue/join*'):
        page.click('#clear')
    page.wait_for_timeout(300)
    assert page.locator('.card').count() == 4
    page.once('dialog', lambda asked: asked.accept())
    page.click('#clear')
    page.wait_for_selector('.card', state='detached')
    page.close()
    for _ in range(100):
        if len([*server.sessions.home.iterdir()]) == 1:
            break
        other.wait_for_timeout(50)
    assert len([*server.sessions.home.iterdir()]) == 1
    assert len(server.sessions) == 1


def test_labels_are_learned(classifier, photographs, serving, visit, tmp_path):
    flowers, china = photographs['flower'][2:], photographs['china'][2:]
    odd = []
    for i in range(3):
        odd.append(tmp_path / f'stripes{i}.png')
        picture(3 * i, 96).save(odd[-1])
    page = visit(serving(classifier).address.url)
    send(page, [*flowers, *china, *odd])
    assert page.locator('.class[data-label]').all_inner_texts() == [
        *('china', 'flower'),
    ]
    before = [name for _, _, name in shown(page)]
    assert len(before) == 15
    first = DefectClassifier(classifier, show_progress=False)
    assert {name: badge for badge, _, name in shown(page)} == {
        path.name: first(path)[0].label for path in [*flowers, *china, *odd]
    }
    for path in odd[:2]:
        page.click(f'.card[data-name="{path.name}"]')
    page.fill('.new', 'stripes')
    page.click('.add')
    page.wait_for_selector('.class:has-text("stripes")')
    labelled = {name: badge for badge, _, name in shown(page)}
    assert labelled['stripes0.png'] == labelled['stripes1.png'] == '✓ stripes'
    # what it thinks of the rest, in a new order
    assert labelled['stripes2.png'] == 'stripes'
    after = [name for _, _, name in shown(page)]
    assert after != before
    assert [*after[-2:]] == ['stripes0.png', 'stripes1.png']
    # dragged onto a class
    page.drag_and_drop(
        f'.card[data-name="{china[0].name}"]', '.class[data-label="china"]'
    )
    page.wait_for_selector(f'.card.labelled[data-name="{china[0].name}"]')
    with page.expect_download() as download:
        page.click('text=Model file')
    file = tmp_path / 'learned.safetensors'
    download.value.save_as(file)
    learned = DefectClassifier(file, show_progress=False)
    assert learned.classes == ('china', 'flower', 'stripes')
    results = learned([*flowers, *china, *odd])
    on_page = {name: (badge, score) for badge, score, name in shown(page)}
    for result in results:
        name = os.path.basename(result.path)
        badge, score = on_page[name]
        assert score == f'{result.probability:.2f}'
        assert badge in (result.label, f'✓ {result.label}')
