"""Evaluate features with a handful of labels, over several draws.

The same as ``mmcvgssl few-shot``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('few-shot')
