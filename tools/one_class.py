"""Train, fit and evaluate one-class detectors, category by category.

The same as ``mmcvgssl one-class``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('one-class')
