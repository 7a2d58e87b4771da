"""One page about a pipeline: figures and pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmcvgssl.apis.self_training.files import REPORT as JOINED_REPORT
from mmcvgssl.apis.self_training.files import SHEET
from mmcvgssl.datasets.files import MARK
from mmcvgssl.pipeline.calls import CONFIG
from mmcvgssl.pipeline.inputs import Inputs
from mmcvgssl.pipeline.pictures import (
    contact_sheet,
    draw_detections,
    plot_losses,
)
from mmcvgssl.pipeline.plan import DONE, LEFT_OUT, UP_TO_DATE, Planned
from mmcvgssl.runner.image_reading import reading_of_test
from mmcvgssl.utils import atomic_write
from mmcvgssl.visualization.scalars import read_scalars

REPORT, SUMMARY = 'report.md', 'summary.json'


def write_report(
    plan: Mapping[str, Planned], inputs: Inputs, work_dir: Path
) -> Path:
    """Write ``report.md``, ``summary.json`` and pictures; return the first.

    Args:
        plan: All stages; those that have run are reported on.
        inputs: Inputs of the stages.
        work_dir: Where the files go.
    """
    summary: dict[str, Any] = {
        'images': len(inputs.images),
        'images_left_out_for_test': inputs.left_out,
        'labels': {
            name: len(part['images'])
            for name, part in (('train', inputs.train), ('test', inputs.test))
            if part is not None
        },
        'stages': {},
    }
    pictures: dict[str, bytes] = {}
    losses = {}
    for name, planned in plan.items():
        if planned.state != UP_TO_DATE:
            summary['stages'][name] = {'state': planned.state}
            continue
        note = json.loads((planned.folder / DONE).read_text('utf-8'))
        entry = {
            'state': planned.state,
            'folder': os.path.relpath(planned.folder, work_dir),
            'seconds': note['seconds'],
        }
        tool = planned.stage.tool
        if tool == 'maps_to_boxes':
            entry |= _read_boxes(planned.folder)
            shown = sorted(planned.folder.glob('preview/**/*.jpg'))
            pictures[f'{name}.jpg'] = contact_sheet(shown)
        elif tool == 'self_train':
            joined = Path(planned.output).parent
            entry |= _read_joined(joined)
            pictures[f'{name}.jpg'] = (joined / SHEET).read_bytes()
        elif tool == 'train':
            losses[name] = _read_losses(planned.folder)
            entry['last_loss'] = losses[name][-1][1] if losses[name] else None
        elif tool == 'test':
            metrics = Path(planned.output).read_text('utf-8')
            entry['metrics'] = json.loads(metrics)
            found = planned.folder / 'predictions.bbox.json'
            # the test has written there how it reads images
            cfg = Config.fromfile(
                planned.folder / CONFIG, import_custom_modules=False
            )
            pictures[f'{name}.jpg'] = draw_detections(
                found, inputs, reading_of_test(cfg)
            )
        summary['stages'][name] = entry
    if any(losses.values()):
        pictures['losses.png'] = plot_losses(losses)
    if pictures:
        atomic_write(work_dir / 'pictures' / MARK, b'')
    for name, data in pictures.items():
        atomic_write(work_dir / 'pictures' / name, data)
    text = json.dumps(summary, indent=1)
    atomic_write(work_dir / SUMMARY, text.encode())
    page = _page(summary, list(pictures), inputs)
    atomic_write(work_dir / REPORT, page.encode())
    return work_dir / REPORT


def _read_losses(folder: Path) -> list[tuple[int, float]]:
    """Read step and loss of all runs of a training."""
    rows = read_scalars(folder).training
    return sorted((k, row['loss']) for k, row in rows.items() if 'loss' in row)


def _read_boxes(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / 'report.json').read_text('utf-8'))
    return {
        'boxes': report['boxes'],
        'boxes_per_image': report['boxes_per_image']['mean'],
        'share_without_box': report['share_without_box'],
        'notes': report['notes'],
    }


def _read_joined(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / JOINED_REPORT).read_text('utf-8'))
    return {
        'joined': report['boxes'],
        'images': report['images'],
        'classes': report['classes'],
    }


def _page(summary: dict[str, Any], pictures: list[str], inputs: Inputs) -> str:
    lines = [
        '# Pipeline',
        '',
        f'{summary["images"]} images without labels in {inputs.root}',
    ]
    if inputs.train is not None:
        lines[-1] += (
            f'; {summary["labels"]["train"]} labelled images to train on, '
            f'{summary["labels"]["test"]} to test on '
            f'({inputs.left_out} of these were among the first and are left '
            'out of all training)'
        )
    lines += ['', '| stage | state | minutes | |', '|---|---|---|---|']
    for name, entry in summary['stages'].items():
        minutes = f'{entry["seconds"] / 60:.1f}' if 'seconds' in entry else ''
        state = 'done' if entry['state'] == UP_TO_DATE else entry['state']
        if state == LEFT_OUT:
            state = 'left out: no labels'
        lines.append(f'| {name} | {state} | {minutes} | {_said(entry)} |')
    for name in pictures:
        stem = Path(name).stem
        lines += ['', f'## {stem}', '', f'![{stem}](pictures/{name})']
    return '\n'.join(lines) + '\n'


def _said(entry: Mapping[str, Any]) -> str:
    if 'metrics' in entry:
        found = entry['metrics']
        parts = [
            f'{key.rpartition("/")[2]} {value:.3f}'
            for key, value in found.items()
            # below 0: there are no boxes to find
            if key.endswith(('bbox_mAP', 'bbox_mAP_50')) and value >= 0
        ]
        share = found.get('false_alarms/images_0.3')
        if share is not None:
            count = found['false_alarms/good_images']
            parts.append(
                f'boxes of score 0.3 or more on {share:.0%} of {count:.0f} '
                'good images'
            )
        return ', '.join(parts)
    if 'joined' in entry:
        own = '; '.join(
            f'{name} {of["boxes"]}'
            + (
                ''
                if of['threshold'] is None
                else f' from {of["threshold"]:.2f} on'
            )
            for name, of in entry['classes'].items()
        )
        boxed, searched = (entry['images'][k] for k in ('boxed', 'searched'))
        return (
            f'{entry["joined"]} boxes in {boxed} of {searched} images joined '
            f'the labels ({own})'
        )
    if 'boxes' in entry:
        text = (
            f'{entry["boxes"]} boxes, {entry["boxes_per_image"]:.2f} an image'
            f', {entry["share_without_box"]:.0%} of images without'
        )
        return '; '.join([text, *entry['notes']])
    if entry.get('last_loss') is not None:
        return f'loss {entry["last_loss"]:.4g} at the end'
    return ''
