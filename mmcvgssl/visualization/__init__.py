"""Pictures, plots, reports and visualisers of results.

Stands on ``datasets``, ``evaluation``, ``maps``.
"""
