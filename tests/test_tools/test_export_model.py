"""tools/export_model.py by its command line."""

import copy

import torch
from mmengine.registry import DefaultScope

from mmcvgssl.model_file import detector, load_model
from tests.test_model_file.test_fuzz_kinds import BOX_STEPS, DETECTOR


def test_a_checkpoint_becomes_a_file(tool, tmp_path):
    net = detector.build(DETECTOR, {'x': torch.ones(9999)}, 'ours')
    data_set = {'pipeline': BOX_STEPS, 'metainfo': {'classes': ('a', 'b')}}
    config = {'model': DETECTOR, 'test_dataloader': {'dataset': data_set}}
    text = '\n'.join(f'{key} = {value!r}' for key, value in config.items())
    checkpoint, out = tmp_path / 'epoch_1.pth', tmp_path / 'm.safetensors'
    content = {'state_dict': net.state_dict(), 'meta': {'cfg': text}}
    torch.save(content, checkpoint)

    args = [checkpoint, '--out', out, '--score-threshold', 0.25]
    code, said, err = tool('export_model.py', *args, '--licence', 'ours')
    assert code == 0, err
    assert 'detector model FasterRCNN' in said
    assert '2 classes: a, b' in said
    assert 'boxes of a score of 0.25 or more' in said
    assert 'licence: ours' in said
    assert str(out) in said
    state = load_model(out).model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())

    changed = copy.deepcopy(content)
    changed['meta']['cfg'] = text.replace('FPN', 'os.system')
    torch.save(changed, checkpoint)
    code, _, err = tool('export_model.py', checkpoint, '--out', out)
    assert code == 1
    assert "model.neck.type, got 'os.system'" in err
    DefaultScope._instance_dict.clear()
