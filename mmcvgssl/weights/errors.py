"""Errors of weights that cannot be used."""


class WeightsError(ValueError):
    """Weights that cannot be fetched, read or trusted."""


class KeyMismatchError(WeightsError):
    """Weights do not fit the module they were meant for."""
