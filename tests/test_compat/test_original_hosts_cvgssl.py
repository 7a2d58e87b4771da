"""Train, save and resume CVGSSL on the original distributions."""

import json
import runpy
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
CONFIG = 'pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'

TRAIN = """
import runpy, sys
import mmengine
print(mmengine.__version__)
sys.argv = {argv!r}
runpy.run_path({tool!r}, run_name='__main__')
"""


def _train(run_python, paths, tmp_path: Path, epochs: int) -> str:
    options = {
        'data_root': str(tmp_path / 'images'),
        'view_size': 32,
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_cfg.max_epochs': epochs,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.logger.interval': 1,
    }
    argv = ['train.py', str(tmp_path / 'config.py'), '--resume']
    argv += ['--work-dir', str(tmp_path / 'work'), '--cfg-options']
    argv += [f'{key}={value}' for key, value in options.items()]
    tool = str(REPO / 'tools' / 'train.py')
    done = run_python(TRAIN.format(argv=argv, tool=tool), *paths)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_train_save_and_resume(run_python, original_paths, tmp_path):
    data = runpy.run_path(str(REPO / 'tests' / 'data.py'))
    data['write_images'](tmp_path / 'images', 8)
    (tmp_path / 'config.py').write_text(
        f'_base_ = {str(REPO / "configs" / CONFIG)!r}\n'
        "model = dict(teachers=[dict(type='mmcvgssl.TimmTeacher', "
        "model_name='test_efficientnet', allow_random=True)])\n"
    )
    out = _train(run_python, original_paths, tmp_path, epochs=1)
    assert out.splitlines()[0] == '0.10.7'
    out = _train(run_python, original_paths, tmp_path, epochs=2)
    texts = [log.read_text() for log in tmp_path.glob('work/*/*.log')]
    assert any('resumed epoch: 1, iter: 2' in text for text in texts)
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()
    logs = sorted(tmp_path.glob('work/*/vis_data/scalars.json'))
    steps = [
        [json.loads(line)['step'] for line in log.read_text().splitlines()]
        for log in logs
    ]
    assert steps == [[1, 2], [3, 4]]
