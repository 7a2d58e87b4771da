"""What a data set says of itself."""

import logging

import pytest
from mmengine.logging import MMLogger

from mmcvgssl.datasets import contents as module
from mmcvgssl.datasets.contents import Contents


@pytest.fixture
def logged(monkeypatch):
    """Give level and text of what is logged."""
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'log', lambda *args: lines.append(args))
    return lines


def test_a_summary_counts_and_names():
    contents = Contents('data', {'images': 5, 'good': 3, 'defective': 2})
    assert contents.summary() == (
        'data: 5 images (3 good, 2 defective); left out: nothing'
    )
    contents.leave_out('hidden', '.a.png')
    contents.leave_out('no image by suffix', *(f'{i}.txt' for i in range(9)))
    contents.leave_out('ignored')
    assert contents.summary() == (
        'data: 5 images (3 good, 2 defective); left out: hidden: 1 (.a.png); '
        'no image by suffix: 9 (0.txt, 1.txt, 2.txt, ...)'
    )
    assert contents.n_left_out == 10
    assert contents.as_dict()['left_out'] == {
        'hidden': 1,
        'no image by suffix': 9,
    }


def test_what_is_said_once_is_not_repeated(logged, monkeypatch):
    contents = Contents('data', {'images': 1}, notes=['guessed'])
    contents.warnings.append('look')
    other = Contents('data', {'images': 1})
    for content in (contents, contents, other):
        content.log()
    assert logged == [
        (logging.INFO, 'data: 1 images; left out: nothing'),
        (logging.INFO, 'data: guessed'),
        (logging.WARNING, 'data: look'),
    ]
    other.used['images'] = 2
    monkeypatch.setattr(module, 'process_rank', lambda: 1)
    other.log()
    monkeypatch.setattr(module, 'process_rank', lambda: 0)
    monkeypatch.setattr('torch.utils.data.get_worker_info', lambda: object())
    other.log()
    assert len(logged) == 3
