"""The command ``mmcvgssl``: a module for each verb, and what they share.

A verb has ``add_arguments`` and ``run``, and its module's docstring is its
help; scripts in ``tools`` run the same verbs. Modules import what they compute
with when they run, so that help and wrong options are answered at once.
Stands on ``apis``, ``datasets``, ``engine``, ``export``, ``maps``,
``model_file``, ``models``, ``pipeline``, ``reports``, ``runner``,
``selection``, ``serving``, ``weights``.
"""

from mmcvgssl.cli.main import main, run_tool

__all__ = ['main', 'run_tool']
