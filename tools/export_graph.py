"""Write a model file as a graph that predicts without torch.

The same as ``mmcvgssl export``.
"""

from mmcvgssl.cli import run_tool

if __name__ == '__main__':
    run_tool('export')
