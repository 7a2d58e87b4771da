"""Text features: what they are, and that they are made once."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from mmcvgssl.provenance import sources
from tests.clips import (
    KNOWLEDGE,
    STRIP,
    all_clips,
    make_kead,
    random_images,
    slow_texts,
)


@pytest.fixture(scope='module')
def clips():
    return all_clips()


@pytest.mark.parametrize('name', ['plain', 'text-apart'])
def test_text_features_are_means_over_single_prompts(clips, name):
    kead = make_kead(clips[name], knowledge=KNOWLEDGE)
    for category in KNOWLEDGE:
        got = kead.text_features(category)
        with torch.no_grad():
            wanted = slow_texts(clips[name], category)
        for ours, theirs in zip(got, wanted, strict=True):
            torch.testing.assert_close(ours, theirs)


def count_texts(clip: nn.Module, monkeypatch) -> list[int]:
    seen: list[int] = []
    encode = clip.encode_text

    def counted(tokens: Tensor) -> Tensor:
        seen.append(len(tokens))
        return encode(tokens)

    monkeypatch.setattr(clip, 'encode_text', counted)
    return seen


def test_text_features_are_made_once(clips, monkeypatch, tmp_path):
    clip = deepcopy(clips['plain'])
    seen = count_texts(clip, monkeypatch)
    kead = make_kead(clip)
    images = random_images(1)
    kead.predict_maps(images)
    total = sum(seen)
    assert total == 21 * (5 + 6 + 1)
    kead.predict_maps(images)
    assert sum(seen) == total
    # without a folder nothing is left for the next model, with one it is
    wanted = make_kead(clip, cache_dir=tmp_path / 'texts').text_features(
        'strip'
    )
    assert sum(seen) == 2 * total
    got = make_kead(clip, cache_dir=tmp_path / 'texts').text_features('strip')
    assert sum(seen) == 2 * total
    for ours, theirs in zip(got, wanted, strict=True):
        assert torch.equal(ours, theirs)
    (file,) = (tmp_path / 'texts').iterdir()
    file.write_bytes(file.read_bytes()[:40])
    again = make_kead(clip, cache_dir=tmp_path / 'texts')
    for ours, theirs in zip(again.text_features('strip'), wanted, strict=True):
        assert torch.equal(ours, theirs)
    assert sum(seen) == 3 * total


def test_entries_of_other_texts_and_models_are_apart(clips, tmp_path):
    other = deepcopy(clips['plain'])
    with torch.no_grad():
        other.ln_final.bias[0] += 1e-3
    for clip, knowledge in (
        (clips['plain'], STRIP),
        (clips['plain'], {'strip': KNOWLEDGE['tile']}),
        (other, STRIP),
    ):
        make_kead(clip, knowledge=knowledge, cache_dir=tmp_path).text_features(
            'strip'
        )
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ('package', 'entries'),
    [
        *((name, 2) for name in ('open_clip', 'timm', 'torch', 'mmcvgssl')),
        ('cv2', 1),  # reads no words
    ],
)
def test_entries_of_other_versions_are_apart(
    clips, tmp_path, monkeypatch, package, entries
):
    here = sources._versions()
    for found in (here, {**here, package: '999.0'}, here):
        monkeypatch.setattr(sources, '_versions', lambda found=found: found)
        make_kead(clips['plain'], cache_dir=tmp_path).text_features('strip')
    assert len(list(tmp_path.iterdir())) == entries


def test_a_tokenizer_of_another_model_is_refused(clips):
    kead = make_kead(clips['plain'], tokenizer=None)
    with pytest.raises(ValueError, match='knows 50 tokens; set `tokenizer`'):
        kead.text_features('strip')


def test_a_file_of_other_texts_is_not_taken_for_ours(clips, tmp_path):
    plain = {'knowledge': STRIP, 'cache_dir': tmp_path / 'a'}
    wanted = make_kead(clips['plain'], **plain).text_features('strip')
    other = next(name for name in KNOWLEDGE if name != 'strip')
    make_kead(
        clips['plain'], knowledge=KNOWLEDGE, cache_dir=tmp_path / 'b'
    ).text_features(other)
    (ours,) = (tmp_path / 'a').iterdir()
    (theirs,) = (tmp_path / 'b').iterdir()
    assert ours.name != theirs.name
    ours.write_bytes(theirs.read_bytes())
    for _ in range(2):
        got = make_kead(clips['plain'], **plain).text_features('strip')
        for one, other in zip(got, wanted, strict=True):
            assert torch.equal(one, other)
