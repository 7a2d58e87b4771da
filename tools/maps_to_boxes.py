"""Cut boxes from anomaly maps, for a detector to learn from.

The same as ``mmcvgssl boxes``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('boxes')
