"""Measure a model on labelled images by a test loop.

The same as ``mmcvgssl test``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('test')
