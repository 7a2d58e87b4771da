"""Checking data sets: copies, labels, files and boxes."""

from mmcvgssl.apis.checking.check_data import DataCheck, check_data
from mmcvgssl.apis.checking.summary import check_text, part_table

__all__ = ['DataCheck', 'check_data', 'check_text', 'part_table']
