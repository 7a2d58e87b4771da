"""Pages about results and data, in one HTML file each.

Finds what work directories hold, and draws it: each section is a module that
reads results and returns tables, figures and pictures. Stands on ``apis``,
``compat``, ``datasets``, ``evaluation``, ``maps``, ``provenance``,
``visualization``.
"""

from mmcvgssl.reports.data_check import write_check
from mmcvgssl.reports.report import Report, write_report

__all__ = ['Report', 'write_check', 'write_report']
