"""Labels that neighbours contradict."""

import numpy as np
import pytest

from mmcvgssl.evaluation.label_errors import (
    NEIGHBOURS,
    find_label_errors,
    neighbour_shares,
)


def clusters(counts=(30, 20, 12), seed=0):
    """Make rows of as many directions as there are classes."""
    random = np.random.RandomState(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = 4 * np.eye(len(counts), 8)[labels]
    return rows + random.normal(0, 0.5, rows.shape), labels


def slow_shares(rows, labels, groups, neighbours):
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.zeros((len(rows), labels.max() + 1))
    for i in range(len(rows)):
        firsts = [j for j in range(len(rows)) if groups[j] not in groups[:j]]
        others = [j for j in firsts if groups[i] != groups[j]]
        others.sort(key=lambda j: -float(rows[i] @ rows[j]))
        for j in others[:neighbours]:
            shares[i, labels[j]] += 1 / len(others[:neighbours])
    return shares


@pytest.mark.parametrize('neighbours', [1, 5, 100])
@pytest.mark.parametrize('grouped', [False, True])
def test_shares_are_those_of_the_nearest(neighbours, grouped, monkeypatch):
    monkeypatch.setattr('mmcvgssl.evaluation.label_errors._BLOCK', 700)
    rows, labels = clusters()
    groups = np.arange(len(rows)) // (3 if grouped else 1)
    found = neighbour_shares(
        rows, labels, groups if grouped else None, neighbours
    )
    expected = slow_shares(rows, labels, groups, neighbours)
    np.testing.assert_allclose(found, expected, atol=1e-6)


class Counted(np.ndarray):
    """Counts copies that indices make."""

    copies = 0

    def __getitem__(self, key):
        Counted.copies += isinstance(key, np.ndarray)
        return super().__getitem__(key)


@pytest.mark.parametrize('block', [700, 1 << 24])
def test_voters_are_copied_once_whatever_the_number_of_blocks(
    block, monkeypatch
):
    monkeypatch.setattr('mmcvgssl.evaluation.label_errors._BLOCK', block)
    rows, labels = clusters()
    Counted.copies = 0
    neighbour_shares(rows.view(Counted), labels, np.arange(len(rows)) // 3)
    assert Counted.copies == 1


def test_flipped_labels_are_found():
    rows, labels = clusters()
    flipped = labels.copy()
    flipped[[3, 35, 55]] = [2, 0, 1]
    found = find_label_errors(rows, flipped)
    assert {e.index: e.suggested for e in found} == {3: 0, 35: 1, 55: 2}
    assert all(error.share == 1 for error in found)
    assert find_label_errors(rows, labels) == []


def test_copies_have_no_vote_on_each_other():
    rows, labels = clusters()
    rows = np.concatenate([rows, rows[[3] * NEIGHBOURS]])
    labels = np.concatenate([labels, [2] * NEIGHBOURS])
    labels[3] = 2
    groups = np.arange(len(rows))
    groups[-NEIGHBOURS:] = 3
    named = {error.index for error in find_label_errors(rows, labels, groups)}
    assert named == {3, *range(62, 62 + NEIGHBOURS)}
    assert 3 not in {error.index for error in find_label_errors(rows, labels)}


@pytest.mark.parametrize('labels', [[], [0], [0, 1], [0, 0, 0, 1]])
def test_few_images_have_no_errors(labels):
    rows = np.ones((len(labels), 3)) + np.arange(len(labels))[:, None]
    assert find_label_errors(rows, np.array(labels, int)) == []
