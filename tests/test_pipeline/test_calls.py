"""What the stages of a pipeline call, and the commands that do the same."""

import inspect
import json
import os
import shutil
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mmcvgssl import apis
from mmcvgssl.apis import load_config
from mmcvgssl.apis.make_maps import prepare_maps
from mmcvgssl.locks import locked
from mmcvgssl.pipeline import Pipeline, StageError, read_inputs
from mmcvgssl.pipeline.arguments import check_arguments, read_arguments
from mmcvgssl.pipeline.calls import CALL, call_of, write_config
from mmcvgssl.pipeline.child import run_child
from mmcvgssl.pipeline.plan import DONE, GO_ON, placeholder_values
from mmcvgssl.pipeline.stage_functions import FUNCTIONS
from mmcvgssl.pipeline.stage_process import main, read_call
from tests.data import CONFIGS, ROOT

STAGES = ['maps', 'boxes', 'agbp', 'agdp', 'finetune', 'test']
BATCHES = {
    f'stages.{name}.options.train_dataloader.batch_size': 1
    for name in ('agbp', 'agdp', 'finetune')
}
ARGUMENTS = {
    'allow_missing': True,
    'min-area': 4,
    'iou': [0.5, 0.25],
    'top_k': '3',
    'margin': None,
    'threshold': 0.5,
    'preview_count': 7,
    'encoding': 'cp1252',
}


def noise(folder, count):
    """Write images."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        image = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{i}.png'), image)
    return folder


def one_box_each(file, count):
    """Write labels of the first images."""
    content = {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'width': 48, 'height': 48}
            for i in range(count)
        ],
        'annotations': [
            {'id': i, 'image_id': i, 'category_id': 1, 'iscrowd': 0}
            | {'bbox': [1, 1, 9, 9], 'area': 81}
            for i in range(count)
        ],
        'categories': [{'id': 1, 'name': 'hole'}],
    }
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def pipeline(tmp_path):
    """Plan the shipped pipeline over six images, two with a label each."""
    images = noise(tmp_path / 'images', 6)
    labels = one_box_each(tmp_path / 'labels.json', 4)
    cfg = load_config(CONFIGS / 'pipelines/agssp_yolov8_n_cpu.py', BATCHES)
    cfg.stages.boxes.arguments = ARGUMENTS
    inputs = read_inputs(images, labels, root=images)
    return Pipeline(cfg, inputs, tmp_path / 'work')


def pretend(pipeline, *names) -> None:
    """Have a checkpoint where a training would leave one."""
    for name in names:
        folder = pipeline.plan[name].folder
        folder.mkdir(parents=True)
        if pipeline.plan[name].stage.tool == 'train':
            torch.save({}, folder / 'epoch_1.pth')
            (folder / 'last_checkpoint').write_text(
                str(folder / 'epoch_1.pth')
            )
        (folder / DONE).write_text('{"seconds": 1}')


# what takes the further arguments of a function
FURTHER = {
    'make_maps': [prepare_maps],
    'boxes_from_maps': [apis.BoxOptions, apis.MapsToBoxes],
}


def parameters(function):
    return inspect.signature(function).parameters.items()


def with_defaults(name, function, args, kwargs):
    """Return all that a function is called with, by name."""
    found = {}
    for kind in (*FURTHER.get(name, ()), function):
        found |= {
            key: one.default
            for key, one in parameters(kind)
            if one.default is not one.empty
        }
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    found |= {k: v for k, v in given.items() if k != 'options'}
    found |= given.get('options') or {}
    return {
        key: value.to_dict()
        if hasattr(value, 'to_dict')
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in found.items()
    }


@pytest.fixture
def calls(monkeypatch):
    """Note what the functions of ``apis`` are called with, and do nothing."""
    seen = []

    def note(name, made=None):
        real = getattr(apis, name)

        def function(*args, **kwargs):
            seen.append((name, with_defaults(name, real, args, kwargs)))
            return made

        monkeypatch.setattr(apis, name, function)

    zeros = dict.fromkeys(('images', 'there', 'written', 'unreadable'), 0)
    note('make_maps', zeros)
    trained = dict(work_dir='.', log_dir='.', epoch=1, iter=1)
    note('run_training', SimpleNamespace(**trained))
    note('run_test', {})
    note('boxes_from_maps', {})
    monkeypatch.setattr(apis, 'boxes_text', lambda report, out: str(out))
    return seen


@pytest.mark.parametrize('processes', [1, 2])
def test_what_is_printed_does_what_the_stage_does(
    pipeline, tool, calls, processes
):
    pretend(pipeline, 'agbp', 'agdp', 'finetune')
    known = placeholder_values(
        pipeline.plan, pipeline.inputs, pipeline.work_dir
    )
    for name, planned in pipeline.plan.items():
        planned.folder.mkdir(parents=True, exist_ok=True)
        write_config(planned, pipeline.plan, pipeline.inputs, known)
        call = call_of(planned, known, processes)
        call.write()
        typed, own = call.typed(), call.process()
        several = processes > 1 and name != 'boxes'
        for words in (typed, own):
            assert words[0] == sys.executable
            assert ('torch.distributed.run' in words) == several
        first = 5 if several else 1
        script, *words = typed[first:]
        assert os.path.samefile(script, ROOT / f'tools/{call.function}.py')
        code, _, err = tool(f'{call.function}.py', *words)
        assert code == 0, err
        assert own[first : first + 2] == [
            '-m',
            'mmcvgssl.pipeline.stage_process',
        ]
        main(own[first + 2 :])
        (theirs, ours), calls[:] = calls, []
        assert theirs == ours
        if name == 'boxes':
            given = {
                **{'maps': known['maps'], 'images': known['images']},
                **{'root': known['root'], 'out': known['boxes']},
                **{'allow_missing': True, 'encoding': 'cp1252'},
                **{'min_area': 4.0, 'top_k': 3, 'map_threshold': 0.5},
                **{'ious': [0.5, 0.25], 'preview_count': 7},
            }
            assert given.items() <= ours[1].items()
        else:
            launcher = 'pytorch' if several else 'none'
            assert ours[1]['cfg']['launcher'] == launcher


def test_without_tools_the_package_is_printed(pipeline, monkeypatch, tmp_path):
    monkeypatch.setattr(
        'mmcvgssl.pipeline.calls.shipped', lambda kind: tmp_path / kind
    )
    page = pipeline.describe()
    assert '.py' not in page.replace('epoch_1.pth', '')
    assert page.count('-m mmcvgssl.pipeline.stage_process') == 6
    assert page.count(CALL) == 6


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('maps_to_boxes', {'min_aera': 4}, 'arguments.min_aera is nothing'),
        ('maps_to_boxes', {'out': 'x.json'}, 'arguments.out is nothing'),
        ('maps_to_boxes', {'maps': 'x'}, 'arguments.maps is nothing'),
        ('maps_to_boxes', {'top_k': 2.5}, 'top_k is a whole number, got 2.5'),
        ('maps_to_boxes', {'top_k': True}, 'top_k is a whole number'),
        ('maps_to_boxes', {'margin': 'much'}, "is a number, got 'much'"),
        ('maps_to_boxes', {'margin': [1]}, 'is a number, got'),
        ('maps_to_boxes', {'iou': ['a']}, 'iou is numbers, got'),
        ('maps_to_boxes', {'allow_missing': 1}, 'is True or False, got 1'),
        ('maps_to_boxes', {'yolo': 3}, 'yolo is text, got 3'),
        (
            'maps_to_boxes',
            {'margin': 0.1, 'map-threshold': 0.5},
            'of which one is expected',
        ),
        ('train', {'margin': 0.1}, 'has arguments'),
    ],
)
def test_arguments_are_checked_before_work_starts(tool, arguments, message):
    with pytest.raises(ValueError, match=f'^stage x.*{message}'):
        check_arguments('x', tool, arguments)


def test_arguments_have_the_types_of_the_command_line():
    given = {'margin': '0.05', 'min_area': 9, 'seed': 3, 'iou': 0.5}
    assert read_arguments(given) == {
        **{'margin': 0.05, 'min_area': 9.0, 'seed': 3, 'ious': [0.5]},
    }
    left_out = {'margin': None, 'allow_missing': False, 'yolo': None}
    assert read_arguments(left_out) == {}


def test_a_stage_that_fails_here_ends_as_one_elsewhere(pipeline, capsys):
    pretend(pipeline, 'maps')
    with pytest.raises(StageError, match='stage boxes ended with code 1; wh'):
        pipeline.run(only='boxes')
    assert 'ERROR: ' in capsys.readouterr().err
    folder = pipeline.plan['boxes'].folder
    assert not (folder / DONE).exists()
    assert read_call(folder / CALL)[0] == 'maps_to_boxes'
    # and its lock is free again
    with pytest.raises(StageError, match='stage boxes ended with code 1; wh'):
        pipeline.run(only='boxes')


@pytest.mark.parametrize(
    'text',
    [
        *('', '[]', '{}', '{"function": "rm", "arguments": {}}'),
        '{"function": "train"}',
        '{"function": ["train"], "arguments": {}}',
    ],
)
def test_other_files_are_no_calls(tmp_path, text, capsys):
    file = tmp_path / CALL
    file.write_text(text)
    with pytest.raises(SystemExit):
        main([str(file)])
    assert f'ERROR: {file}: expected call.json as' in capsys.readouterr().err


# interrupts who has started it, and ends when it likes or is asked to
CHILD = """
import os, pathlib, signal, sys, time

def end(*_):
    pathlib.Path(sys.argv[1]).write_text('ended')
    sys.exit()

signal.signal(signal.SIGTERM, eval(sys.argv[3]))
os.kill(os.getppid(), signal.SIGINT)
time.sleep(float(sys.argv[2]))
end()
"""


@pytest.mark.parametrize(
    ('seconds', 'asked', 'by_itself', 'ended'),
    [
        (0.6, 'end', 9, True),
        (60, 'end', 0.1, True),
        (60, 'signal.SIG_IGN', 0.1, False),
    ],
    ids=['by itself', 'asked', 'killed'],
)
def test_an_interrupted_stage_ends_first(
    tmp_path, monkeypatch, seconds, asked, by_itself, ended
):
    module = 'mmcvgssl.pipeline.child'
    monkeypatch.setattr(f'{module}.BY_ITSELF', by_itself)
    monkeypatch.setattr(f'{module}.ASKED', 9 if ended else 0.1)
    file = tmp_path / 'ended'
    words = [sys.executable, '-c', CHILD, str(file), str(seconds), asked]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_child(words, ())
    assert file.exists() == ended
    assert time.monotonic() - start < 30


@pytest.mark.parametrize('error', [KeyboardInterrupt(), SystemExit(143)])
def test_a_signal_ends_the_boxes_that_are_cut_here(
    pipeline, monkeypatch, error
):
    pretend(pipeline, 'maps')

    def interrupted(**_):
        raise error

    monkeypatch.setitem(FUNCTIONS, 'maps_to_boxes', interrupted)
    with pytest.raises(type(error)):
        pipeline.run(only='boxes')
    planned = pipeline.plan['boxes']
    assert planned.state == GO_ON
    with locked(planned.folder, '.lock'):
        pass


@pytest.mark.parametrize('code', [1, 3])
def test_the_code_of_a_stages_process_is_told(pipeline, monkeypatch, code):
    monkeypatch.setattr('mmcvgssl.pipeline.run.run_child', lambda *_: code)
    with pytest.raises(StageError, match=f'maps ended with code {code}; what'):
        pipeline.run()
    assert pipeline.plan['maps'].state == GO_ON


WHOLE = """
import sys
from mmcvgssl.apis import load_config
from mmcvgssl.apis.make_maps import prepare_maps
from mmcvgssl.pipeline import Pipeline, read_inputs
import mmcvgssl

assert mmcvgssl.__file__.startswith(sys.argv[1]), mmcvgssl.__file__
print(Pipeline(load_config('p.py'), read_inputs('images'), 'work').run())
"""
RECIPE = """
options = {
    'input_size': 32,
    'fit_dataloader.num_workers': 0,
    'test_dataloader.num_workers': 0,
}
stages = dict(
    maps=dict(tool='make_maps', config=CONFIG, options=options),
    boxes=dict(tool='maps_to_boxes', config='maps'),
)
"""


def test_the_package_alone_is_enough(tmp_path, process):
    """Without tools, and beside a folder that is called as the package is."""
    home = tmp_path / 'home'
    ignored = shutil.ignore_patterns('.mim', '__pycache__')
    shutil.copytree(ROOT / 'mmcvgssl', home / 'mmcvgssl', ignore=ignored)
    (home / 'mmcvgssl/.mim').mkdir()
    (home / 'mmcvgssl/.mim/configs').symlink_to(CONFIGS)
    (home / 'run.py').write_text(WHOLE)
    shipped = load_config(CONFIGS / 'pipelines/agssp_yolov8_n_cpu.py')
    recipe = RECIPE.replace('CONFIG', repr(shipped.stages.maps.config))
    (tmp_path / 'p.py').write_text(recipe)
    noise(tmp_path / 'images', 4)
    if sys.version_info >= (3, 11):
        (tmp_path / 'mmcvgssl').mkdir()
        (tmp_path / 'mmcvgssl/__init__.py').write_text('raise OSError')
    done = process(
        [sys.executable, home / 'run.py', home], PYTHONPATH=str(home)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '-m mmcvgssl.pipeline.stage_process' in done.stderr
    (note,) = (tmp_path / 'work').glob('maps-*/done.json')
    content = json.loads(note.read_text())
    assert content['function'] == 'make_maps'
    assert content['arguments']['images'].endswith('images.txt')
    assert content['command'][-1] == str(note.with_name(CALL))
    (boxes,) = (tmp_path / 'work').glob('boxes-*/boxes.json')
    assert len(json.loads(boxes.read_text())['images']) == 4
