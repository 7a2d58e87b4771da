"""False alarms of test images under another light."""

import re

import pytest

from tests.one_class_data import RECIPES, tiny_options, write_mvtec

GREYS = re.compile(r'good images: (.+) ± .+ fitted to, (.+) ± .+ tested')
ALARMS = re.compile(r'\((\d) of 3\)')


def run(tool, root, *options):
    """Return mean greys, fitted to and tested, and the false alarms."""
    given = tiny_options(root, trains=False) | {'category': 'bolt'}
    given = [f'{key}={value}' for key, value in given.items()]
    code, out, errors = tool(
        *('benchmarks/false_alarms.py', RECIPES / 'untrained_lite0_mvtec.py'),
        *('--category', 'bolt', '--rates', '0.3', *options),
        *('--cfg-options', *given),
    )
    assert code == 0, errors
    greys = [float(value) for value in GREYS.search(out).groups()]
    return greys, int(ALARMS.search(out)[1])


def test_a_gain_lights_the_test_images_alone(tool, tmp_path):
    root = write_mvtec(tmp_path / 'mvtec')
    (fitted, tested), alarms = run(tool, root)
    (same, darker), more = run(tool, root, '--test-gain', 0.25)
    assert same == fitted
    # values are whole ones, and greys are printed by tenths
    assert darker == pytest.approx(0.25 * tested, abs=0.2)
    assert alarms < 3
    assert more == 3


@pytest.mark.parametrize('gain', ['0', '-1', 'nan', 'inf', 'bright'])
def test_a_gain_is_a_number_above_0(tool, gain):
    code, _, errors = tool(
        'benchmarks/false_alarms.py', 'none.py', '--test-gain', gain
    )
    assert code == 2
    assert '--test-gain' in errors.splitlines()[-1]
    assert gain in errors.splitlines()[-1]
