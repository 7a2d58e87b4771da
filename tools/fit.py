"""Fit an anomaly model and write it to one file that predicts.

The same as ``mmcvgssl fit``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('fit')
