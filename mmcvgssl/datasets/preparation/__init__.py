"""From a data set's own layout to the lists that the configs read.

A data set is a module with a :class:`Preparation`; listing it in
``PREPARATIONS`` makes it a subcommand of ``tools/prepare_data.py``.
"""

from mmcvgssl.datasets.preparation import elpv, folder, neu_cls, x_sdd
from mmcvgssl.datasets.preparation.annotations import (
    Preparation,
    Prepared,
    write_annotations,
)
from mmcvgssl.datasets.preparation.elpv import prepare_elpv
from mmcvgssl.datasets.preparation.folder import prepare_folder
from mmcvgssl.datasets.preparation.neu_cls import prepare_neu_cls
from mmcvgssl.datasets.preparation.splits import (
    fixed_splits,
    stratified_split,
)
from mmcvgssl.datasets.preparation.x_sdd import prepare_x_sdd

PREPARATIONS: dict[str, Preparation] = {
    'x-sdd': x_sdd.PREPARATION,
    'neu-cls': neu_cls.PREPARATION,
    'elpv': elpv.PREPARATION,
    'folder': folder.PREPARATION,
}

__all__ = [
    'PREPARATIONS',
    'Preparation',
    'Prepared',
    'fixed_splits',
    'prepare_elpv',
    'prepare_folder',
    'prepare_neu_cls',
    'prepare_x_sdd',
    'stratified_split',
    'write_annotations',
]
