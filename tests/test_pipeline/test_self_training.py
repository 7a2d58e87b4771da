"""Self-training as stages of a pipeline."""

import json

import pytest
from mmengine.config import Config

from mmcvgssl.apis import load_config
from mmcvgssl.pipeline import Pipeline, read_inputs
from mmcvgssl.pipeline.calls import CONFIG, call_of, write_config
from mmcvgssl.pipeline.plan import (
    DEPENDS,
    LEFT_OUT,
    RUN,
    UP_TO_DATE,
    placeholder_values,
)
from mmcvgssl.pipeline.report import _read_joined, _said
from mmcvgssl.pipeline.stage import read_stages
from mmcvgssl.pipeline.stage_functions import FUNCTIONS
from tests.data import CONFIGS
from tests.test_pipeline.test_calls import noise, one_box_each, pretend

RECIPE = CONFIGS / 'pipelines/agssp_selftrain_yolov8_n_cpu.py'
BEFORE = ['maps', 'boxes', 'agbp', 'agdp', 'finetune', 'test']
PARTS = [
    *('selftrain_folds', 'selftrain_fold_1', 'selftrain_fold_2'),
    *('selftrain_boxes', 'selftrain', 'test_selftrain'),
]
SMALL = {
    f'stages.{name}.options.train_dataloader.batch_size': 2
    for name in ('agbp', 'agdp', 'finetune')
} | {'stages.selftrain.folds': 2}


@pytest.fixture
def inputs(tmp_path):
    images = noise(tmp_path / 'images', 12)
    labels = one_box_each(tmp_path / 'labels.json', 8)
    return read_inputs(images, labels, root=images)


@pytest.fixture
def planned(inputs, tmp_path):
    def plan(**options):
        keys = {k.replace('__', '.'): v for k, v in options.items()}
        cfg = load_config(RECIPE, {**SMALL, **keys})
        return Pipeline(cfg, inputs, tmp_path / 'work')

    return plan


def to_run(pipeline) -> list[str]:
    return [n for n, own in pipeline.plan.items() if own.state == RUN]


def test_one_stage_is_folds_boxes_and_a_training(planned, tmp_path):
    pipeline = planned()
    assert list(pipeline.plan) == BEFORE + PARTS
    known = placeholder_values(
        pipeline.plan, pipeline.inputs, pipeline.work_dir
    )
    own = {}
    for name in ('finetune', *PARTS):
        part = pipeline.plan[name]
        part.folder.mkdir(parents=True)
        write_config(part, pipeline.plan, pipeline.inputs, known)
        file = part.folder / CONFIG
        assert file.is_file() == part.stage.has_config
        if file.is_file():
            own[name] = Config.fromfile(file, import_custom_modules=False)
    folds = pipeline.plan['selftrain_folds'].output
    read = {n: c.train_dataloader.dataset.ann_file for n, c in own.items()}
    assert read['selftrain_fold_2'] == f'{folds}/train_2.json'
    assert read['selftrain'] == pipeline.plan['selftrain_boxes'].output
    # from the start that the detector had, not from the detector
    starts = {own[n].load_from for n in own if not n.startswith('test')}
    assert starts == {'<checkpoint of agdp>'}
    lengths = {n: c.train_dataloader.sampler for n, c in own.items()}
    assert lengths['finetune'].type == 'DefaultSampler'
    assert lengths['selftrain'].to_dict() == {
        **{'type': 'mmcvgssl.UpdateSampler', 'updates': 2, 'batch_size': 2}
    }
    call = call_of(pipeline.plan['selftrain_boxes'], known)
    assert call.function in FUNCTIONS
    assert call.arguments['model'] == '<checkpoint of finetune>'
    assert call.arguments['held_out'] == [
        [f'<checkpoint of selftrain_fold_{i}>', f'{folds}/held_out_{i}.json']
        for i in (1, 2)
    ]
    typed = call.typed()
    assert typed[1].endswith('self_train.py')
    assert typed.count('--held-out') == 2
    typed = call_of(pipeline.plan['selftrain_folds'], known).typed()
    assert typed[1].endswith('prepare_data.py')
    assert typed[2:4] == ['folds', known['labels_train']]


def test_folds_are_drawn_here(planned):
    pipeline = planned()
    pipeline.inputs.write(pipeline.work_dir / 'inputs')
    pipeline.run(only='selftrain_folds')
    part = pipeline.plan['selftrain_folds']
    assert part.state == UP_TO_DATE
    held = json.loads(
        (part.folder / 'folds/held_out_1.json').read_text('utf-8')
    )
    assert len(held['images']) == 2


def test_a_change_touches_what_follows_alone(planned):
    pipeline = planned()
    pretend(pipeline, *BEFORE, *PARTS)
    for own in pipeline.plan.values():
        own.depends.write(own.folder / DEPENDS)
    assert to_run(planned()) == []
    changed = planned(stages__selftrain__arguments__precision=0.6)
    assert to_run(changed) == PARTS[3:]
    key = 'stages.selftrain.options.optim_wrapper.optimizer.lr'
    assert to_run(planned(**{key: 0.5})) == PARTS[4:]
    key = 'stages.finetune.options.optim_wrapper.optimizer.lr'
    assert to_run(planned(**{key: 0.5})) == ['finetune', 'test', *PARTS[1:]]
    assert to_run(planned(stages__selftrain__seed=1)) == PARTS


def test_rounds_teach_each_other():
    options = {**SMALL, 'stages.selftrain.rounds': 2}
    stages = read_stages(load_config(RECIPE, options))
    assert list(stages)[9:] == [
        *('selftrain_boxes', 'selftrain_round_1', 'selftrain_boxes_2'),
        *('selftrain', 'test_selftrain'),
    ]
    assert stages['selftrain_boxes'].config == 'finetune'
    assert stages['selftrain_boxes_2'].config == 'selftrain_round_1'


def test_a_threshold_needs_no_folds():
    options = {**SMALL, 'stages.selftrain.arguments.threshold': 0.5}
    stages = read_stages(load_config(RECIPE, options))
    assert [name for name in stages if 'fold' in name] == []
    assert stages['selftrain_boxes'].held_out == []


def test_without_labels_nothing_is_trained_again(inputs, tmp_path):
    cfg = load_config(RECIPE, SMALL)
    pipeline = Pipeline(cfg, read_inputs(inputs.root), tmp_path / 'work')
    for name in PARTS:
        assert pipeline.plan[name].state == LEFT_OUT


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'stages.selftrain.config': 'agdp'}, "such as finetune, got 'agdp'"),
        ({'stages.selftrain.config': 'fine'}, "such as finetune, got 'fine'"),
        ({'stages.selftrain.folds': 1}, 'folds is a whole number from 2 on'),
        ({'stages.selftrain.rounds': 0}, 'rounds is a whole number from 1'),
        ({'stages.selftrain.arguments.x': 4}, 'nothing that self_train takes'),
        ({'stages.selftrain.arguments.out': 'x'}, 'arguments.out is nothing'),
    ],
)
def test_malformed_stages_are_refused(options, expected):
    with pytest.raises(ValueError, match=expected):
        read_stages(load_config(RECIPE, {**SMALL, **options}))


def test_batches_larger_than_a_fold_are_refused(planned):
    key = 'stages.finetune.options.train_dataloader.batch_size'
    expected = f'selftrain_fold_1 takes batches of 4 .* has 2: .*{key}=2'
    with pytest.raises(ValueError, match=expected):
        planned(**{key: 4})


def test_the_report_counts_boxes_by_class(tmp_path):
    report = {
        'boxes': 7,
        'images': {'boxed': 3, 'searched': 9},
        'classes': {
            'a': {'boxes': 7, 'threshold': 0.25},
            'b': {'boxes': 0, 'threshold': None},
        },
    }
    (tmp_path / 'report.json').write_text(json.dumps(report))
    assert _said(_read_joined(tmp_path)) == (
        '7 boxes in 3 of 9 images joined the labels (a 7 from 0.25 on; b 0)'
    )
