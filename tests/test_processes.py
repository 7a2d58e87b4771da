"""Work in threads: results in order, and few items ahead."""

import threading

import pytest

from mmcvgssl.processes import in_threads


def test_results_come_in_order_and_from_several_threads():
    gate = threading.Barrier(3, timeout=30)
    seen = set()

    def work(i):
        if i in (0, 8, 16):  # the first of a part each
            gate.wait()
        seen.add(threading.get_ident())
        return i * i

    assert list(in_threads(work, range(40), 3)) == [i * i for i in range(40)]
    assert len(seen) == 3


@pytest.mark.parametrize('count', [1_000, 20_000])
def test_items_ahead_do_not_grow_with_their_number(count):
    taken, ahead = 0, []

    def items():
        nonlocal taken
        for i in range(count):
            taken += 1
            yield i

    for done, _ in enumerate(in_threads(abs, items(), 2)):
        ahead.append(taken - done)
    assert len(ahead) == count
    assert max(ahead) <= 64


def test_the_first_error_ends_it():
    done = []

    def work(i):
        if i in (3, 90):
            raise ValueError(str(i))
        done.append(i)

    with pytest.raises(ValueError, match=r'^3$'):
        list(in_threads(work, range(10_000), 2))
    assert len(done) < 200
