"""Write a trained backbone with the key names of another package."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.terminal_log import quieten_log

EXAMPLE = 'mmcvgssl export-backbone CKPT backbone.pth --to mmdet'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.weights.names import TARGETS

    parser.add_argument('checkpoint', help='of a training run')
    parser.add_argument('out', help='file to write: .safetensors or .pth')
    parser.add_argument(
        '--to',
        required=True,
        choices=TARGETS,
        help='the package that reads the file',
    )
    parser.add_argument(
        '--config',
        help='config of the training run, if the checkpoint holds none',
    )
    parser.add_argument(
        '--arch',
        help='name of the model in timm or torchvision, by default the one '
        'that the config describes',
    )


def run(args: argparse.Namespace) -> Outcome:
    """Export and say which keys the target's model found."""
    from mmcvgssl.apis.export_backbone import export_backbone
    from mmcvgssl.weights.names import HOSTS

    quieten_log()
    report = export_backbone(
        args.checkpoint, args.out, args.to, args.config, args.arch
    )
    lines = [report.summary(), f'written: {args.out} for {args.to}']
    notes = []
    if args.to in HOSTS and args.out.endswith('.safetensors'):
        notes.append('init_cfg of the hosts reads .pth files only')
    data = {'out': args.out, 'to': args.to, 'notes': notes, **asdict(report)}
    lines += [f'note: {note}' for note in notes]
    return Outcome('\n'.join(lines), data)
