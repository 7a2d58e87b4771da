"""Models for runtimes without torch: graphs, their check, and a runtime.

``exported_model`` and what it imports need neither torch nor a host, so
nothing is imported here. Stands on ``compat``, ``datasets``, ``maps``,
``model_file``, ``models``.
"""
