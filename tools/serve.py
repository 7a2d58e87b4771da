"""Serve a page in the browser that predicts, and learns a few labels.

The same as ``mmcvgssl serve``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('serve')
