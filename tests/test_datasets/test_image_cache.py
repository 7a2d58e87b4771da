import multiprocessing
import os
import threading

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmcvgssl.datasets.image_cache import (
    Decoded,
    ImageCache,
    clear_image_caches,
    shared_cache,
)
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.transforms import LoadImage


def image(seed, height=9, width=7):
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, 3))
    return Decoded(pixels.astype(np.uint8), (height, 2 * width))


@pytest.fixture
def paths(tmp_path):
    for number in range(40):
        (tmp_path / f'{number}.png').write_bytes(b'%d' % number)
    return [str(tmp_path / f'{number}.png') for number in range(40)]


class Count:
    def __init__(self, made):
        self.made, self.calls = made, 0

    def __call__(self):
        self.calls += 1
        return self.made


def test_decodes_once(paths):
    cache = ImageCache(1)
    decoders = [Count(image(i, 5 + i, 60 - i)) for i, _ in enumerate(paths)]
    for _ in range(3):
        for path, decode in zip(paths, decoders, strict=True):
            found = cache.read(path, (), decode)
            np.testing.assert_array_equal(found.pixels, decode.made.pixels)
            assert found.size == decode.made.size
    assert [decode.calls for decode in decoders] == [1] * 40
    assert cache.count == 40


def test_what_is_returned_may_be_written_into(paths):
    cache = ImageCache(1)
    wanted = image(0)
    for _ in range(3):
        found = cache.read(paths[0], (), lambda: image(0))
        np.testing.assert_array_equal(found.pixels, wanted.pixels)
        found.pixels[:] = 0


def test_other_options_and_other_files_are_other_images(paths):
    cache = ImageCache(1)
    cache.read(paths[0], (None,), lambda: image(0))
    for path, how, seed in ((paths[0], (64,), 1), (paths[1], (None,), 2)):
        found = cache.read(path, how, lambda seed=seed: image(seed))
        np.testing.assert_array_equal(found.pixels, image(seed).pixels)


def test_a_file_written_anew_is_read_anew(paths):
    cache = ImageCache(1)
    cache.read(paths[0], (), lambda: image(0))
    state = os.stat(paths[0])
    os.utime(paths[0], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    found = cache.read(paths[0], (), lambda: image(1))
    np.testing.assert_array_equal(found.pixels, image(1).pixels)


def test_a_full_cache_holds_what_it_has(paths):
    cache = ImageCache(1)
    large = [Count(image(i, 300, 400)) for i in range(5)]  # 0.34 MiB each
    for _ in range(2):
        for path, decode in zip(paths, large, strict=False):
            found = cache.read(path, (), decode)
            np.testing.assert_array_equal(found.pixels, decode.made.pixels)
    assert [decode.calls for decode in large] == [1, 1, 2, 2, 2]


def test_many_small_images_leave_the_table_half_empty(tmp_path):
    cache, path = ImageCache(1), str(tmp_path)
    for number in range(1000):
        cache.read(path, (number,), lambda: image(0, 1, 1))
    assert cache.count == 128
    found = cache.read(path, (3,), lambda: 1 / 0)
    np.testing.assert_array_equal(found.pixels, image(0, 1, 1).pixels)


def test_a_missing_file_has_the_readers_message(tmp_path):
    load = LoadImage(image_cache=1)
    with pytest.raises(UnreadableImageError, match=r'none\.png'):
        load(dict(img_path=str(tmp_path / 'none.png')))


def test_an_error_is_not_held(paths):
    cache = ImageCache(1)
    with pytest.raises(ZeroDivisionError):
        cache.read(paths[0], (), lambda: 1 / 0)
    assert cache.count == 0
    assert cache.read(paths[0], (), lambda: image(0)).size == (9, 14)


@pytest.mark.parametrize('limit', [0, -1])
def test_refuses_no_room(limit):
    with pytest.raises(ValueError, match='above 0'):
        ImageCache(limit)


def test_a_new_limit_or_run_begins_anew():
    clear_image_caches()
    first = shared_cache(1)
    assert shared_cache(1) is first
    assert shared_cache(2) is not first
    clear_image_caches()
    assert shared_cache(1) is not first


def test_threads_agree(paths):
    cache, wrong = ImageCache(1), []

    def read(seed):
        for number in np.random.RandomState(seed).permutation(40):
            found = cache.read(paths[number], (), lambda n=number: image(n))
            if not np.array_equal(found.pixels, image(number).pixels):
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.count == 40


class Files(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths, self.load = paths, LoadImage(image_cache=4)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return self.load(dict(img_path=self.paths[index]))['img']


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_workers_decode_once_between_them(tmp_path, method):
    clear_image_caches()
    random = np.random.RandomState(0)
    paths = []
    for number in range(12):
        path = str(tmp_path / f'{number}.png')
        cv2.imwrite(path, random.randint(0, 256, (20, 30), np.uint8))
        paths.append(path)
    wanted = [cv2.imread(path) for path in paths]
    files = Files(paths)
    context = multiprocessing.get_context(method)
    loader = DataLoader(
        files, None, num_workers=2, multiprocessing_context=context
    )
    for _ in range(2):
        found = [np.asarray(pixels) for pixels in loader]
        for pixels, expected in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(pixels, expected)
    # what forked workers decoded is there for this process, too
    assert shared_cache(4).count == (12 if method == 'fork' else 0)
