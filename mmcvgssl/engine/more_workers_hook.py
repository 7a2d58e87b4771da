"""As many processes that load images as a training needs."""

from __future__ import annotations

import math

from mmengine.dist import get_local_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmcvgssl.registry import HOOKS
from mmcvgssl.utils import available_cores

_WAITED, _WHOLE = 'train/data_time', 'train/time'  # of each update, seconds


@HOOKS.register_module()
class MoreWorkersHook(Hook):
    """Give the loader more workers where an epoch has waited for images.

    How long updates wait is what ``IterTimerHook`` has measured, but for the
    first batches of each worker. The loader then gets as many workers as load
    in the time that the rest of an update takes. For data sets whose images
    do not depend on the worker that loads them, as those of this package.

    Args:
        share: Of the time, that updates may wait.
        most: Workers of a process; None: its share of the cores.

    Raises:
        ValueError: If the share is none.
    """

    priority = 'LOWEST'

    def __init__(self, share: float = 0.05, most: int | None = None) -> None:
        if not 0 < share < 1:
            raise ValueError(f'share lies between 0 and 1, got {share}')
        self.share, self.most = share, most

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at how long the updates of the epoch have waited."""
        loader: DataLoader = runner.train_dataloader
        workers = loader.num_workers
        first = 2 * workers  # which are there when an epoch begins, or not
        count = len(loader) - first
        scalars = runner.message_hub.log_scalars
        if not workers or count < 4 or self.is_last_train_epoch(runner):
            return
        if not {_WAITED, _WHOLE} <= set(scalars):  # there is no IterTimerHook
            return
        waited, whole = (
            scalars[name].data[0][-count:] for name in (_WAITED, _WHOLE)
        )
        share = float(waited.sum() / whole.sum())
        most = self.most or max(available_cores() // get_local_size(), 1)
        wanted = min(math.ceil(workers / max(1 - share, 1e-3)), most)
        if share <= self.share or wanted <= workers:
            return
        loader.num_workers = wanted
        # the next epoch starts them; persistent ones would go on else
        loader._iterator = None
        print_log(
            f'train_dataloader: {workers} -> {wanted} workers, as {share:.0%} '
            'of the time was spent waiting for images',
            'current',
        )
