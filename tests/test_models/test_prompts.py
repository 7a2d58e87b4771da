"""Knowledge files and the prompts made of them."""

import json

import pytest
import yaml

from mmcvgssl.models.anomaly.prompts import (
    ANOMALOUS_STATES,
    NORMAL_STATES,
    TEMPLATES,
    Knowledge,
    KnowledgeError,
    build_prompts,
    load_knowledge,
    shipped_knowledge,
)

STRIP = {
    'name': 'steel strip',
    'good': ['clean {}'],
    'defects': ['{} with rust', 'a scratch on {}, and {} is bad'],
}
MVTEC = {
    *('bottle', 'cable', 'capsule', 'carpet', 'grid', 'hazelnut', 'leather'),
    *('metal_nut', 'pill', 'screw', 'tile', 'toothbrush', 'transistor'),
    *('wood', 'zipper'),
}


def test_prompts_are_all_states_in_all_templates():
    known = load_knowledge({'strip': STRIP})['strip']
    prompts = build_prompts(known)
    assert len(set(TEMPLATES)) == len(TEMPLATES) == 21
    assert len(NORMAL_STATES) == len(ANOMALOUS_STATES) == 4
    assert len(set(prompts.normal)) == 21 * (4 + 1)
    assert len(set(prompts.anomalous)) == 21 * (4 + 2)
    assert len(prompts.redundant) == 21
    assert 'a photo of the steel strip.' in prompts.normal
    assert 'a blurry photo of a flawless steel strip.' in prompts.normal
    assert 'a dark photo of the clean steel strip.' in prompts.normal
    assert (
        'a photo of a damaged steel strip for visual inspection.'
        in prompts.anomalous
    )
    assert (
        'a photo of a small a scratch on steel strip, and steel strip is bad.'
        in prompts.anomalous
    )
    assert 'a photo of the .' in prompts.redundant
    everything = (*prompts.normal, *prompts.anomalous, *prompts.redundant)
    assert not any('{' in text or '}' in text for text in everything)


def test_braces_in_a_name_stay():
    known = Knowledge('part {7}', ('new {}',), ('old {}',))
    assert 'a photo of the new part {7}.' in build_prompts(known).normal


@pytest.mark.parametrize('suffix', ['.yaml', '.yml', '.json'])
def test_a_file_holds_several_categories(tmp_path, suffix):
    file = tmp_path / f'mine{suffix}'
    content = {
        'strip': STRIP | {'normal_images': ['good/1.png', '/abs/2.png']},
        'pipe': STRIP | {'name': 'pipe'},
    }
    dump = json.dumps if suffix == '.json' else yaml.safe_dump
    file.write_text(dump(content))
    known = load_knowledge(file)
    assert list(known) == (
        ['strip', 'pipe'] if suffix == '.json' else ['pipe', 'strip']
    )
    assert known['pipe'] == Knowledge(
        'pipe', ('clean {}',), tuple(STRIP['defects'])
    )
    assert known['strip'].normal_images == (
        str(tmp_path / 'good/1.png'),
        '/abs/2.png',
    )


def test_shipped_knowledge_is_whole():
    assert shipped_knowledge() == [
        *('casting_billet', 'magnetic_tile', 'mvtec', 'steel_pipe'),
        'steel_strip',
    ]
    assert set(load_knowledge('mvtec')) == MVTEC
    for name in shipped_knowledge():
        known = load_knowledge(name)
        assert name == 'mvtec' or list(known) == [name]
        for facts in known.values():
            assert len(facts.good) >= 2
            assert len(facts.defects) >= 3
            assert not facts.normal_images
            texts = (*facts.good, *facts.defects)
            assert len(set(texts)) == len(texts)
    (strip,) = load_knowledge('steel_strip').values()
    kinds = ('crazing', 'inclusion', 'patches', 'pitted', 'scale', 'scratch')
    for kind, sentence in zip(kinds, strip.defects, strict=True):
        assert kind in sentence
    (tile,) = load_knowledge('magnetic_tile').values()
    kinds = ('blowhole', 'break', 'crack', 'fray', 'uneven')
    for kind, sentence in zip(kinds, tile.defects, strict=True):
        assert kind in sentence


@pytest.mark.parametrize(
    ('entry', 'words'),
    [
        (STRIP | {'good': []}, ['strip', 'good is empty']),
        (STRIP | {'defects': []}, ['defects is empty', '{}']),
        ({'name': 'x', 'good': ['{}']}, ['defects is empty']),
        (STRIP | {'defects': ['rust']}, ["'rust'", 'without {}']),
        (STRIP | {'good': ['clean']}, ["'clean'", 'without {}']),
        (STRIP | {'good': 'clean {}'}, ["'clean {}'", 'a list of texts']),
        (STRIP | {'defects': ['{} a', 3]}, ['3', 'put quotes']),
        (STRIP | {'defects': ['{} a', {}]}, ['put quotes']),
        (STRIP | {'name': ' '}, ['name is', 'what prompts call it']),
        ({'good': ['{}'], 'defects': ['{}']}, ['name is None']),
        (STRIP | {'defect': ['{} bad']}, ['has defect,', 'defects: [']),
        (STRIP | {'normal_images': 'a.png'}, ['normal_images', 'a list']),
        (['{}'], ['strip', 'expected {category']),
    ],
)
def test_bad_knowledge_says_where_and_what(tmp_path, entry, words):
    file = tmp_path / 'mine.yaml'
    file.write_text(yaml.safe_dump({'strip': entry}))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(file)
    for word in ['mine.yaml', *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize('text', ['', '- a\n- b\n', '{}', 'a: [', '\t'])
def test_a_file_without_categories_is_refused(tmp_path, text):
    file = tmp_path / 'mine.yaml'
    file.write_text(text)
    with pytest.raises(KnowledgeError, match=r'mine\.yaml'):
        load_knowledge(file)


def bomb() -> str:
    """Nine lists, each of nine times the one before."""
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
    for i in range(1, 9):
        lines.append(f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]')
    entry = 'strip: {name: s, good: *a8, defects: *a8}'
    return '\n'.join([*lines, entry])


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('bomb.yaml', bomb()),
        ('bomb.yaml', bomb().partition('strip')[0] + 'b: {name: *a8}'),
        ('deep.yaml', 'a: ' + '[' * 5000),
        ('deep.json', '[' * 100_000),
        ('large.yaml', '#' * (1 << 20) + '\na: 1'),
        ('call.yaml', '!!python/object/apply:os.system ["touch called"]'),
    ],
)
def test_a_file_of_others_costs_nothing(tmp_path, name, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(KnowledgeError, match=name) as caught:
        load_knowledge(file)
    assert len(str(caught.value)) < 1000
    assert not (tmp_path / 'called').exists()


def test_a_file_that_is_not_json_is_refused(tmp_path):
    file = tmp_path / 'mine.json'
    file.write_text('a: 1')
    with pytest.raises(KnowledgeError, match=r'mine\.json cannot be read'):
        load_knowledge(file)


@pytest.mark.parametrize('source', ['steel', 'no/where.yaml'])
def test_unknown_knowledge_names_what_there_is(source):
    with pytest.raises(FileNotFoundError) as caught:
        load_knowledge(source)
    for word in (source, '.yaml', 'steel_strip', 'mvtec'):
        assert word in str(caught.value)
