"""Images to test on are read before anything is trained."""

import pytest

from mmcvgssl.apis.one_class.images import check_test_images
from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.datasets.reading import UnreadableImageError
from tests.one_class_data import save_mask, write_magnetic_tile

PIPELINE = [
    {'type': 'mmcvgssl.LoadImage'},
    {'type': 'mmcvgssl.LoadMask'},
    {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
]


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (None, None),
        ('cut image', r'1 image \(.*t1\.jpg\) of 6.*t1\.jpg'),
        ('cut mask', r'MT_Crack/Imgs/1\.jpg\) of 6.*1\.png'),
        ('mask of a good image', r't2\.jpg\) of 6.*is good, but its mask'),
    ],
)
def test_what_cannot_be_tested_is_named_before(tmp_path, damage, message):
    root = write_magnetic_tile(tmp_path)
    for part, name in (
        ('cut image', 'MT_Free/Imgs/t1.jpg'),
        ('cut mask', 'MT_Crack/Imgs/1.png'),
    ):
        if damage == part:
            file = root / name
            file.write_bytes(file.read_bytes()[:40])
    if damage == 'mask of a good image':
        save_mask(root / 'MT_Free/Imgs/t2.png')
    data_set = OneClassDataset(
        str(root),
        ann_file='mmcvgssl/test.txt',
        layout='mask-beside',
        split='test',
        serialize_data=False,
    )
    infos = [data_set.get_data_info(i) for i in range(len(data_set))]
    if message is None:
        check_test_images(infos, PIPELINE)
        return
    with pytest.raises(UnreadableImageError, match=message):
        check_test_images(infos, PIPELINE)
