"""The benchmark of labels on the page."""

from tests.data import write_classes


def test_labels_in_front_are_measured(tool, tmp_path):
    images = write_classes(tmp_path / 'images', 8) / 'train'
    code, out, errors = tool(
        *('benchmarks/labelling.py', images),
        *('--size', '32', '--rounds', '3'),
    )
    assert code == 0, errors
    lines = out.splitlines()
    assert lines[0].startswith('24 images, features in ')
    rows = [line.split() for line in lines[2:]]
    # all have labels in the end, and nothing is left to be right about
    assert [row[0] for row in rows] == ['12', '24']
    assert float(rows[0][2]) > 90
    assert rows[1][2] == 'nan'
