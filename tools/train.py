"""Train what a config describes.

The same as ``mmcvgssl train``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('train')
