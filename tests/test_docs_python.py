"""The examples of docs/python.md run, in turn and in one folder."""

import shutil

import numpy as np

from tests.doc_commands import blocks
from tests.model_files import write_others

PAGE = 'docs/python.md'


def test_examples_run(example_folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(example_folder, tmp_path, dirs_exist_ok=True)
    write_others(tmp_path)
    monkeypatch.chdir(tmp_path)
    examples = blocks(PAGE, 'python')
    assert len(examples) >= 7
    names: dict = {'__name__': 'example'}
    for number, example in enumerate(examples):
        # one that fails is named by its number on the page
        code = compile(example, f'{PAGE}, example {number + 1}', 'exec')
        exec(code, names)
    assert (tmp_path / 'worst.png').is_file()
    said = capsys.readouterr().out
    assert 'test_images/crack/0.png' in said
    assert "'dent': " in said
    assert np.isfinite([result.score for result in names['results']]).all()
