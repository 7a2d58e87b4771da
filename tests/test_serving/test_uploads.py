"""Names and contents of what visitors send."""

import pytest

from mmcvgssl.serving.uploads import UploadError, shown_name, suffix_of


@pytest.mark.parametrize(
    ('given', 'taken', 'expected'),
    [
        ('a.png', (), 'a.png'),
        ('../../x.png', (), 'x.png'),
        ('..\\..\\x.png', (), 'x.png'),
        ('/etc/passwd', (), 'passwd'),
        ('C:\\parts\\a b.JPG', (), 'a b.JPG'),
        ('a.png', ('a.png',), 'a (2).png'),
        ('a.png', ('a.png', 'a (2).png'), 'a (3).png'),
        ('..', (), 'image'),
        ('', (), 'image'),
        ('.png', (), 'png'),
        ('a\0b\n.png', (), 'a_b_.png'),
        ('<b>"x"</b>.png', (), 'b_.png'),
        ('x<y>.png', (), 'x_y_.png'),
        ('=1+1.png', (), '_=1+1.png'),
        ('@a.png', (), '_@a.png'),
        ('läufer 1.png', (), 'läufer 1.png'),
        (f'{"a" * 300}.png', (), f'{"a" * 116}.png'),
    ],
)
def test_names_lead_nowhere(given, taken, expected):
    assert shown_name(given, taken) == expected


def test_long_names_of_many_bytes_fit_file_systems():
    name = shown_name(f'{"漢" * 300}.png', ())
    assert len(name.encode()) <= 255
    assert name.endswith('.png')


@pytest.mark.parametrize('name', ['a.PNG', 'a.b.tif', 'a.jpeg', 'a.webp'])
def test_images_are_known_by_their_names(name):
    assert suffix_of(name) == f'.{name.rpartition(".")[2].lower()}'


@pytest.mark.parametrize('name', ['a', 'a.svg', 'a.zip', 'a.png.exe', 'png'])
def test_other_files_are_refused(name):
    with pytest.raises(UploadError, match=r'expected an image \(\.jpg'):
        suffix_of(name)
