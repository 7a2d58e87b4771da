"""Check data sets: copies, labels, files, classes, masks and boxes.

The same as ``mmcvgssl check``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('check')
