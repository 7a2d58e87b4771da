"""From a config to mmengine's Runner, checked before work starts.

Configs and their options, the data sets of a run and what its model learns of
them, how images are read, seeds, workers, work directories and resuming.
Stands on ``compat``, ``datasets``, ``engine``, ``evaluation``, ``maps``,
``models``, ``provenance``, ``weights``.
"""
