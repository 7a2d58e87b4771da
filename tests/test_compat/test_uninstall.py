"""What the import changes can be undone, and done again."""

STATE = """
import os, sys, json
import torch
def state():
    import mmengine.config.utils as utils
    import mmengine.hub.hub as hub
    import mmengine.config.config as config
    import mmengine.registry.registry as registry
    import mmengine.runner.checkpoint as checkpoint
    import mmengine.utils.package_utils as package_utils
    seen = {
        'environment': dict(os.environ),
        'finders': list(sys.meta_path),
        # torch adds some of its own, whoever imports what
        'safe': {
            name
            for name in map(str, torch.serialization.get_safe_globals())
            if 'torch.' not in name
        },
        'scopes': dict(utils.MODULE2PACKAGE),
        'ext': 'mmcv._ext' in sys.modules,
    }
    for module in (hub, config, checkpoint, package_utils):
        seen[module.__name__] = dict(vars(module))
    seen['registry'] = dict(vars(registry.Registry))
    if 'numba.core.dispatcher' in sys.modules:
        numba = sys.modules['numba.core.dispatcher']
        seen['numba'] = numba.Dispatcher.enable_caching
    return seen
def differences(a, b):
    return sorted(key for key in a if a[key] != b.get(key))
"""
CODE = (
    STATE
    + """
import numba
before = state()
import mmcvgssl
during = state()
import mmcv.ops
mmcvgssl.compat.install()
again = state()
mmcvgssl.compat.uninstall()
after = state()
mmcvgssl.compat.uninstall()
mmcvgssl.compat.install()
import mmdet
back = state()
print(json.dumps([
    differences(before, during), differences(during, again),
    differences(before, after), differences(before, back),
]))
try:
    mmcvgssl.compat.uninstall()
    import mmcv._ext
except ModuleNotFoundError as error:
    print(error.name)
"""
)
CHANGED = {
    'environment',
    'finders',
    'mmengine.runner.checkpoint',
    'numba',
    'safe',
    'scopes',
}


def run(run_python, site, code, monkeypatch):
    import json

    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.delenv('NO_ALBUMENTATIONS_UPDATE', raising=False)
    done = run_python(
        'import os; del os.environ["NO_ALBUMENTATIONS_UPDATE"]\n' + code,
        *site,
        options=['-S'] if site else [],
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.strip().splitlines()[-2:]
    assert last == 'mmcv._ext'
    return [set(names) for names in json.loads(first)]


def test_all_changes_are_undone(run_python, monkeypatch):
    during, again, after, back = run(run_python, [], CODE, monkeypatch)
    assert during == CHANGED
    assert not after
    # an op has been imported meanwhile, and nothing else
    assert again <= {'ext'}
    assert back - {'ext'} == CHANGED


def test_what_explains_a_missing_host_is_undone_too(
    run_python, site_without, monkeypatch
):
    site = [site_without('mmyolo')]
    during, _, after, _ = run(run_python, site, CODE, monkeypatch)
    assert {'registry', 'mmengine.config.config', 'mmengine.hub.hub'} <= during
    assert not after


def test_who_has_changed_the_same_thing_keeps_it(monkeypatch):
    from types import SimpleNamespace

    from mmcvgssl.compat import changes

    monkeypatch.setattr(changes, '_undo', [])
    owner = SimpleNamespace(a=1, b=1)
    for name in 'abc':
        changes.set_attribute(owner, name, 2)
    owner.b = 3
    changes.undo_all()
    assert vars(owner) == {'a': 1, 'b': 3}
