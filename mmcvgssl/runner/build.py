"""Training by mmengine's Runner, with checks before it starts."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import (
    all_gather_object,
    get_world_size,
    init_dist,
    is_main_process,
)
from mmengine.runner import Runner
from torch import Tensor, nn

from mmcvgssl.engine import (
    ProgressHook,
    SkippedImagesHook,
    check_backbone_checkpoint,
    collect_sspcab_loss,
    keep_freed_memory,
)
from mmcvgssl.models.class_counts import check_heads
from mmcvgssl.models.layers import (
    replace_sync_batch_norm,
    synchronize_batch_norm,
)
from mmcvgssl.models.learner import learner
from mmcvgssl.models.views_preprocessor import ViewsPreprocessor
from mmcvgssl.processes import on_first_process
from mmcvgssl.progress import QUIET, log_level
from mmcvgssl.randomness import isolated
from mmcvgssl.runner.annotations import (
    PARTS,
    check_annotations,
    count_false_alarms,
)
from mmcvgssl.runner.cached_images import cache_images
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.resume import check_load_from, guard_weights
from mmcvgssl.runner.run_values import check_run_values, schedule_note
from mmcvgssl.runner.seed import ensure_epoch_seeds, seed_views
from mmcvgssl.runner.transfers import copy_ahead, pinned
from mmcvgssl.runner.views import ViewsOnDevice, plan_views
from mmcvgssl.runner.workers import settle_workers
from mmcvgssl.terminal_log import settle_terminal


class _Runner(Runner):
    """Takes models with torch's SyncBatchNorm on CPUs, and ready ones.

    In a command its log shows what the command was asked to show.
    """

    ready: nn.Module | None = None
    views: ViewsOnDevice | None = None

    def build_logger(self, *args, **kwargs):
        logger = super().build_logger(*args, **kwargs)
        settle_terminal(logger)
        return logger

    def build_model(self, model):
        if self.views and isinstance(model, dict):
            own = self.views.preprocessor(model['data_preprocessor'])
            model = {**model, 'data_preprocessor': own}
        built = super().build_model(self.ready or model)
        copy_ahead(built)
        return built

    def build_dataloader(self, dataloader, *args, **kwargs):
        if self.views and isinstance(dataloader, dict):
            dataloader = self.views.loader(dataloader)
        if torch.cuda.is_available() and isinstance(dataloader, dict):
            dataloader = pinned(dataloader)
        return super().build_dataloader(dataloader, *args, **kwargs)

    def wrap_model(self, model_wrapper_cfg, model):
        # DDP refuses it there; alone, the host makes it a plain batch norm
        if self.distributed and get_device() == 'cpu':
            model = replace_sync_batch_norm(model)
        return super().wrap_model(model_wrapper_cfg, model)


def _runner_class(
    model: nn.Module | None, on_device: ViewsOnDevice | None
) -> type[_Runner]:
    class ReadyRunner(_Runner):
        ready = model
        views = on_device

    return ReadyRunner


def build_runner(
    cfg: Config,
    testing: bool = False,
    settled: bool = False,
    model: nn.Module | None = None,
) -> Runner:
    """Build a Runner after checks of images, boxes and checkpoint.

    First the options of image reading are set, and boxes, images, classes
    and the checkpoint to load are checked. The runner then writes checkpoints
    atomically, passes seed and epoch to data sets of views, and adds the loss
    of SSPCABs to models of the hosts. Without CUDA, processes use gloo, and
    freed memory stays reserved for reuse. With ``sync_bn`` in the config,
    batch norms use the images of all processes; so do SyncBatchNorms of the
    model, also on CPUs.

    Args:
        cfg: Config with ``work_dir`` and ``launcher`` set.
        testing: Whether it is for a test alone, so that nothing else of the
            config need be there.
        settled: Whether :func:`settle_images` has been called.
        model: A ready model, as of a model file, that replaces the config's.

    Raises:
        FileNotFoundError: If a file of annotations, or the checkpoint of
            the backbone, is missing.
        AnnotationError: Names what is wrong with one, all at once.
        ValueError: If classes of data sets and model do not agree, a
            setting is out of range, or stages of a backbone are frozen that
            would have random weights.
        mmcvgssl.weights.WeightsError: If the checkpoint that is to be loaded
            or gone on from cannot be read.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> runner = build_runner(load_config('train.py'))
        >>> len(runner.train_dataloader.dataset), runner.max_epochs
        (12, 1)
    """
    if not torch.cuda.is_available():
        keep_freed_memory()
        if cfg.get('launcher', 'none') == 'pytorch':
            env = cfg.setdefault('env_cfg', ConfigDict())
            env.dist_cfg = {**(env.get('dist_cfg') or {}), 'backend': 'gloo'}
            cfg.setdefault(
                'model_wrapper_cfg',
                dict(
                    type='MMDistributedDataParallel',
                    broadcast_buffers=False,
                    find_unused_parameters=cfg.get(
                        'find_unused_parameters', False
                    ),
                ),
            )
            cfg.model_wrapper_cfg.device_ids = None
    settle_workers(cfg)
    check_run_values(cfg)
    if not testing:
        check_backbone_checkpoint(cfg)
        cache_images(cfg)
    start_processes(cfg)
    lines = [] if settled else settle_images(cfg, testing, log=False)
    parts = ('test',) if testing else PARTS
    report = on_first_process(lambda: check_annotations(cfg, parts))
    count_false_alarms(cfg, report)
    notes = check_load_from(cfg)
    seed_views(cfg)
    sync_bn = cfg.pop('sync_bn', None)
    views = plan_views(cfg, torch.cuda.is_available())
    runner = _runner_class(model, views).from_cfg(cfg)
    if sync_bn and get_world_size() > 1:
        synchronize_batch_norm(runner.model)
    if sync_bn:
        cfg.sync_bn = runner.cfg.sync_bn = sync_bn
    guard_weights(runner, notes)
    ensure_epoch_seeds(runner)
    collect_sspcab_loss(runner)
    if not testing and (note := schedule_note(cfg)):
        lines = [*lines, (logging.WARNING, note)]
    for level, line in (*lines, *report.lines):
        runner.logger.log(level, line)
    if report.skipped:
        runner.register_hook(SkippedImagesHook(report.skipped))
    if log_level() == QUIET and is_main_process():
        runner.register_hook(ProgressHook())
    if report.classes:
        check_heads(runner.model, report.classes, 'metainfo.classes')
    return runner


def start_processes(cfg: Config) -> None:
    """Start the process group of a launcher, if it is not running.

    Args:
        cfg: Config with ``launcher`` set.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.distributed.is_initialized():
        return
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ.setdefault(name, '1')  # as mmengine does, with a warning
    # DDP imports it; what is imported later has the group as a default
    importlib.import_module('torch.distributed.nn')
    if launcher == 'pytorch' and not torch.cuda.is_available():
        # mmengine's init_dist would look for a GPU
        torch.distributed.init_process_group(**_gloo_options(cfg))
    else:
        init_dist(launcher, **cfg.env_cfg.get('dist_cfg', {}))
    # gloo's threads must end before the interpreter does: it aborts else
    atexit.register(_stop_processes)


def _gloo_options(cfg: Config) -> dict[str, Any]:
    """Return the config's options of a process group, for gloo.

    Raises:
        ValueError: If its timeout is none.
    """
    given = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    options = {**given, 'backend': 'gloo'}
    seconds = options.pop('timeout', None)
    if seconds is not None:
        if not isinstance(seconds, (int, float)) or not seconds > 0:
            raise ValueError(
                f'env_cfg.dist_cfg.timeout={seconds!r}: expected seconds, as '
                '1800'
            )
        options['timeout'] = timedelta(seconds=seconds)
    return options


def _stop_processes() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        gc.collect()  # a runner is a cycle, and its model refers to the group


def check_before_training(runner: Runner) -> None:
    """Check batch sizes and image sizes before the first step.

    Raises:
        ValueError: If a batch is larger than the data set, processes would
            get different shares, or the backbone cannot take a view of the
            configured size.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> cfg = load_config('train.py', {'train_dataloader.batch_size': 64})
        >>> try:
        ...     check_before_training(build_runner(cfg))
        ... except ValueError as error:
        ...     print(str(error)[:20])
        a batch of 64 images
    """
    loader = runner.train_dataloader
    own = getattr(loader.sampler, 'batch_size', loader.batch_size)
    if own != loader.batch_size:
        raise ValueError(
            f'train_dataloader.batch_size={loader.batch_size} and its '
            f"sampler's {own} differ: set both at once, by --cfg-options "
            f'batch_size={loader.batch_size}'
        )
    n, world = len(loader.dataset), get_world_size()
    # a batch sampler replaces the batch size
    size = loader.batch_size or loader.batch_sampler.batch_size
    batch = size * world
    if n < batch:
        raise ValueError(
            f'a batch of {batch} images ({size} on each of '
            f'{world} processes) is larger than the data set of {n}; set '
            f'train_dataloader.batch_size to {max(n // world, 1)} or less'
        )
    shares = all_gather_object((len(loader.sampler), size, loader.drop_last))
    if len(set(shares)) > 1:
        raise ValueError(
            'expected the same share of images, batch size and drop_last in '
            f'each process, as they compare images, got {shares}: use the '
            'same config and a sampler that rounds up (round_up=True)'
        )
    # wrappers may draw random numbers, which must not change the weights
    with isolated():
        inputs = loader.dataset[0]['inputs']
    _check_views(runner, inputs)


def _tensors(inputs: Any) -> list[Tensor]:
    """Return the images of a sample: one, views, or branches of a pipeline."""
    if isinstance(inputs, Mapping):
        inputs = list(inputs.values())
    if not isinstance(inputs, Sequence):
        return [inputs] if torch.is_tensor(inputs) else []
    return [image for each in inputs for image in _tensors(each)]


def _check_views(runner: Runner, inputs) -> None:
    model = learner(runner.model)
    preprocessor = getattr(model, 'data_preprocessor', None)
    sizes: Sequence[tuple[int, int]] = ()
    if isinstance(preprocessor, ViewsPreprocessor):
        sizes = preprocessor.views.sizes
    if not sizes:
        sizes = [(view.shape[-2], view.shape[-1]) for view in _tensors(inputs)]
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for height, width in sorted(set(sizes)):
            image = torch.zeros(1, 3, height, width, device=device)
            try:
                with torch.inference_mode():
                    model.backbone(image)
            except Exception as error:
                raise ValueError(
                    f'{type(model.backbone).__name__} cannot take views of '
                    f'{height}x{width} pixels ({error}); change the size of '
                    'the views (view_size), or img_size of the backbone'
                ) from error
    finally:
        model.train(was_training)


def default_work_dir(config: str) -> str:
    """``work_dirs/<config name>`` as in the hosts.

    Example:
        >>> default_work_dir('configs/cvgssl_resnet50_folder.py')
        'work_dirs/cvgssl_resnet50_folder'
    """
    name = os.path.splitext(os.path.basename(config))[0]
    return os.path.join('work_dirs', name)
