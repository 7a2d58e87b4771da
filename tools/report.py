"""Write one HTML page about the results of work directories.

The same as ``mmcvgssl report``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('report')
