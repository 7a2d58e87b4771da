"""The verb that serves a page."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from mmcvgssl.cli import main
from mmcvgssl.compat import hosts
from tests.data import ROOT


def said(capsys, *words):
    """Run the verb; return its code and the sentence of its error."""
    code = main(['serve', *map(str, words)])
    return code, capsys.readouterr().err


@pytest.fixture
def never(monkeypatch):
    """No model is loaded."""

    def load(*args):
        raise AssertionError('loaded before the address was looked at')

    monkeypatch.setattr('mmcvgssl.serving.served_model.ServedModel', load)


def test_a_port_in_use_is_said_before_the_model_is_loaded(never, capsys):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        code, text = said(capsys, 'a.safetensors', '--port', port)
    assert code == 1
    assert f'ERROR: port {port} of 127.0.0.1 is in use by another' in text


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['--max-mb', '0'], 'more than 0 megabytes'),
        (['--max-images', '0'], '1 image or more'),
        (['--host', 'nowhere.invalid'], 'address of this machine'),
        (['--token', 'a b'], 'without spaces'),
        (['--port', '70000'], 'port of 1 to 65535'),
    ],
)
def test_options_are_looked_at_before(words, expected, never, capsys):
    code, text = said(capsys, 'a.safetensors', *words)
    assert code == 1
    assert expected in text


def test_without_gradio_the_extra_is_named(never, monkeypatch, capsys):
    monkeypatch.setattr(hosts, '_found', lambda name: name != 'gradio')
    code, text = said(capsys, 'a.safetensors')
    assert code == 1
    assert 'pip install "mmcvgssl[serve]"' in text


@pytest.mark.parametrize(
    ('name', 'data', 'expected'),
    [
        ('none.safetensors', None, 'no model file none.safetensors'),
        ('a.safetensors', b'something else', 'a.safetensors'),
        ('a.pth', b'PK', 'a.pth'),
        ('a.onnx', b'no graph', 'a.onnx'),
        ('package:unknown', None, 'package:efficientnet-lite0'),
    ],
)
def test_what_is_no_model_is_refused(
    name, data, expected, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    code, text = said(capsys, name, '--port', '0')
    assert code == 1
    assert expected in text.rpartition('ERROR: ')[2]


def test_ctrl_c_ends_it_and_leaves_nothing(example_folder, tmp_path):
    home = tmp_path / 'temporary'
    home.mkdir()
    model = example_folder / 'model.safetensors'
    process = subprocess.Popen(
        [*(sys.executable, '-m', 'mmcvgssl', 'serve', model, '--port', '0')],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            'TMPDIR': str(home),
            'PYTHONPATH': str(ROOT),
            'OMP_NUM_THREADS': '1',
        },
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if 'Ctrl-C' in line:
                break
        text = ''.join(lines)
        url = re.search(r'serving on (http://127\.0\.0\.1:\d+/)\n', text)
        assert url, text
        end = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(url[1], timeout=20) as page:
                    assert page.status == 200
                break
            except ConnectionError:
                assert time.monotonic() < end
        assert [*home.glob('mmcvgssl-serve-*')]
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert 'interrupted: all that was sent to the page is deleted' in error
    assert 'Traceback' not in error
    assert out == ''
    assert [*home.iterdir()] == []
