"""Name the images of a folder that are worth labelling first.

The same as ``mmcvgssl select``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('select')
