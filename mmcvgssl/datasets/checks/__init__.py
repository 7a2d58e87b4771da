"""Checks of data sets before anything is learned from them."""

from mmcvgssl.datasets.checks.data_part import DataPart, PartImage
from mmcvgssl.datasets.checks.finding import (
    ERROR,
    NOTE,
    SEVERITIES,
    WARNING,
    Example,
    Finding,
)
from mmcvgssl.datasets.checks.image_facts import ImageFacts, read_facts
from mmcvgssl.datasets.checks.image_table import ImageTable
from mmcvgssl.datasets.checks.parts import find_parts

__all__ = [
    'ERROR',
    'NOTE',
    'SEVERITIES',
    'WARNING',
    'DataPart',
    'Example',
    'Finding',
    'ImageFacts',
    'ImageTable',
    'PartImage',
    'find_parts',
    'read_facts',
]
