"""Write the lists of images that the configs read; no image is copied.

The same as ``mmcvgssl prepare``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('prepare')
