"""Metadata of exported files is read back, and changed bytes are seen."""

import json

import pytest

from mmcvgssl.export.metadata import (
    EMPTY_SEAL,
    SEAL,
    ExportedFileError,
    Metadata,
    check_seal,
    seal,
)
from tests.test_export.examples import metadata

# as ONNX (protobuf) and OpenVINO (XML) write a name and its value
FILES = {
    'onnx': b'\x08\x0a\x0c' + SEAL.encode() + b'\x12\x40' + b'%s' + b'\xffend',
    'xml': b'<a/><' + SEAL.encode() + b' value="' + b'%s' + b'" /><b/>',
}


def test_metadata_is_read_back():
    notes = metadata(classes=['scratch', 'Riß'], licences=['CC BY'])
    assert Metadata.from_json(notes.to_json(), 'a.onnx') == notes


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (None, 'expected a file of mmcvgssl export'),
        ('no JSON', 'expected a file of mmcvgssl export'),
        ('[]', 'expected a file of mmcvgssl export'),
        ({'format': 'other'}, 'expected a file of mmcvgssl export'),
        ({'version': 1}, 'is of version 1 of exported files'),
        ({'version': 3}, 'is of version 3 of exported files'),
        ({'more': 1}, 'differs from the format in more'),
    ],
)
def test_other_metadata_is_refused(change, expected):
    text = change
    if isinstance(change, dict):
        text = json.dumps({**json.loads(metadata().to_json()), **change})
    with pytest.raises(ExportedFileError, match=expected):
        Metadata.from_json(text, 'a.onnx')


@pytest.mark.parametrize('name', FILES)
def test_a_changed_byte_anywhere_is_seen(name):
    sealed = seal(FILES[name] % EMPTY_SEAL.encode())
    assert EMPTY_SEAL.encode() not in sealed
    check_seal(sealed, 'a.onnx')
    for i in range(len(sealed)):
        changed = bytes([*sealed[:i], sealed[i] ^ 1, *sealed[i + 1 :]])
        with pytest.raises(ExportedFileError, match=r'^a\.onnx'):
            check_seal(changed, 'a.onnx')
    for odd in (sealed[:-1], sealed + b' ', b'', b'another file'):
        with pytest.raises(ExportedFileError, match=r'^a\.onnx'):
            check_seal(odd, 'a.onnx')
