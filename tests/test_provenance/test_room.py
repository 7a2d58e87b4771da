"""Files that would be overwritten by others."""

from types import SimpleNamespace

import pytest

from mmcvgssl.provenance import EARLIER, keep, make_room

OLD = {'a[1].txt': b'old', 'b.txt': b'same'}


@pytest.mark.parametrize(
    ('there', 'files', 'beside', 'moved', 'known'),
    [
        ({}, OLD, [], [], False),
        (OLD, OLD, [], [], True),
        # a part of what is written, as after a full disk
        ({'b.txt': b'same'}, OLD, [], [], True),
        (OLD, {**OLD, 'c.txt': b'more'}, ['*.png'], [], True),
        (OLD, {**OLD, 'b.txt': b'new'}, [], [*OLD], False),
        # hand-made changes
        ({**OLD, 'b.txt': b''}, OLD, [], [*OLD], False),
        # what goes with them goes too, but only then
        (
            {**OLD, 'x.png': b'', 'y.doc': b''},
            {'b.txt': b'new'},
            ['*.png', 'a*'],
            [*OLD, 'x.png'],
            False,
        ),
        ({**OLD, 'x.png': b''}, {'b.txt': b'same'}, ['*.png'], [], True),
        ({'x.png': b''}, OLD, ['*.png'], [], False),
    ],
)
def test_others_are_kept_beside(tmp_path, there, files, beside, moved, known):
    for name, data in there.items():
        (tmp_path / name).write_bytes(data)
    assert make_room(tmp_path, files, 'lists', beside) == known
    after = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob('*')
        if path.is_file()
    }
    stayed = {n: data for n, data in there.items() if n not in moved}
    assert {n: after.pop(n) for n in stayed} == stayed
    assert {name.split('/')[0] for name in after} <= {EARLIER}
    kept = {name.split('/')[2]: data for name, data in after.items()}
    assert kept == {name: there[name] for name in moved}


def test_what_comes_back_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(
        keep, 'current_logger', lambda: SimpleNamespace(info=logged.append)
    )
    new = {**OLD, 'b.txt': b'new'}
    for files in (OLD, new, OLD, new):
        make_room(tmp_path, files, 'lists')
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
    assert len([*(tmp_path / EARLIER).glob('*/b.txt')]) == 1
    assert (tmp_path / 'b.txt').read_bytes() == b'new'
    # the third and the fourth bring back what was moved before
    assert [text.split()[0] for text in logged] == [
        *('made', 'made', 'reused:', 'made', 'reused:')
    ]
    assert logged[0].startswith('made anew: lists: b.txt: ')
    assert str(tmp_path / EARLIER) in logged[0]
