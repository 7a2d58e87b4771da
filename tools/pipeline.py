"""Run all stages from unlabelled images to a detector and its report.

The same as ``mmcvgssl pipeline``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('pipeline')
