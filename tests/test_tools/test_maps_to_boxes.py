"""tools/maps_to_boxes.py by its command line, on drawn maps."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from mmdet.datasets import CocoDataset

from mmcvgssl.apis.maps_to_boxes import MapsToBoxes
from mmcvgssl.datasets.files import MARK
from mmcvgssl.maps import MapError, MapFolder
from mmcvgssl.maps.box_files import ImageBoxes
from mmcvgssl.maps.box_options import BoxOptions
from mmcvgssl.maps.boxes import dataset_threshold, map_to_boxes
from mmcvgssl.maps.component_tree import component_tree_boxes
from mmcvgssl.maps.mapped_images import find_mapped_images
from mmcvgssl.provenance import RECORD, FileState, Provenance
from mmcvgssl.visualization import box_report
from mmcvgssl.visualization.box_preview import BOX_COLOUR, TRUTH_COLOUR
from tests.data import picture

TOOL = 'maps_to_boxes.py'
SIZES = [(60, 80), (80, 60), (48, 48), (60, 80), (120, 90), (50, 70)]


def name(i: int) -> str:
    return f'{"deep er/" if i % 2 else ""}{i:02d}.{"jpg" if i % 3 else "png"}'


def drawn_map(i: int) -> np.ndarray:
    """Return 12 x 12 patches with ``i % 4`` blobs; 0 has none."""
    made = np.random.default_rng(i).uniform(0, 0.2, (12, 12))
    for k in range(i % 4):
        y, x = 4 * k, 8 - 4 * k
        made[y : y + 3, x : x + 3] = 0.7 + 0.05 * k + 0.01 * i
    return made.astype(np.float16)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Write images and maps; return both folders."""
    # drawing takes longer than all else, and has a test of its own
    plot = cv2.imencode('.png', np.zeros((2, 2)))[1].tobytes()
    monkeypatch.setattr(box_report, 'plot', lambda report: plot)
    maps, images = tmp_path / 'maps', tmp_path / 'images'
    lines = []
    for i, (height, width) in enumerate(SIZES):
        path, content = name(i), drawn_map(i)
        file = (maps / path).with_suffix('.npy')
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, content)
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        picture(i).resize((width, height)).save(images / path)
        entry = {
            'path': path,
            'map': file.relative_to(maps).as_posix(),
            'size': [height, width],
            'score': 1.0,
            'map_max': float(content.max()),
            'file': FileState.of(images / path).to_list(),
        }
        lines.append(json.dumps(entry))
    manifest = ''.join(f'{line}\n' for line in lines)
    (maps / 'manifest.jsonl').write_text(manifest)
    Provenance({'model': 'Drawn'}).write(maps / RECORD)
    return maps, images


@pytest.fixture
def truth(tmp_path):
    """Write true boxes: blobs of images 1, 2 and 3, and one no map shows."""
    annotations, labels = [], {1: [0], 2: [1, 0], 3: [1, 1, 0], 4: []}
    for i, classes in labels.items():
        height, width = SIZES[i]
        for k, label in enumerate(classes):
            y, x = 4 * k / 11 * height, (8 - 4 * k) / 11 * width
            box = [x, y, 3 / 11 * width, 3 / 11 * height]
            annotations.append(
                {'image_id': i, 'category_id': 10 + label, 'bbox': box}
            )
    corner = {'image_id': 4, 'category_id': 11, 'bbox': [0, 0, 9, 9]}
    annotations += [corner, {**corner, 'iscrowd': 1}]
    annotations.append({**corner, 'bbox': [0, 0, 0, 9]})
    content = {
        'images': [
            *({'id': i, 'file_name': name(i)} for i in labels),
            {'id': 99, 'file_name': 'elsewhere.png'},
        ],
        'categories': [
            {'id': 11, 'name': 'rust'},
            {'id': 10, 'name': 'dent'},
        ],
        'annotations': annotations,
    }
    file = tmp_path / 'labels.json'
    file.write_text(json.dumps(content))
    return file


def expected_boxes(**options):
    """Cut boxes from the drawn maps, image by image."""
    threshold = dataset_threshold(
        float(drawn_map(i).max()) for i in range(len(SIZES))
    )
    options = {'threshold': threshold, **options}
    return {
        name(i): map_to_boxes(drawn_map(i), size, **options)
        for i, size in enumerate(SIZES)
    }


def boxes_by_image(coco) -> dict:
    names = {image['id']: image['file_name'] for image in coco['images']}
    found = {file: [] for file in names.values()}
    for a in coco['annotations']:
        found[names[a['image_id']]].append((a['bbox'], a['score']))
    return found


def as_xywh(boxes, scores) -> list:
    return [
        ([x1, y1, x2 - x1, y2 - y1], pytest.approx(float(score)))
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores, strict=True)
    ]


def files_below(folder) -> set[str]:
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob('*')
        if p.is_file() and p.name != MARK
    }


def test_boxes_are_those_of_the_pure_function(data, tool, tmp_path):
    out = tmp_path / 'out' / 'boxes.json'
    code, text, err = tool(TOOL, *data, '--out', out)
    assert code == 0, err
    coco = json.loads(out.read_text())
    expected = expected_boxes()
    assert [len(boxes) for boxes, _ in expected.values()] == [0, 1, 2, 3, 0, 1]
    assert boxes_by_image(coco) == {
        file: as_xywh(*found) for file, found in expected.items()
    }
    assert [i['file_name'] for i in coco['images']] == sorted(expected)
    sizes = {i['file_name']: (i['height'], i['width']) for i in coco['images']}
    assert sizes == {name(i): size for i, size in enumerate(SIZES)}
    assert [c['name'] for c in coco['categories']] == ['anomaly']
    report = json.loads((out.parent / 'report.json').read_text())
    assert coco['info']['map_threshold'] == report['map_threshold'] > 0
    ids = [a['id'] for a in coco['annotations']]
    assert ids == list(range(1, len(ids) + 1))
    for a in coco['annotations']:
        assert a['iscrowd'] == 0
        assert a['area'] == a['bbox'][2] * a['bbox'][3]
        # half precision of the map, single precision of the score
        assert a['score'] == float(str(np.float32(a['score'])))
    assert files_below(out.parent) == {
        'boxes.json',
        'report.json',
        'report.png',
    }
    assert '| boxes | 7, 1.17 an image |' in text
    assert '| images without a box | 33.3 % |' in text
    assert '| images by boxes | 0: 2, 1: 2, 2: 1, 3: 1 |' in text


def test_the_plot_shows_both_histograms(monkeypatch):
    bars = []
    stairs = Axes.stairs

    def spy(axes, counts, edges, **kwargs):
        bars.append((counts, edges))
        return stairs(axes, counts, edges, **kwargs)

    monkeypatch.setattr(Axes, 'stairs', spy)
    box = np.array([[0, 0, 8, 4], [0, 0, 16, 16]], dtype=np.float32)
    scores = np.array([0.9, 0.6], dtype=np.float32)
    one = ImageBoxes('a.png', (16, 16), box, scores)
    none = ImageBoxes('b.png', (16, 16), box[:0], scores[:0])
    for images, boxes in (([one, none], 2), ([none], 0)):
        report = box_report.summarise(images, 0.5)
        data = box_report.plot(
            {**report, 'map_threshold': 0.5, 'least_score': None}
        )
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), 1)
        assert picture.std() > 0
        assert [sum(counts) for counts, _ in bars[-2:]] == [boxes, boxes]
    # areas 32 and 256, scores between the threshold and the best
    assert bars[0] == ([0, 0, 1, 0, 1], [1, 4, 16, 64, 256, 1024])
    counts, edges = bars[1]
    assert (edges[0], edges[-1]) == (0.5, pytest.approx(0.9))
    assert [i for i, count in enumerate(counts) if count] == [5, 19]


def test_mmdet_reads_the_boxes(data, tool, tmp_path):
    out = tmp_path / 'boxes.json'
    assert tool(TOOL, *data, '--out', out, '--val-fraction', 0.34)[0] == 0
    loaded = {}
    for file in ('boxes', 'boxes_train', 'boxes_val'):
        data_set = CocoDataset(
            ann_file=str(tmp_path / f'{file}.json'),
            data_prefix={'img': str(data[1])},
            metainfo={'classes': ('anomaly',)},
            pipeline=[],
        )
        loaded[file] = {
            info['img_path']: info for info in data_set.load_data_list()
        }
    whole = loaded.pop('boxes')
    expected = expected_boxes()
    assert set(whole) == {str(data[1] / file) for file in expected}
    for file, (boxes, _) in expected.items():
        info = whole[str(data[1] / file)]
        assert [i['bbox'] for i in info['instances']] == boxes.tolist()
        assert all(i['bbox_label'] == 0 for i in info['instances'])
        assert os.path.isfile(info['img_path'])
    assert {**loaded['boxes_train'], **loaded['boxes_val']} == whole
    assert len(loaded['boxes_train']) == 4
    assert len(loaded['boxes_val']) == 2


def test_yolo_labels_mirror_the_images(data, tool, tmp_path):
    out, labels = tmp_path / 'boxes.json', tmp_path / 'new' / 'labels'
    assert tool(TOOL, *data, '--out', out, '--yolo', labels)[0] == 0
    expected = expected_boxes()
    assert files_below(labels) == {
        file.rsplit('.', 1)[0] + '.txt' for file in expected
    }
    for i, (boxes, _) in enumerate(expected.values()):
        height, width = SIZES[i]
        text = (labels / name(i)).with_suffix('.txt').read_text()
        rows = [line.split() for line in text.splitlines()]
        assert [row[0] for row in rows] == ['0'] * len(boxes)
        table = np.array([row[1:] for row in rows], float).reshape(-1, 4)
        assert ((table > 0) & (table <= 1)).all()
        centre, size = table[:, :2], table[:, 2:]
        scale = np.array([width, height])
        corners = np.hstack([centre - size / 2, centre + size / 2])
        back = corners * np.hstack([scale, scale])
        np.testing.assert_allclose(back, boxes, atol=1e-4)
    # labels of other boxes are neither mixed in nor lost
    before = {
        file: (labels / file).read_text() for file in files_below(labels)
    }
    code, _, err = tool(
        TOOL, *data, '--out', out, '--yolo', labels, '--margin', 0.3
    )
    assert code == 1
    assert 'labels is not empty' in err.splitlines()[-1]
    assert before == {f: (labels / f).read_text() for f in files_below(labels)}


def test_previews_show_map_boxes_and_truth(data, truth, tool, tmp_path):
    out, shown = tmp_path / 'boxes.json', tmp_path / 'shown'
    args = [*data, '--out', out, '--ground-truth', truth, '--preview', shown]
    assert tool(TOOL, *args)[0] == 0
    assert files_below(shown) == {f'{name(i)}.jpg' for i in range(len(SIZES))}
    for file, (boxes, _) in expected_boxes().items():
        drawn = cv2.imread(str(shown / f'{file}.jpg')).astype(int)
        plain = cv2.imread(str(data[1] / file))
        assert drawn.shape == plain.shape
        for box in boxes.astype(int):
            # JPEG blurs the colour of lines one pixel wide
            x, y = box[0], (box[1] + box[3]) // 2
            blue, green, red = drawn[y, x]
            assert blue - red > 40, BOX_COLOUR
            assert green - red > 40, BOX_COLOUR
    # the true box that no map shows
    drawn = cv2.imread(str(shown / f'{name(4)}.jpg'))
    assert np.abs(drawn[8, 3:7] - np.array(TRUTH_COLOUR)).max() < 60


def test_images_with_crowds_alone_are_not_counted(data, truth, tool, tmp_path):
    content = json.loads(truth.read_text())
    for label in content['annotations']:
        label['iscrowd'] = int(label['image_id'] in (1, 4))
    truth.write_text(json.dumps(content))
    args = ['--out', tmp_path / 'b.json', '--ground-truth', truth]
    code, text, err = tool(TOOL, *data, *args)
    assert code == 0, err
    found = json.loads((tmp_path / 'report.json').read_text())['ground_truth']
    assert (found['images'], found['true']) == (2, 5)
    assert found['images_without_truth'] == 2
    assert found['images_of_crowds_alone'] == 2
    assert found['truth_without_image'] == 1
    assert 'note: 2 images have labels, but only crowds' in text


@pytest.mark.parametrize(
    ('count', 'shown'),
    [(1, [0]), (2, [0, 5]), (3, [0, 2, 5]), (9, range(6))],
)
def test_few_previews_lie_evenly(data, tool, tmp_path, count, shown):
    folder = tmp_path / 'shown'
    args = ['--preview', folder, '--preview-count', count]
    assert tool(TOOL, *data, '--out', tmp_path / 'b.json', *args)[0] == 0
    ordered = sorted(name(i) for i in range(len(SIZES)))
    assert files_below(folder) == {f'{ordered[i]}.jpg' for i in shown}


def test_results_among_the_images_are_none(data, tool):
    maps, images = data
    args = ['--out', images / 'b.json', '--preview', images / 'shown']
    for _ in range(2):
        code, text, err = tool(TOOL, maps, images, *args)
        assert code == 0, err
        assert f'| images | {len(SIZES)} |' in text


def test_the_report_counts_boxes_and_what_they_find(
    data, truth, tool, tmp_path
):
    out = tmp_path / 'boxes.json'
    args = ['--ground-truth', truth, '--iou', 0.3, 0.05]
    code, text, err = tool(TOOL, *data, '--out', out, *args)
    assert code == 0, err
    report = json.loads((tmp_path / 'report.json').read_text())
    assert (tmp_path / report['images_root']).is_dir()
    expected = expected_boxes()
    assert report['boxes_per_image'] == {
        'mean': pytest.approx(7 / 6),
        'images_with': [2, 2, 1, 1],
    }
    assert report['share_without_box'] == pytest.approx(2 / 6)
    assert report['map_threshold'] == pytest.approx(
        np.mean([drawn_map(i).max() for i in range(6)], dtype=float) - 0.1
    )
    assert report['maps'] == {'model': 'Drawn'}
    areas = [
        (x2 - x1) * (y2 - y1)
        for boxes, _ in expected.values()
        for x1, y1, x2, y2 in boxes.tolist()
    ]
    histogram = report['area_histogram']
    for k, count in enumerate(histogram['counts']):
        low, high = histogram['edges'][k : k + 2]
        assert (low, high) == (4**k, 4 ** (k + 1))
        assert count == sum(low <= area < high for area in areas)
    assert sum(histogram['counts']) == len(areas)
    scores = [s for _, found in expected.values() for s in found]
    assert sum(report['score_histogram']['counts']) == len(scores)

    found = report['ground_truth']
    assert found['images'] == 4
    assert found['boxes'] == 6  # of images 1 to 4
    assert found['true'] == 7  # no crowd, nothing without an area
    assert found['images_without_truth'] == 2
    assert found['truth_without_image'] == 1
    at = found['iou']['0.3']
    assert at['found'] == 6
    assert at['precision'] == 1.0
    assert at['recall'] == pytest.approx(6 / 7)
    assert at['classes'] == {
        'rust': {'true': 4, 'found': 3, 'recall': 0.75},
        'dent': {'true': 3, 'found': 3, 'recall': 1.0},
    }
    assert '| | true boxes | IoU 0.3 | IoU 0.05 |' in text
    assert '| recall of rust | 4 | 75.0 | 75.0 |' in text
    assert '| precision | 7 | 100.0 | 100.0 |' in text
    assert 'note: 2 images are unknown to the ground truth' in text


def test_options_reach_the_boxes(data, tool, tmp_path):
    out = tmp_path / 'boxes.json'
    options = {'threshold': 0.1, 'min_area': 2, 'top_k': 3, 'nms_iou': 0.01}
    args = [
        part
        for key, value in options.items()
        for part in (f'--{key.replace("_", "-")}', value)
    ]
    assert tool(TOOL, *data, '--out', out, *args)[0] == 0
    found = boxes_by_image(json.loads(out.read_text()))
    assert found == {
        file: as_xywh(*content)
        for file, content in expected_boxes(**options).items()
    }
    for key in options:
        one = {k: v for k, v in options.items() if k != key}
        other = expected_boxes(**one)
        assert found != {
            f: as_xywh(*content) for f, content in other.items()
        }, key
    assert tool(TOOL, *data, '--out', out, '--margin', 0.3)[0] == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['options']['margin'] == 0.3
    mean = np.mean([drawn_map(i).max() for i in range(6)], dtype=float)
    assert report['map_threshold'] == pytest.approx(mean - 0.3)


@pytest.mark.parametrize('per_image', [None, 0.5, 1, 100])
def test_nested_regions_are_ranked_over_all_images(
    data, tool, tmp_path, per_image
):
    out, shown = tmp_path / 'boxes.json', tmp_path / 'shown'
    more = [] if per_image is None else ['--boxes-per-image', per_image]
    args = ['--out', out, '--method', 'component_tree', '--preview', shown]
    code, text, err = tool(TOOL, *data, *args, *more)
    assert code == 0, err
    every = {
        name(i): component_tree_boxes(drawn_map(i), size)
        for i, size in enumerate(SIZES)
    }
    scores = sorted((s for _, of in every.values() for s in of), reverse=True)
    count = min(round((per_image or 3) * len(SIZES)), len(scores))
    least = scores[count - 1]
    assert boxes_by_image(json.loads(out.read_text())) == {
        file: as_xywh(boxes[of >= least], of[of >= least])
        for file, (boxes, of) in every.items()
    }
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['boxes'] == count
    assert report['least_score'] == pytest.approx(float(least))
    assert sum(report['score_histogram']['counts']) == count
    assert '| least score of a box |' in text
    assert len(files_below(shown)) == len(SIZES)


def test_maps_in_which_nothing_stands_out_give_no_boxes(data, tmp_path):
    for file in data[0].rglob('*.npy'):
        np.save(file, np.full((12, 12), np.load(file).max()))
    maps = MapFolder(data[0])
    options = BoxOptions(method='component_tree')
    found = find_mapped_images(maps, data[1])
    job = MapsToBoxes(maps, found, tmp_path / 'b.json', options)
    report = job.run()
    assert report['boxes'] == report['least_score'] == 0
    assert 'no region stands out' in report['notes'][0]


@pytest.mark.parametrize(
    ('threshold', 'note'),
    [(9.0, 'no blob above the map threshold'), (-9.0, 'cover a whole image')],
)
def test_a_threshold_off_the_scale_is_told(
    data, tool, tmp_path, threshold, note
):
    out = tmp_path / 'boxes.json'
    code, text, err = tool(TOOL, *data, '--out', out, '--threshold', threshold)
    assert code == 0, err
    assert note in text
    found = boxes_by_image(json.loads(out.read_text()))
    whole = [(*size[::-1],) for size in SIZES]
    for i, (width, height) in enumerate(whole):
        boxes = [box for box, _ in found[name(i)]]
        assert boxes == ([[0, 0, width, height]] if threshold < 0 else [])


@pytest.mark.parametrize(
    ('difference', 'alike'), [(0.0, True), (2**-12, True), (0.1, False)]
)
def test_maps_that_are_alike_are_told(data, tool, tmp_path, difference, alike):
    maps = data[0]
    lines = (maps / 'manifest.jsonl').read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    for i, entry in enumerate(entries):
        content = drawn_map(0) * (1 + i * difference / len(entries))
        np.save(maps / entry['map'], content.astype(np.float16))
        entry['map_max'] = float(content.max())
    (maps / 'manifest.jsonl').write_text(
        ''.join(f'{json.dumps(entry)}\n' for entry in entries)
    )
    code, text, err = tool(TOOL, *data, '--out', tmp_path / 'boxes.json')
    assert code == 0, err
    assert ('note: all maps are alike' in text) is alike
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['maps_alike'] is alike


def test_what_the_generator_has_said_is_a_note(data, tool, tmp_path):
    (data[0] / 'remarks.json').write_text('["they look the same"]')
    code, text, err = tool(TOOL, *data, '--out', tmp_path / 'boxes.json')
    assert code == 0, err
    assert 'note: they look the same' in text


def test_nothing_depends_on_the_order_of_the_manifest(data, tool, tmp_path):
    manifest = data[0] / 'manifest.jsonl'
    lines = manifest.read_text().splitlines(True)
    written = []
    for order in (lines, lines[::-1], lines[3:] + lines):
        manifest.write_text(''.join(order))
        out = tmp_path / f'out{len(written)}'
        args = ['--out', out / 'b.json', '--yolo', out / 'yolo']
        args += ['--val-fraction', 0.5, '--preview', out / 'shown']
        assert tool(TOOL, *data, *args)[0] == 0
        written.append({f: (out / f).read_bytes() for f in files_below(out)})
    assert written[0] == written[1] == written[2]


def test_the_division_is_by_image_and_seed(data, tool, tmp_path):
    drawn = set()
    for seed in range(4):
        out = tmp_path / f'{seed}.json'
        args = ['--out', out, '--val-fraction', 0.34, '--seed', seed]
        code, text, _ = tool(TOOL, *data, *args)
        assert code == 0
        assert '| images for validation | 2 |' in text
        whole, train, val = (
            json.loads((tmp_path / f'{seed}{part}.json').read_text())
            for part in ('', '_train', '_val')
        )
        key = {'images': 'id', 'annotations': 'id'}
        for kind, by in key.items():
            both = sorted(train[kind] + val[kind], key=lambda x: x[by])
            assert both == whole[kind]
        assert len(val['images']) == 2
        assert train['categories'] == val['categories'] == whole['categories']
        for part in (train, val):
            ids = {image['id'] for image in part['images']}
            assert {a['image_id'] for a in part['annotations']} <= ids
        drawn.add(tuple(image['id'] for image in val['images']))
    assert len(drawn) > 1


def test_a_list_gives_its_own_threshold(data, tool, tmp_path):
    chosen = tmp_path / 'train.txt'
    chosen.write_text(f'{name(2)}\n{name(0)}\n')
    args = ['--root', data[1], '--out', tmp_path / 'b.json']
    code, text, err = tool(TOOL, data[0], chosen, *args)
    assert code == 0, err
    assert f'| maps not listed | {len(SIZES) - 2} |' in text
    report = json.loads((tmp_path / 'report.json').read_text())
    mean = (float(drawn_map(0).max()) + float(drawn_map(2).max())) / 2
    assert report['map_threshold'] == pytest.approx(mean - 0.1)
    coco = json.loads((tmp_path / 'b.json').read_text())
    assert list(boxes_by_image(coco)) == [name(0), name(2)]


def cut_map_of(i, maps):
    file = (maps / name(i)).with_suffix('.npy')
    file.write_bytes(file.read_bytes()[:90])


def cut_map(maps, images):
    cut_map_of(1, maps)


@pytest.mark.parametrize('mistake', ['damage', 'cut', 'pickle', 'lose'])
def test_a_broken_map_costs_its_image_alone(data, tool, tmp_path, mistake):
    globals()[f'{mistake}_map'](*data)
    out = tmp_path / 'b.json'
    args = ['--out', out, '--max-unreadable', 0.2, '--val-fraction', 0.5]
    code, text, err = tool(TOOL, *data, *args)
    assert code == 0, err
    assert '| images left out | 1 |' in text
    assert f'note: {name(1)} is left out: ' in text
    report = json.loads((tmp_path / 'report.json').read_text())
    assert list(report['left_out']) == [name(1)]
    coco = json.loads(out.read_text())
    kept = [name(i) for i in (0, 2, 3, 4, 5)]
    assert sorted(boxes_by_image(coco)) == sorted(kept)
    maxima = [float(drawn_map(i).max()) for i in (0, 2, 3, 4, 5)]
    assert report['map_threshold'] == pytest.approx(dataset_threshold(maxima))
    parts = [
        json.loads((tmp_path / f'b_{part}.json').read_text())['images']
        for part in ('train', 'val')
    ]
    assert sorted(i['file_name'] for p in parts for i in p) == sorted(kept)


def test_previews_survive_long_names_and_cut_images(data, tool, tmp_path):
    maps, images = data
    long = 'n' * 251 + '.png'
    manifest = maps / 'manifest.jsonl'
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    (images / name(0)).rename(images / long)
    file = images / name(2)
    file.write_bytes(file.read_bytes()[:-200])  # its header is whole
    for line in lines:
        path = {name(0): long}.get(line['path'], line['path'])
        state = FileState.of(images / path).to_list()
        line.update(path=path, file=state)
    manifest.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
    shown = tmp_path / 'shown'
    args = ['--out', tmp_path / 'b.json', '--preview', shown]
    code, text, err = tool(TOOL, *data, *args)
    assert code == 0, err
    assert f'note: {name(2)} has boxes, but cannot be drawn' in text
    found = files_below(shown)
    assert len(found) == len(SIZES) - 1
    assert all(len(file.split('/')[-1]) <= 255 for file in found)


def test_previews_of_like_names_are_files_of_their_own(data, tool, tmp_path):
    maps, images = data
    names = [
        'a/x.png',
        'b/x.png',
        'a/x.jpg',
        'x.png',
        'a/x.png.jpg',
        'b/x.bmp',
    ]
    manifest = maps / 'manifest.jsonl'
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for line, path, size in zip(lines, names, SIZES, strict=True):
        file = images / path
        file.parent.mkdir(exist_ok=True)
        # PNG whatever the suffix: shades tell the pictures apart
        shade = np.full((*size, 3), 20 * len(path), np.uint8)
        file.write_bytes(cv2.imencode('.png', shade)[1].tobytes())
        (images / line['path']).unlink()
        line.update(path=path, file=FileState.of(file).to_list())
    manifest.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
    shown = tmp_path / 'shown'
    args = ['--out', tmp_path / 'b.json', '--preview', shown]
    code, _, err = tool(TOOL, *data, *args)
    assert code == 0, err
    assert files_below(shown) == {f'{path}.jpg' for path in names}
    for path, size in zip(names, SIZES, strict=True):
        assert cv2.imread(str(shown / f'{path}.jpg')).shape[:2] == size


def test_images_without_a_map_can_be_left_out(data, tool, tmp_path):
    picture(0).save(data[1] / 'new.png')
    args = ['--out', tmp_path / 'b.json']
    code, _, err = tool(TOOL, *data, *args)
    assert code == 1
    assert '1 image (new.png)' in err.splitlines()[-1]
    code, text, _ = tool(TOOL, *data, *args, '--allow-missing')
    assert code == 0
    assert '| images without a map | 1 |' in text


def rewrite_image(maps, images):
    file = images / name(1)
    file.write_bytes(file.read_bytes()[:-1] + b'x')  # of the same size


def touch_image(maps, images):
    os.utime(images / name(1), (1, 1))


@pytest.mark.parametrize(
    ('mistake', 'lost'), [('resize', 1), ('rewrite', 1), ('touch', 0)]
)
def test_a_changed_image_costs_itself_alone(data, tmp_path, mistake, lost):
    globals()[f'{mistake}_image'](*data)
    maps = MapFolder(data[0])
    if not lost:
        assert len(find_mapped_images(maps, data[1]).paths) == 6
        return
    with pytest.raises(MapError, match=r'01\.jpg\) of 6 .* --allow-missing'):
        find_mapped_images(maps, data[1])
    images = find_mapped_images(maps, data[1], allow_missing=True)
    assert images.changed == [name(1)]
    file = tmp_path / 'b.json'
    with pytest.raises(MapError, match=r'1 of 6 .* share of 0\.1 .*01\.jpg'):
        MapsToBoxes(maps, images, file)
    with pytest.raises(ValueError, match=r'share in \[0, 1\], got 3'):
        MapsToBoxes(maps, images, file, max_unreadable=3)
    cut_map_of(2, data[0])  # a broken map counts with it
    with pytest.raises(MapError, match=r'2 of 6 .* share of 0\.2'):
        MapsToBoxes(maps, images, file, max_unreadable=0.2)
    report = MapsToBoxes(maps, images, file, max_unreadable=0.4).run()
    assert sorted(report['left_out']) == sorted([name(1), name(2)])
    assert 'changed since its map' in report['left_out'][name(1)]
    kept = [name(i) for i in (0, 3, 4, 5)]
    coco = json.loads(file.read_text())
    assert sorted(boxes_by_image(coco)) == sorted(kept)
    maxima = [float(drawn_map(i).max()) for i in (0, 3, 4, 5)]
    assert report['map_threshold'] == pytest.approx(dataset_threshold(maxima))


def test_changed_images_are_left_out_by_options(data, tool, tmp_path):
    resize_image(*data)
    args = ['--out', tmp_path / 'b.json', '--max-unreadable', 0.2]
    code, _, err = tool(TOOL, *data, *args)
    assert code == 1
    assert '1 image (deep er/01.jpg) of 6' in err.splitlines()[-1]
    code, text, err = tool(TOOL, *data, *args, '--allow-missing')
    assert code == 0, err
    assert '| images left out | 1 |' in text
    assert f'note: {name(1)} is left out: it has changed' in text


def test_nothing_is_made_where_all_images_have_changed(data):
    for i in range(len(SIZES)):
        picture(i).resize((33, 44)).save(data[1] / name(i))
    with pytest.raises(MapError, match='no image is left'):
        find_mapped_images(MapFolder(data[0]), data[1], allow_missing=True)


def damage_map(maps, images):
    np.save((maps / name(1)).with_suffix('.npy'), np.full((3, 3), np.nan))


def pickle_map(maps, images):
    content = np.array([[object]], dtype=object)
    np.save((maps / name(1)).with_suffix('.npy'), content)


def lose_map(maps, images):
    (maps / name(1)).with_suffix('.npy').unlink()


def swap_map(maps, images):
    np.save((maps / name(1)).with_suffix('.npy'), drawn_map(3))


def resize_image(maps, images):
    picture(1).resize((33, 44)).save(images / name(1))


def break_image(maps, images):
    (images / name(1)).write_bytes(b'text')


def lose_image(maps, images):
    (images / name(1)).unlink()


def lose_manifest(maps, images):
    (maps / 'manifest.jsonl').unlink()


@pytest.mark.parametrize(
    ('mistake', 'message'),
    [
        (damage_map, 'NaN'),
        (pickle_map, 'pickled objects'),
        (lose_map, 'map that is missing'),
        (swap_map, 'different runs'),
        (resize_image, '1 image (deep er/01.jpg) of 6'),
        (break_image, '01.jpg'),
        (lose_image, '1 map (deep er/01.jpg)'),
        (lose_manifest, 'mmcvgssl maps'),
    ],
)
def test_damaged_data_ends_in_one_clear_line(
    data, tool, tmp_path, mistake, message
):
    mistake(*data)
    out = tmp_path / 'out'
    args = ['--out', out / 'b.json', '--yolo', out / 'yolo']
    code, _, err = tool(TOOL, *data, *args)
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert message in last
    assert not out.exists()


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--out', 'boxes'], '.json file to write'),
        (['--out', 'report.json'], 'name of the report'),
        (['--val-fraction', 1.5], 'between 0 and 1'),
        (['--top-k', 0], 'top_k'),
        (['--nms-iou', 80], 'nms_iou'),
        (['--min-area', -1], 'min_area'),
        (['--margin', 'nan'], 'finite'),
        (['--boxes-per-image', 2], 'of the method component_tree'),
        (['--method', 'component_tree', '--margin', 0], 'dataset_threshold'),
        (['--preview-count', 0], 'preview_count'),
        (['--iou', 50], 'overlaps'),
        (['--root', '.'], 'is a folder'),
        (['--ground-truth', 'gone.json'], 'no ground truth'),
        (['--ground-truth', 'maps/provenance.json'], 'expected a COCO file'),
        (['--ground-truth', 'strange.json'], "got 'x.png'"),
        (['--ground-truth', 'b.json'], 'would be overwritten'),
        (['--out', 'c.json', '--ground-truth', 'c_val.json'], 'overwritten'),
        (['--yolo', 'images'], 'not empty'),
        (['--yolo', 'strange.json'], 'not empty'),
    ],
)
def test_mistakes_end_in_one_clear_line(
    data, tool, tmp_path, monkeypatch, args, message
):
    monkeypatch.chdir(tmp_path)
    strange = {'images': [{'id': 1, 'file_name': 'x.png'}]}
    strange |= {'categories': [], 'annotations': []}
    (tmp_path / 'strange.json').write_text(json.dumps(strange))
    before = files_below(tmp_path)
    code, _, err = tool(TOOL, *data, '--out', 'b.json', *args)
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert message in last
    assert files_below(tmp_path) == before


def test_margin_and_threshold_exclude_each_other(data, tool, tmp_path):
    args = ['--out', tmp_path / 'b.json', '--margin', 0, '--threshold', 0]
    code, _, err = tool(TOOL, *data, *args)
    assert code == 2
    assert 'not allowed with' in err


def test_one_image_cannot_be_divided(data, tmp_path):
    chosen = data[1] / 'one.txt'
    chosen.write_text(name(1))
    maps = MapFolder(data[0])
    images = find_mapped_images(maps, chosen)
    with pytest.raises(ValueError, match='at least 2 images'):
        MapsToBoxes(maps, images, tmp_path / 'b.json', val_fraction=0.5)


def test_labels_of_two_images_cannot_share_a_file(data, tmp_path):
    maps, images = data
    (images / name(1)).rename(images / '00.jpg')
    manifest = maps / 'manifest.jsonl'
    text = manifest.read_text().replace(f'"{name(1)}"', '"00.jpg"')
    manifest.write_text(text)
    content = MapFolder(maps)
    found = find_mapped_images(content, images)
    yolo = tmp_path / 'yolo'
    job = MapsToBoxes(content, found, tmp_path / 'b.json', yolo=yolo)
    with pytest.raises(ValueError, match=r'share the labels 00\.txt'):
        job.run()
    assert not yolo.exists()


def test_boxes_of_other_options_are_kept(data, tmp_path):
    out = tmp_path / 'out' / 'b[1].json'

    def run(options=None, **more):
        maps = MapFolder(data[0])
        found = find_mapped_images(maps, data[1])
        MapsToBoxes(maps, found, out, options, **more).run()
        return {p.name: p.read_bytes() for p in out.parent.glob('*.*')}

    old = run(val_fraction=0.5)
    assert {'b[1]_train.json', 'b[1]_val.json', 'report.png'} <= {*old}
    assert run(val_fraction=0.5).keys() == old.keys()
    assert not (out.parent / 'earlier').exists()
    new = run(BoxOptions(top_k=1))
    # parts of other boxes do not stay beside these
    assert {*new} == {'b[1].json', 'report.json', 'report.png'}
    (aside,) = (out.parent / 'earlier').iterdir()
    kept = {p.name: p.read_bytes() for p in aside.iterdir()}
    assert kept == old
    # another division alone is another result, too
    run(val_fraction=0.5, seed=5)
    assert len([*(out.parent / 'earlier').iterdir()]) == 2
    info = json.loads(kept['b[1].json'])['info']
    assert (info['top_k'], info['margin']) == (10, 0.1)


class FullDisk:
    """Opens files, the last of which takes half of what is written."""

    def __init__(self, room: int, monkeypatch) -> None:
        self.room = room
        self.open = Path.open
        monkeypatch.setattr(
            Path, 'open', lambda *args, **kw: self(*args, **kw)
        )

    def __call__(self, path, mode='r', *args, **kwargs):
        file = self.open(path, mode, *args, **kwargs)
        if mode != 'xb':  # not as files are written
            return file
        self.room -= 1
        if self.room < 0:
            whole = file.write

            def write(data):
                whole(data[: len(data) // 2])
                file.flush()
                raise OSError(errno.ENOSPC, 'No space left on device')

            return _Writer(file, write)
        return file


class _Writer:
    def __init__(self, file, write) -> None:
        self.file, self.write, self.close = file, write, file.close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


# 2 pictures, 6 labels, plot, report, two parts, all boxes
@pytest.mark.parametrize('room', range(2 + len(SIZES) + 5))
def test_a_full_disk_leaves_whole_files_and_names_them(
    data, tmp_path, monkeypatch, room
):
    maps = MapFolder(data[0])
    job = MapsToBoxes(
        maps,
        find_mapped_images(maps, data[1]),
        tmp_path / 'out' / 'b.json',
        BoxOptions(margin=0.2),
        yolo=tmp_path / 'out' / 'yolo',
        preview=tmp_path / 'out' / 'shown',
        preview_count=2,
        val_fraction=0.5,
    )
    with monkeypatch.context() as full:
        FullDisk(room, full)
        with pytest.raises(OSError, match='No space left') as caught:
            job.run()
    assert caught.value.errno == errno.ENOSPC
    left = files_below(tmp_path / 'out')
    # the labels appear all at once
    assert len([f for f in left if f.startswith('yolo')]) in (0, len(SIZES))
    assert ('yolo' in os.listdir(tmp_path / 'out')) == (room >= 8)
    assert not [f for f in left if '/.' in f'/{f}']
    assert 'b.json' not in left
    for file in left:
        path = tmp_path / 'out' / file
        if path.suffix == '.json':
            json.loads(path.read_text())
        elif path.suffix in ('.jpg', '.png'):
            assert cv2.imread(str(path)) is not None
    text = str(caught.value)
    n_written = min(room, 2) + (room >= 8) + max(room - 8, 0)
    done = f'{n_written} file{"s"[: n_written != 1]} ('
    assert (done if n_written else 'Already written: nothing') in text
    if not (tmp_path / 'out' / 'yolo').exists():
        assert job.run()['images'] == len(SIZES)


def test_a_full_disk_ends_in_one_clear_line(data, tool, tmp_path, monkeypatch):
    FullDisk(1, monkeypatch)
    code, _, err = tool(TOOL, *data, '--out', tmp_path / 'b.json')
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert 'report.json cannot be written: No space left' in last
    assert f'1 file ({tmp_path / "report.png"})' in last


def test_a_map_of_another_run_is_noticed_in_half_precision(data, tmp_path):
    manifest = data[0] / 'manifest.jsonl'
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for change, fits in ((1 + 4e-4, True), (1.01, False)):
        text = ''.join(
            json.dumps({**content, 'map_max': content['map_max'] * change})
            + '\n'
            for content in lines
        )
        manifest.write_text(text)
        maps = MapFolder(data[0])
        images = find_mapped_images(maps, data[1])
        job = MapsToBoxes(maps, images, tmp_path / 'b.json')
        if fits:
            job.run()
        else:
            with pytest.raises(MapError, match='different runs'):
                job.run()
