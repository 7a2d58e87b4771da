"""Write an anomaly map for each image of a folder or a list.

The same as ``mmcvgssl maps``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('maps')
