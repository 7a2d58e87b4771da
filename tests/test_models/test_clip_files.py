"""Files that are called as published weights of CLIP."""

import hashlib
import re

import pytest

from mmcvgssl.models.teachers.clip_files import (
    check_published,
    published_digests,
)
from mmcvgssl.models.teachers.open_clip_teacher import create_clip
from mmcvgssl.weights import WeightsError
from tests.data import ROOT


def test_the_page_has_what_open_clip_knows():
    page = (ROOT / 'docs/clip_weights.md').read_text('utf-8')
    rows = re.findall(
        r'^\| \w+ \| `([^`]+)` \| `\w+` \| `([^`]+)` \| [a-z ]*`(\w+)` \|$',
        page,
        re.M,
    )
    assert len(rows) == 3
    for name, file, digest in rows:
        assert published_digests(name)[file] == digest


@pytest.mark.parametrize(
    ('name', 'file', 'refused'),
    [
        ('RN50', 'RN50.pt', True),
        ('RN50', 'mine.pt', False),
        # published for another architecture
        ('RN50', 'ViT-B-32.pt', False),
        ('ViT-B-32-quickgelu', 'ViT-B-32.pt', True),
        (
            'ViT-B-16-plus-240',
            'vit_b_16_plus_240-laion400m_e32-699c4b84.pt',
            True,
        ),
        ('no-such-model', 'RN50.pt', False),
    ],
)
def test_other_content_under_a_published_name(tmp_path, name, file, refused):
    path = tmp_path / file
    path.write_bytes(b'cut off')
    if not refused:
        check_published(path, name)
        return
    own = hashlib.sha256(b'cut off').hexdigest()
    wanted = published_digests(name)[file]
    with pytest.raises(WeightsError, match=f'{wanted}, .* {own}') as caught:
        create_clip(name, None, str(path), False, owner='KeAD')
    assert str(path) in str(caught.value)


def test_the_published_content_is_taken(tmp_path, monkeypatch):
    path = tmp_path / 'RN50.pt'
    path.write_bytes(bytes(3 << 20))
    digest = hashlib.sha256(bytes(3 << 20)).hexdigest()
    for wanted in (digest, digest[:8]):
        monkeypatch.setattr(
            'mmcvgssl.models.teachers.clip_files.published_digests',
            lambda name, wanted=wanted: {'RN50.pt': wanted},
        )
        check_published(path, 'RN50')
