"""The commands of the documentation, run on tiny data."""

import re
import runpy
import shutil
import sys
import uuid
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.distributed.run import get_args_parser

from mmcvgssl.cli import main
from mmcvgssl.cli.arguments import load_named_config
from mmcvgssl.cli.parser import UsageError, parser_of
from mmcvgssl.registry import MODELS
from tests.data import ROOT
from tests.doc_commands import PAGES, blocks, commands, write_workspace

CVGSSL = 'cvgssl-regress_resnet18_lite0_1xb64-400e_folder'
AGBP = 'configs/pretrain/agbp/README.md'
AGDP = 'configs/pretrain/agdp/README.md'
CLASSIFY = 'docs/howto/classify.md'
LINE = 'docs/howto/line.md'
# what a reader puts in its place, by page
WORDS = {
    CLASSIFY: {
        'CONFIG': f'configs/pretrain/cvgssl/{CVGSSL}.py',
        'NAME': CVGSSL,
        'MORE': 'parts/more_good',
    },
    'docs/howto/new_parts.md': {
        'CKPT': f'work_dirs/{CVGSSL}/epoch_400.pth',
    },
    'docs/command.md': {
        'CKPT': f'work_dirs/{CVGSSL}/epoch_400.pth',
    },
    # a training of the few labels
    'configs/detection/README.md': {
        'work_dirs/RUN/epoch_300.pth': 'work_dirs/agssp/epoch_100.pth'
    },
    'docs/images.md': {'CONFIG': f'configs/pretrain/cvgssl/{CVGSSL}.py'},
    'configs/anomaly/README.md': {
        'configs/anomaly/CONFIG': 'configs/anomaly/mahalanobis_ad/'
        'mahalanobis-ad_lite0_folder.py',
        'CONFIG': 'configs/anomaly/mahalanobis_ad/'
        'mahalanobis-ad_lite0_folder.py',
    },
    AGDP: {'AGBP.pth': 'work_dirs/agbp_csp-s_1xb32-100e_folder/epoch_100.pth'},
    'configs/anomaly/cutpaste/README.md': {
        'CHECKPOINT': 'work_dirs/cutpaste-3way_resnet18_folder/epoch_256.pth'
    },
}
# pages whose commands go on from those of another, which are run with them
AFTER = {
    AGDP: [AGBP],
    'docs/command.md': [
        *('README.md', 'docs/own_images.md', CLASSIFY, LINE),
        *('docs/howto/new_parts.md', 'docs/model_file_kinds.md'),
        *('docs/howto/detector.md', 'docs/howto/large_images.md'),
        *('docs/howto/maps.md', 'docs/install.md'),
    ],
    'docs/export.md': ['docs/model_file.md'],
}
BEFORE = {page for pages in AFTER.values() for page in pages}
WORDS['docs/model_file_kinds.md'] = {
    'CONFIG': WORDS[CLASSIFY]['CONFIG'],
    'CKPT': WORDS['docs/command.md']['CKPT'],
}
# the script of each verb
SCRIPTS = {
    verb: path.name
    for path in ROOT.glob('tools/*.py')
    for verb in re.findall(r"run_tool\('(.+)'\)", path.read_text())
}
# too long or too large for a test: read by the tool's parser, their config
# loaded with its options, and its model built
NOT_RUN = {
    r'torch\.distributed\.run': 'starts eight processes',
    r'benchmarks/(cutpaste|pretrain)\.py': 'measures for minutes',
    r'benchmarks/detector_training\.py': 'measures for minutes',
    r'benchmarks/select_images\.py': 'chooses 56 images, has its own test',
    r'benchmarks/check_data\.py': 'measures for minutes',
    r'benchmarks/predict\.py': 'forks processes that measure',
    r'benchmarks/run_all\.py': 'measures for an hour, has its own test',
    r'benchmarks/labelling\.py': 'no image may be twice, has its own test',
    r'serve\.py ': 'serves until Ctrl-C, has its own test',
    r'benchmarks/report\.py': 'starts a process, has its own test',
    r'benchmarks/map_memory\.py': 'starts processes, maps 20,000 images',
    r'benchmarks/(detection_)?tiles\.py': 'measures large images for minutes',
    r'(train|few_shot|propagation)\.py neu\w*\.py': 'run with X-SDD',
    r'one_class\.py .*resnet18_(sspcab_)?(cpu|lite)_': 'run with another',
    r'export_graph\.py .*--int8': 'measures ranges, has its own test',
    r'benchmarks/export\.py': 'measures, of files in int8',
    r'export_model\.py \S*epoch_400\.pth': 'run with a detector',
    r'export_model\.py work_dirs/RUN': 'run with a detector',
    r'self_train\.py ': 'needs trained detectors, has its own test',
    r'train\.py .*coco-format\.py .*tile=512': 'has its own test',
    r'one_class\.py untrained_lite0_mvtec': 'run with its file',
    r'train\.py .*/soft_teacher/': 'has its own test, of each recipe',
    r'false_alarms\.py .*ensemble_': 'run with PatchCore',
    r'false_alarms\.py .*_mvtec\.py': 'run with the magnetic tiles',
}
# run once for a config; with other options they are treated as NOT_RUN, as
# each trains a detector that nothing goes on from
ONCE = r'tools/(one_class|benchmarks/false_alarms|train)\.py .*'
ONCE += r'configs/(anomaly|detection)/'
OTHERS = {
    'make demo': 'downloads images and trains for minutes',
    'make test': 'runs these tests',
    'make setup': 'changes the environment',
    'make lint': 'is run beside these tests',
    'make docs': 'has its own test',
    'pip install .': 'changes the environment',
    'pip install mmcvgssl[export]': 'changes the environment',
    'pip install mmcvgssl[serve]': 'changes the environment',
    'pip install --no-deps mmcvgssl': 'changes the environment',
    'pip install --no-deps -r requirements.lock': 'changes the environment',
    'pip install --no-deps .': 'changes the environment',
    'pip install numpy opencv-python-headless pillow tifffile tqdm '
    'onnxruntime': ('changes the environment'),
}
# pages whose Python is not run behind their commands
PYTHON_NOT_RUN = {
    'docs/python.md': 'run by tests/test_docs_python.py',
    'configs/detection/README.md': 'needs a trained detector, has tests of '
    'its own',
}
# added to what a page says
MORE = {
    r'benchmarks/false_alarms\.py': ['--rates', '0.3'],
    r'tools/check_data\.py': ['--fail-on', 'never'],
    r'benchmarks/propagation\.py': [
        *('--shots', '1', '--halves', '1', '--runs', '1')
    ],
    # most of the tiny images are copies
    r'tools/select_images\.py': ['--budget', '3', '--size', '32'],
    r'tools/pipeline\.py': [
        *('--dry-run', '--cfg-options'),  # each stage is a process
        *(
            f'stages.{stage}.options.train_dataloader.batch_size=4'
            for stage in ('agbp', 'agdp', 'finetune')
        ),
    ],
    r'tools/few_shot\.py': [
        *('--runs', '1', '--shots', '1', '4', '--size', '32'),
        *('--cfg-options', 'few_shot.schedule.epochs=2'),
    ],
}


def tiny_options(cfg: Config) -> list[str]:
    """Return options that make a recipe quick, of keys that it has."""
    sizes = {'view_size': 32, 'input_size': 64, 'crop_size': 64}
    options = {key: size for key, size in sizes.items() if key in cfg}
    for part in ('train', 'val', 'test', 'fit'):
        loader = cfg.get(f'{part}_dataloader') or {}
        small = {'num_workers': 0, 'persistent_workers': False}
        small |= {'batch_size': 4, 'pin_memory': False}
        options |= {
            f'{part}_dataloader.{k}': v
            for k, v in small.items()
            if k in loader
        }
        few = {'updates': 2, 'batch_size': 4}
        options |= {
            f'{part}_dataloader.sampler.{k}': v
            for k, v in few.items()
            if k in loader.get('sampler', {})
        }
        steps = loader.get('dataset', {}).get('pipeline') or []
        for i, step in enumerate(steps):
            for key in ('img_scale', 'scale'):
                if key in step:
                    name = f'{part}_dataloader.dataset.pipeline.{i}.{key}'
                    options[name] = '(96,96)'
    if cfg.get('batch_size'):
        options['batch_size'] = 4
    if 'false_alarm_rate' in (cfg.get('detector') or {}):
        options |= {'detector.false_alarm_rate': 0.1, 'detector.holdout': 0}
    if cfg.get('train_cfg'):
        options['train_cfg.max_epochs'] = 1
    return [f'{key}={value}' for key, value in options.items()]


def last_checkpoint(cfg: Config, args) -> Path:
    """Return where a training leaves its last checkpoint."""
    home = Path(args.work_dir or f'work_dirs/{Path(args.config).stem}')
    epochs = cfg.train_cfg.get('max_epochs')
    if epochs is None:
        return home / f'iter_{cfg.train_cfg.max_iters}.pth'
    return home / f'epoch_{epochs}.pth'


def _place(word: str, positions: dict[str, str]) -> str:
    for name, put in positions.items():
        word = re.sub(rf'\b{re.escape(name)}\b', put, word)
    return word


class Runs:
    """Runs the commands of pages in a folder."""

    def __init__(self, tool, monkeypatch, capsys) -> None:
        self.tool, self.monkeypatch, self.capsys = tool, monkeypatch, capsys
        self.seen: set[str] = set()
        self.ran: set[tuple[str, str]] = set()

    def page(self, page: str) -> None:
        for words in commands(page, Path.cwd()):
            words = [_place(word, WORDS.get(page, {})) for word in words]
            text = ' '.join(words)
            # the same with another seed
            text = re.sub(r'(seed=|work_dirs/\S+/)[12]\b', r'\g<1>0', text)
            if text not in self.seen:
                self.seen.add(text)
                self.command(words, text)
        if page not in PYTHON_NOT_RUN:
            for block in blocks(page, 'python'):
                if '_base_' not in block:  # no config
                    exec(compile(block, page, 'exec'), {})

    def command(self, words: list[str], text: str) -> None:
        if text in OTHERS:
            return
        if words[0] == 'mmcvgssl':
            if words[1] not in SCRIPTS:
                assert main(words[1:]) == 0
                return
            words = ['python', f'tools/{SCRIPTS[words[1]]}', *words[2:]]
            text = ' '.join(words)
        assert words[0] == 'python', text
        if words[1] == '-m' and not words[2].startswith('torch'):
            self.monkeypatch.setattr(sys, 'argv', words[2:])
            runpy.run_module(words[2], run_name='__main__')
            return
        if words[1] == '-m':
            started = get_args_parser().parse_args(words[3:])
            words = ['', started.training_script]
            words += started.training_script_args
        name = Path(words[1]).relative_to(
            Path.cwd() if Path(words[1]).is_absolute() else ''
        )
        assert (ROOT / name).is_file(), text
        name, rest = name.relative_to('tools').as_posix(), words[2:]
        args = self.parse(name, rest)
        cfg = None
        config = str(getattr(args, 'config', None) or '')
        if config and Path(config).suffix in ('', '.py'):
            options = getattr(args, 'cfg_options', None)
            cfg = load_named_config(config, options)
        kind = (name, getattr(args, 'config', None))
        again = kind in self.ran and re.search(ONCE, text)
        if again or any(re.search(pattern, text) for pattern in NOT_RUN):
            self.build(cfg, args, name)
            return
        self.ran.add(kind)
        for pattern, more in MORE.items():
            if re.search(pattern, text):
                rest = [*rest, *more]
        if cfg is not None and name != 'pipeline.py':
            rest = [*rest, '--cfg-options', *tiny_options(cfg)]
        if name in ('train.py', 'test.py'):
            if cfg is None:
                rest += ['--cfg-options']
            rest += [f'experiment_name={uuid.uuid4().hex}']
        code, _, errors = self.tool(name, *rest)
        assert code == 0, f'{text}\n{" ".join(rest)}\n{errors[-3000:]}'
        if name == 'train.py':
            last = last_checkpoint(cfg, args)
            shutil.copy(last.with_name('epoch_1.pth'), last)

    def build(self, cfg: Config | None, args, name: str) -> None:
        """Build what is not run, and look for the files that it takes."""
        if cfg is None:
            return
        files = [cfg.get('load_from'), cfg.get('backbone_checkpoint')]
        files += [getattr(args, 'checkpoint', None)]
        for file in files:
            assert file in (None, '', 'none', 'teacher') or Path(file).exists()
        init_default_scope(cfg.default_scope)
        MODELS.build(cfg.model)
        if name == 'train.py':
            last = last_checkpoint(cfg, args)
            last.parent.mkdir(parents=True, exist_ok=True)
            last.touch()

    def parse(self, name: str, rest: list[str]):
        """Read a command line by a tool's own parser."""
        path = ROOT / 'tools' / name
        verbs = [verb for verb, file in SCRIPTS.items() if file == name]
        if verbs:
            try:
                return parser_of(*verbs).parse_args(rest)
            except UsageError as error:
                pytest.fail(f'{name} {rest}: {error}')
        self.monkeypatch.setattr(sys, 'argv', [str(path), *rest])
        self.monkeypatch.syspath_prepend(str(path.parent))
        try:
            args = runpy.run_path(str(path))['parse_args']()
        except SystemExit:
            pytest.fail(f'{name} {rest}: {self.capsys.readouterr().err}')
        if isinstance(args, tuple):  # the rest goes to another tool
            args, more = args
            given = ['--images', '.', '--out', '.']
            self.parse('make_maps.py', [args.config, *given, *more])
        return args


def test_each_exception_is_of_a_command(tmp_path, monkeypatch):
    write_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    typed = {
        page: [' '.join(words) for words in commands(page, tmp_path)]
        for page in PAGES
    }
    lines = [
        _place(_as_script(line), WORDS.get(page, {}))
        for page, found in typed.items()
        for line in found
    ]
    for pattern in (*NOT_RUN, *MORE):
        assert any(re.search(pattern, line) for line in lines), pattern
    for text in OTHERS:
        assert text in lines, text
    for page in PYTHON_NOT_RUN:
        assert blocks(page, 'python'), page
    for page, positions in WORDS.items():
        own = '\n'.join(typed[page])
        used = [n for n in positions if re.search(rf'\b{re.escape(n)}\b', own)]
        assert used == [*positions], page


def _as_script(line: str) -> str:
    """Name the script of a verb."""
    first, verb, *rest = line.split(' ', 2)
    if first != 'mmcvgssl' or verb not in SCRIPTS:
        return line
    return ' '.join(['python', f'tools/{SCRIPTS[verb]}', *rest])


@pytest.fixture
def runs(tool, monkeypatch, capsys):
    return Runs(tool, monkeypatch, capsys)


@pytest.mark.parametrize(
    'page',
    [
        page
        for page in PAGES
        if page not in BEFORE
        and (blocks(page, 'bash') or blocks(page, 'python'))
    ],
)
def test_commands_run(page, tmp_path, monkeypatch, runs, quick_configs):
    write_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    for each in (*AFTER.get(page, ()), page):
        runs.page(each)
