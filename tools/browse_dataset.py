"""Draw what the pipeline of a config really feeds to the network.

The same as ``mmcvgssl browse``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('browse')
