"""Find boxes in unlabelled images by a trained detector, to learn from.

The same as ``mmcvgssl self-train``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('self-train')
