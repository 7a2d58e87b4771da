"""mmpretrain beside transformers 5, which its multimodal models break on."""

import pytest

TELL = (
    'import mmcvgssl\n'
    'from mmpretrain.utils import dependency\n'
    'print("multimodal:", dependency.WITH_MULTIMODAL)\n'
)
IMPORT = TELL + 'import mmpretrain.models\n'


@pytest.fixture
def transformers(tmp_path):
    """Make a package that has what mmpretrain asks for, in part."""

    def make(version):
        site = tmp_path / 'transformers-site'
        record = site / f'transformers-{version}.dist-info'
        record.mkdir(parents=True)
        (record / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n'
        )
        package = site / 'transformers'
        for name in ('', 'models', 'models/auto'):
            (package / name).mkdir(exist_ok=True)
            (package / name / '__init__.py').touch()
        (package / '__init__.py').write_text(
            'class AutoConfig: pass\nclass PreTrainedModel: pass\n'
        )
        (package / 'models/auto/auto_factory.py').write_text(
            'class _BaseAutoModelClass: pass\n'
        )
        return site

    return make


def test_hosts_are_imported_beside_a_new_one(
    run_python, host_paths, transformers
):
    done = run_python(IMPORT, *host_paths, transformers('5.17.0'))
    assert done.returncode == 0, done.stderr
    assert 'multimodal: False' in done.stdout


@pytest.mark.parametrize(
    ('version', 'kept'), [('4.57.3', True), ('5.0.0.dev0', False)]
)
def test_only_a_new_one_is_passed_over(
    run_python, transformers, version, kept
):
    done = run_python(TELL, transformers(version))
    assert done.returncode == 0, done.stderr
    assert f'multimodal: {kept}' in done.stdout
