"""Write a trained backbone with the key names of another package.

The same as ``mmcvgssl export-backbone``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('export-backbone')
