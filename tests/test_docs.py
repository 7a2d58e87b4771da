"""What the documentation names is there; its commands are run elsewhere."""

import re
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmcvgssl.apis import load_config
from tests.data import CONFIGS, ROOT
from tests.doc_commands import PAGES, blocks


def test_the_config_for_own_data_loads_and_is_short(tmp_path):
    block = blocks('README.md', 'python')[0]
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) <= 5
    path = tmp_path / 'mine.py'
    path.write_text(block)
    cfg = load_config(path)
    assert cfg.train_dataloader.dataset.data_root == 'data/my_surface'
    assert cfg.few_shot.test.data_root == 'data/my_surface'
    assert cfg.model.type == 'mmcvgssl.CVGSSL'
    assert '_scope_' not in cfg.pretty_text


@pytest.mark.parametrize('page', PAGES)
def test_a_data_set_takes_two_lines(page, tmp_path):
    for block in blocks(page, 'python'):
        if 'datasets/' not in block:
            continue
        path = tmp_path / 'mine.py'
        path.write_text(block)
        cfg = load_config(path)
        (name,) = re.findall(r'datasets/(\w+)', block)
        given = Config.fromfile(CONFIGS / f'_base_/datasets/{name}.py')
        given = given.get('data_set', given)
        assert cfg.train_dataloader.dataset.data_root == given.data_root


@pytest.mark.parametrize('page', PAGES)
def test_links_name_what_exists(page):
    path = ROOT / page
    for target in re.findall(r'\]\(([^)]+)\)', path.read_text('utf-8')):
        if '://' in target:
            continue
        name, _, section = target.partition('#')
        file = path.parent / name if name else path
        assert file.exists(), target
        assert not section or section in sections(file), target


def sections(file: Path) -> set[str]:
    """Return what links to the headings of a page are called."""
    text = re.sub(r'```.*?```', '', file.read_text('utf-8'), flags=re.S)
    headings = re.findall(r'^#+ (.+)$', text, re.M)
    return {
        re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')
        for heading in headings
    }


def test_every_tool_is_named():
    said = ''.join((ROOT / page).read_text('utf-8') for page in PAGES)
    tools = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'tools').rglob('*.py')
        if "__name__ == '__main__'" in path.read_text('utf-8')
    }
    assert len(tools) > 20
    assert {name for name in tools if name not in said} == set()


def test_the_index_names_what_exists():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert set(index['Import']) == {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob('configs/**/metafile.yml')
    }
    for file in index['Import']:
        content = yaml.safe_load((ROOT / file).read_text())
        names = {collection['Name'] for collection in content['Collections']}
        for collection in content['Collections']:
            assert (ROOT / collection['README']).is_file()
            code = collection.get('Code', {}).get('URL', 'README.md')
            assert (ROOT / code).is_file()
        for model in content['Models']:
            assert model['In Collection'] in names
            path = ROOT / model['Config']
            assert path.stem == model['Name']
            assert (
                load_config(path).train_cfg.max_epochs
                == model['Metadata']['Epochs']
            )
