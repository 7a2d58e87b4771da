"""What the documentation names is there; its commands are run elsewhere."""

import ast
import re
import shutil
from importlib.metadata import distribution, metadata
from pathlib import Path

import pytest
import timm
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmcvgssl.apis import load_config
from mmcvgssl.cli import main
from mmcvgssl.compat.hosts import EXTRAS
from mmcvgssl.registry import MODELS
from mmcvgssl.version import __version__
from tests.data import CONFIGS, ROOT, picture
from tests.doc_commands import PAGES, blocks
from tests.messages import is_said


def test_the_config_for_own_data_loads_and_is_short(tmp_path):
    block = blocks('docs/own_images.md', 'python')[0]
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


def test_configs_of_new_parts_build(tmp_path, monkeypatch):
    (tmp_path / 'ckp').mkdir()
    net = timm.create_model('resnet18')
    torch.save(net.state_dict(), tmp_path / 'ckp/resnet18.pth')
    monkeypatch.chdir(tmp_path)
    found = blocks('docs/howto/new_parts.md', 'python')
    assert len(found) == 3
    for block in found:
        path = tmp_path / 'mine.py'
        path.write_text(block)
        cfg = load_config(path)
        init_default_scope(cfg.default_scope)
        MODELS.build(cfg.model)


RECIPE = 'cvgssl-regress_resnet18_lite0_1xb64-400e_folder'
# commands, and what their errors hold
RAISED = [
    (f'train {RECIPE}', 'expected the folder of the images as'),
    (f'train {RECIPE} --cfg-options data_root=', "data_root='' is empty"),
    (f'train {RECIPE} --cfg-options data_root=empty', ': no images;'),
    (f'train {RECIPE} --cfg-options veiw_size=96', f'{RECIPE}.py has no'),
    (
        f'train {RECIPE} --cfg-options train_cfg.max_epochs=many',
        "train_cfg.max_epochs='many': expected",
    ),
    ('serve model.safetensors --port 99999', 'expected a port of 1 to'),
    (
        'predict cut.safetensors images --out found',
        '.safetensors is cut off or damaged',
    ),
    (
        'fit patchcore_lite0_folder --out a.safetensors --cfg-options '
        'data_root=unclear',
        ': which images are good?',
    ),
    (
        'train agdp_rtmdet_tiny_1xb16-10e_pseudo-boxes --cfg-options '
        'img=images ann_file=COCO.json',
        'frozen_stages=4 of CSPNeXt would',
    ),
]


def test_errors_that_pages_explain_are_those_of_the_code():
    quoted = blocks('docs/troubleshooting.md', 'text')
    assert len(quoted) > 20
    raised = [beginning for _, beginning in RAISED]
    for message in quoted:
        line = ' '.join(message.split())
        assert is_said(message) or any(text in line for text in raised), line
    # a pattern that took anything would say so of these, too
    for other in (
        'expected the folder of the pictures as data_root, got none',
        quoted[0].replace('OpenCV', 'Pillow'),
        quoted[-1].replace('reload', 'restart'),
    ):
        assert not is_said(other)


@pytest.mark.parametrize(('words', 'beginning'), RAISED)
def test_the_command_says_what_the_page_explains(
    words, beginning, example_folder, tmp_path, monkeypatch, capsys
):
    shutil.copytree(example_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / 'empty').mkdir()
    for name in 'ab':
        (tmp_path / 'unclear' / name).mkdir(parents=True)
        picture(0).save(tmp_path / f'unclear/{name}/0.png')
    content = (tmp_path / 'model.safetensors').read_bytes()
    (tmp_path / 'cut.safetensors').write_bytes(content[: len(content) // 2])
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 1
    said = ' '.join(capsys.readouterr().err.split())
    assert beginning in said
    (quoted,) = (
        ' '.join(block.split())
        for block in blocks('docs/troubleshooting.md', 'text')
        if beginning in ' '.join(block.split())
    )
    # values apart, the end of the sentence is the same
    assert (
        said.partition(beginning)[2][:40]
        == (quoted.partition(beginning)[2][:40])
    )


LANGUAGES = {'', 'bash', 'dockerfile', 'json', 'python', 'sh', 'text', 'yaml'}
COMMANDS = r'^(\$ )?(mmcvgssl|mim|python3?|pip|make|torchrun|tools/\S+) '


@pytest.mark.parametrize('page', PAGES)
def test_commands_stand_in_blocks_that_say_whether_they_are_run(page):
    """Those of ``bash`` are run, those of ``sh`` need what is said."""
    text = (ROOT / page).read_text('utf-8')
    fences = list(re.finditer(r'^ *```(\w*)$', text, re.M))
    assert len(fences) % 2 == 0
    for first, last in zip(fences[::2], fences[1::2], strict=True):
        language, block = first[1], text[first.end() : last.start()]
        assert last[1] == ''
        assert language in LANGUAGES, (page, language)
        if language not in ('bash', 'sh'):
            assert not re.search(COMMANDS, block, re.M), block


@pytest.mark.parametrize('page', PAGES)
def test_what_is_not_run_says_what_it_needs(page):
    text = (ROOT / page).read_text('utf-8')
    for block in re.finditer(r'^```sh$', text, re.M):
        before = ' '.join(text[: block.start()].split('\n\n')[-2:])
        assert re.search(r'\bneeds?\b', before), before


@pytest.mark.parametrize('page', ['docs/which_method.md', 'docs/results.md'])
def test_figures_are_those_of_the_page_that_is_named(page):
    """A figure of a summary stands on a page linked in the same part."""
    text = (ROOT / page).read_text('utf-8')
    checked = 0
    for part in re.split(r'\n\n|(?<=\|)\n', text):
        links = re.findall(r'\]\(([^)#]+\.md)[^)]*\)', part)
        figures = re.findall(r'(?<![\d.,])\d+\.\d+(?![\d.])', part)
        if not links:
            continue
        said = ''.join(
            ((ROOT / page).parent / link).read_text('utf-8') for link in links
        )
        for figure in figures:
            assert re.search(rf'(?<![\d.]){figure}(?!\d)', said), part
            checked += 1
    assert checked > 15


LICENCES = {
    'Apache-2.0': r'Apache',
    'MIT': r'MIT',
    'BSD-2-Clause': r'2-clause BSD',
    '**GPL-3.0**': r'GPL License 3',
}


def test_licences_of_packages_are_what_these_say():
    text = (ROOT / 'docs/licences.md').read_text('utf-8')
    rows = re.findall(r'^\| (`[^|]+) \| ([^|]+) \| [^|]+ \|$', text, re.M)
    checked = 0
    for names, said in rows:
        kind = re.split(r'[;,:]', said)[0].strip()
        for name in re.findall(r'`([^`]+)`', names):
            if kind not in LICENCES:
                continue
            about = metadata(name).json
            words = f'{about.get("license")} {about.get("license_expression")}'
            if 'Apache' not in words and name.startswith('onedl'):
                words = _licence_text(name)
            assert re.search(LICENCES[kind], words), (name, kind, words)
            checked += 1
    assert checked >= 10


def _licence_text(name: str) -> str:
    files = distribution(name).files or []
    return next(
        str(file.read_text()) for file in files if file.name == 'LICENSE'
    )


def test_extras_are_those_of_the_installation():
    (given,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / 'setup.py').read_text()).body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == 'EXTRAS'
    )
    text = (ROOT / 'docs/install.md').read_text('utf-8')
    assert set(re.findall(r'^\| `(\w+)` \|', text, re.M)) == set(given)
    assert set(EXTRAS) <= set(given)


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
    assert cited['version'] == __version__
    assert cited['license'] == 'Apache-2.0'
    for field in ('cff-version', 'message', 'title', 'authors'):
        assert cited[field], field


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


WITHOUT_INDEX = {'soft_teacher'}


def test_the_index_names_what_exists():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert set(index['Import']) == {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob('configs/**/metafile.yml')
    }
    # a folder of recipes, but for variants around another one's detector
    assert {Path(file).parent for file in index['Import']} >= {
        path.parent.relative_to(ROOT)
        for path in ROOT.glob('configs/*/*/*.py')
        if path.parts[-3] in ('pretrain', 'anomaly', 'detection')
        and path.parent.name not in WITHOUT_INDEX
    }
    for file in index['Import']:
        content = yaml.safe_load((ROOT / file).read_text())
        readmes = {c['Name']: c['README'] for c in content['Collections']}
        for collection in content['Collections']:
            assert (ROOT / collection['README']).is_file()
            code = collection.get('Code', {}).get('URL', 'README.md')
            assert (ROOT / code).is_file()
        for model in content['Models']:
            assert model['In Collection'] in readmes
            path = ROOT / model['Config']
            assert path.stem == model['Name']
            trained = load_config(path).get('train_cfg') or {}
            about = model.get('Metadata', {})
            assert trained.get('max_epochs') == about.get('Epochs')
            for result in model.get('Results', ()):
                readme = (ROOT / readmes[model['In Collection']]).read_text()
                assert {'Task', 'Dataset'} < set(result)
                for value in result['Metrics'].values():
                    assert re.search(rf'(?<![\d.]){value}', readme), value
