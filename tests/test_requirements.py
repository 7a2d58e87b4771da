"""The lock is whole, and a machine needs no library beside it."""

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).resolve().parents[1]
HEADLESS = 'opencv-python-headless'
# one that takes the place of what a host names
STANDS_FOR = {'opencv-python': HEADLESS}
SYSTEM = re.compile(
    r'(ld-linux.*|libc|libm|libdl|librt|libpthread|libutil'  # glibc
    r'|libstdc\+\+|libgcc_s|libz)\.so\.\d+'
)
DRIVER = {'libcuda.so.1'}  # comes with a GPU
# parts that their packages load only where there is such a machine
OPTIONAL = re.compile(
    r'nvshmem_(transport|bootstrap)_.*|libcufile_rdma\.so.*'
    r'|(omppool|tbbpool)\..*'  # numba has a pool of its own
    r'|libopenvino_intel_gpu_plugin\.so'
)


def read_requirements(name):
    lines = (REPO / name).read_text('utf-8').splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith('#'):
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate():
                found[canonicalize_name(need.name)] = need
    return found


@pytest.fixture(scope='module')
def lock():
    return read_requirements('requirements.lock')


def needs_of(name, extras):
    for text in distribution(name).requires or []:
        need = Requirement(text)
        if need.marker is None or any(
            need.marker.evaluate({'extra': extra}) for extra in ('', *extras)
        ):
            yield need


def test_the_lock_is_what_is_installed(lock):
    # setuptools puts some of its own on the path, too
    homes = {sysconfig.get_path(name) for name in ('purelib', 'platlib')}
    installed = {
        canonicalize_name(found.metadata['Name']): found.version
        for found in distributions(path=sorted(homes))
    }
    other = {
        name: (str(need.specifier), installed.get(name))
        for name, need in lock.items()
        if str(need.specifier) != f'=={installed.get(name)}'
    }
    assert not other
    assert not {n for n in installed if n.startswith('opencv')} - {HEADLESS}


def test_the_lock_is_whole(lock):
    """Nothing that a package of the lock asks for is left to pip."""
    todo, asked = [(name, frozenset()) for name in lock], set()
    lacking = []
    while todo:
        name, extras = todo.pop()
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        for need in needs_of(name, extras):
            wanted = canonicalize_name(need.name)
            wanted = STANDS_FOR.get(wanted, wanted)
            pin = lock.get(wanted)
            version = str(pin.specifier)[2:] if pin else None
            if version is None or not need.specifier.contains(
                version, prereleases=True
            ):
                lacking.append((name, str(need), version))
            else:
                todo.append((wanted, frozenset(need.extras)))
    assert not lacking


def test_the_lock_meets_the_requirements(lock):
    required = read_requirements('requirements.txt')
    for name, need in required.items():
        assert need.specifier.contains(str(lock[name].specifier)[2:]), name
    for content in (lock, required):
        assert [n for n in content if n.startswith('opencv')] == [HEADLESS]


def test_an_installation_asks_for_no_second_opencv(tmp_path):
    """What the hosts bring stays as it is."""
    done = subprocess.run(
        [sys.executable, 'setup.py', '-q', 'egg_info', '-e', str(tmp_path)],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / 'mmcvgssl.egg-info/requires.txt').read_text()
    asked = text.split('\n[')[0].split()
    assert 'opencv' not in ' '.join(asked)
    lines = (REPO / 'requirements.txt').read_text().splitlines()
    assert len(asked) == len(lines) - 1


def needed(file):
    """Names of the libraries that a shared object asks for."""
    from elftools.elf.elffile import ELFFile

    with open(file, 'rb') as stream:
        if stream.read(4) != b'\x7fELF':
            return []
        return [
            tag.needed
            for part in ELFFile(stream).iter_segments('PT_DYNAMIC')
            for tag in part.iter_tags('DT_NEEDED')
        ]


def foreign(files):
    """What shared objects need beyond each other and a bare system."""
    names = {file.name for file in files}
    return {
        (file.name, name)
        for file in files
        if not OPTIONAL.fullmatch(file.name)
        for name in needed(file)
        if name not in names | DRIVER and not SYSTEM.fullmatch(name)
    }


@pytest.fixture(scope='module')
def shared_objects():
    if sys.platform != 'linux':
        pytest.skip('shared objects of Linux are looked at')
    return [
        Path(found.locate_file(file))
        for found in distributions()
        for file in found.files or []
        if '.so' in file.suffixes
    ]


def test_no_wheel_needs_a_library_of_the_desktop(shared_objects):
    assert len(shared_objects) > 100
    assert not foreign(shared_objects)


def test_a_library_of_the_desktop_is_found(shared_objects, tmp_path):
    """As in the build of OpenCV that opens windows."""
    like = min(
        (file for file in shared_objects if 'libdl.so.2' in needed(file)),
        key=lambda file: file.stat().st_size,
    )
    other = tmp_path / 'cv2.abi3.so'
    content = like.read_bytes()
    other.write_bytes(content.replace(b'\0libdl.so.2\0', b'\0libGL.so.1\0'))
    assert foreign([*shared_objects, other]) == {('cv2.abi3.so', 'libGL.so.1')}
