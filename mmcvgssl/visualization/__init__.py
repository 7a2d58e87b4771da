"""Pictures, plots and reports of results.

Stands on ``evaluation``, ``maps``.
"""
