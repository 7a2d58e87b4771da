"""Installation; configs and tools travel in the package under ``.mim``."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_FILES = ('configs', 'tools', 'model-index.yml')

EXTRAS = {
    # mmyolo's own requirements name no mmcv; its old version guard is met by
    # mmcvgssl.compat
    'yolo': ['mmyolo==0.6.0', 'prettytable', 'albumentations>=1.4.11,<2'],
    'demo': ['elpv-dataset==1.0.0.post1'],
    'track': ['tensorboard', 'wandb', 'mlflow'],
    # the runtime alone, without torch, needs but one of the last two
    'export': ['onnx', 'onnxscript', 'onnxruntime', 'openvino'],
    'check': ['imagehash>=4.3,<5'],
    'report': ['plotly>=6,<8', 'jinja2>=3,<4'],
    'serve': ['gradio>=6,<7'],
    'docs': [
        'mkdocs>=1.6,<2',
        'mkdocs-material>=9,<10',
        'mkdocstrings[python]>=1,<2',
    ],
    'dev': [
        'pytest',
        'playwright',
        'hypothesis',
        'pyelftools',
        'ruff',
        'mypy',
        'build',
    ],
}


class BuildWithMim(build_py):
    """Copies configs and tools to where OpenMMLab's tools look for them."""

    def run(self) -> None:
        """Build, then add the files under ``mmcvgssl/.mim``."""
        super().run()
        # an editable install links the source tree instead
        base = ROOT if self.editable_mode else Path(self.build_lib)
        mim = base / 'mmcvgssl' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_FILES:
            if self.editable_mode:
                (mim / name).symlink_to(ROOT / name)
            elif (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name,
                    mim / name,
                    ignore=shutil.ignore_patterns('__pycache__'),
                )
            else:
                shutil.copy(ROOT / name, mim / name)


def read(name: str) -> str:
    """Read a file beside this one."""
    return (ROOT / name).read_text(encoding='utf-8')


def requirements() -> list[str]:
    """Read what an installation asks for.

    The hosts bring an OpenCV of one name or another. Two of them write to the
    same folder, so none is asked for here.
    """
    lines = read('requirements.txt').splitlines()
    return [line for line in lines if not line.startswith('opencv')]


version: dict = {}
exec(read('mmcvgssl/version.py'), version)

setup(
    name='mmcvgssl',
    version=version['__version__'],
    description='Self-supervised learning on surface images for defect '
    'recognition, anomaly maps and detection, on OpenMMLab',
    long_description=read('README.md'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmcvgssl', 'mmcvgssl.*']),
    package_data={
        'mmcvgssl.models.anomaly': ['knowledge/*.yaml'],
        'mmcvgssl.reports': ['page/*'],
        'mmcvgssl.serving': ['static/*'],
    },
    python_requires='>=3.10',
    install_requires=requirements(),
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['mmcvgssl = mmcvgssl.cli:main']},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
