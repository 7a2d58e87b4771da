"""Pictures of methods are of what the verbs write, and all are shown."""

import re

import cv2
import pytest

from tests.data import ROOT

PAGE = ROOT / 'docs/methods.md'


def shown() -> list[str]:
    return re.findall(r'\(methods_(\w+)\.jpg\)', PAGE.read_text('utf-8'))


def test_each_picture_is_drawn_anew(tool, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    code, _, errors = tool(
        'draw_methods.py', 'cutpaste', '--out', str(tmp_path)
    )
    assert code == 0, errors
    (made,) = tmp_path.iterdir()
    assert made.name == 'methods_cutpaste.jpg'
    there = cv2.imread(str(PAGE.with_name(made.name)))
    assert cv2.imread(str(made)).shape == there.shape


def test_the_page_shows_them_all(tool, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    code, _, errors = tool('draw_methods.py', 'nothing')
    assert code == 2
    named = re.search(r'expected (.+), got nothing', errors)[1].split(', ')
    assert sorted(named) == sorted(shown())
    files = [path.stem for path in PAGE.parent.glob('methods_*.jpg')]
    assert sorted(files) == sorted(f'methods_{name}' for name in named)


@pytest.mark.parametrize('name', shown())
def test_pictures_are_small(name):
    assert PAGE.with_name(f'methods_{name}.jpg').stat().st_size < 60_000
