"""Predict images by a model file, and write what it says as tables.

The same as ``mmcvgssl predict``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('predict')
