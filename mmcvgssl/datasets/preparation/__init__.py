"""From a data set's own layout to the lists that the configs read.

A data set is a module with a :class:`Preparation`; listing it in
``PREPARATIONS`` makes it a subcommand of ``mmcvgssl prepare``.
"""

from mmcvgssl.datasets.preparation import (
    check,
    elpv,
    few_labels,
    folder,
    folds,
    magnetic_tile,
    mvtec,
    neu_cls,
    neu_det,
    one_class_to_simclr,
    repair,
    x_sdd,
)
from mmcvgssl.datasets.preparation.annotations import (
    Preparation,
    Prepared,
    write_annotations,
)
from mmcvgssl.datasets.preparation.check import check_boxes
from mmcvgssl.datasets.preparation.elpv import prepare_elpv
from mmcvgssl.datasets.preparation.few_labels import draw_few_labels
from mmcvgssl.datasets.preparation.folder import prepare_folder
from mmcvgssl.datasets.preparation.folds import draw_folds
from mmcvgssl.datasets.preparation.magnetic_tile import prepare_magnetic_tile
from mmcvgssl.datasets.preparation.mvtec import prepare_mvtec
from mmcvgssl.datasets.preparation.neu_cls import prepare_neu_cls
from mmcvgssl.datasets.preparation.neu_det import prepare_neu_det
from mmcvgssl.datasets.preparation.one_class_to_simclr import (
    prepare_one_class_to_simclr,
)
from mmcvgssl.datasets.preparation.repair import repair_boxes
from mmcvgssl.datasets.preparation.splits import (
    fixed_splits,
    stratified_split,
)
from mmcvgssl.datasets.preparation.x_sdd import prepare_x_sdd

PREPARATIONS: dict[str, Preparation] = {
    'x-sdd': x_sdd.PREPARATION,
    'neu-cls': neu_cls.PREPARATION,
    'neu-det': neu_det.PREPARATION,
    'elpv': elpv.PREPARATION,
    'mvtec': mvtec.PREPARATION,
    'magnetic-tile': magnetic_tile.PREPARATION,
    'folder': folder.PREPARATION,
    'one-class-to-simclr': one_class_to_simclr.PREPARATION,
    'few-labels': few_labels.PREPARATION,
    'folds': folds.PREPARATION,
    'check': check.PREPARATION,
    'repair': repair.PREPARATION,
}

__all__ = [
    'PREPARATIONS',
    'Preparation',
    'Prepared',
    'check_boxes',
    'draw_few_labels',
    'draw_folds',
    'fixed_splits',
    'prepare_elpv',
    'prepare_folder',
    'prepare_magnetic_tile',
    'prepare_mvtec',
    'prepare_neu_cls',
    'prepare_neu_det',
    'prepare_one_class_to_simclr',
    'prepare_x_sdd',
    'repair_boxes',
    'stratified_split',
    'write_annotations',
]
