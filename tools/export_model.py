"""Write a trained detector as one file that predicts.

The same as ``mmcvgssl export-model``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('export-model')
