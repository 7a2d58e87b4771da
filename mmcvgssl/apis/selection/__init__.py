"""Parts of choosing images to label: labels, scores, files.

Stands on ``datasets``, ``maps``, ``visualization``.
"""
