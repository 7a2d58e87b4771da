"""Serve a page in the browser that predicts, and learns a few labels."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.cli.predict import require_torch

EXAMPLE = 'mmcvgssl serve parts.safetensors'
NOTES = """\
Without --host, this machine alone reaches the page. Of others everybody who
knows the token may send images to the model; they travel unencrypted, so that
a tunnel (ssh -L 7860:localhost:7860 MACHINE) is safer in a network of others.
"""
INTERRUPTED = 'all that was sent to the page is deleted'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'model',
        help='a model file of any kind, a graph of mmcvgssl export, or '
        'package:efficientnet-lite0 to learn classes from labels alone',
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to serve on, 0.0.0.0 for all of this machine '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--port',
        type=int,
        default=7860,
        metavar='N',
        help='0: one that is free (default: %(default)s)',
    )
    parser.add_argument(
        '--token',
        metavar='TEXT',
        help='what visitors have to know (default: none for this machine '
        'alone, otherwise one that is made and printed)',
    )
    parser.add_argument(
        '--max-mb',
        type=float,
        default=64,
        metavar='MB',
        help='largest file of an image, megabytes (default: %(default)s)',
    )
    parser.add_argument(
        '--max-images',
        type=int,
        default=5000,
        metavar='N',
        help='most images of a visitor (default: %(default)s)',
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')


def run(args: argparse.Namespace) -> Outcome:
    """Serve until Ctrl-C."""
    from mmcvgssl.export.engines import is_exported
    from mmcvgssl.serving import Limits, serve

    limits = Limits(args.max_mb, args.max_images)
    if not is_exported(args.model):
        require_torch(args.model)
        from mmcvgssl.terminal_log import quieten_log

        quieten_log()
    serve(
        *(args.model, args.host, args.port, args.token),
        *(limits, args.device),
    )
    return Outcome('ended', {})
