"""Check data sets: copies, labels, files, classes, masks and boxes."""

from __future__ import annotations

import argparse
import os

from mmcvgssl.cli.arguments import add_features
from mmcvgssl.cli.outcome import FINDINGS, Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.terminal_log import quieten_log
from mmcvgssl.utils import check_folder

EXAMPLE = 'mmcvgssl check data/x_sdd'
NOTES = """\
Several sets are named: train=DIR test=DIR, or train=train.json test=test.json.
Ends with 3 where there is a finding as grave as --fail-on says.
"""
OUT = 'checked'
INTERRUPTED = 'run the same command again'
FAIL_ON = ('error', 'warning', 'never')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'sets',
        nargs='+',
        metavar='[NAME=]SET',
        help='a folder, with parts, class folders, masks or images alone; a '
        'list, NAME.txt: one path a line, perhaps with a class index behind '
        'it; or a COCO file, NAME.json',
    )
    parser.add_argument(
        '--out',
        default=OUT,
        help='folder of report.html and findings.json (default: %(default)s)',
    )
    parser.add_argument(
        '--features',
        default='package:efficientnet-lite0',
        metavar='MODEL',
        help='what neighbours of an image are found by, to check labels: a '
        'model file, the checkpoint of a training, or the default '
        '%(default)s; none: labels are not compared',
    )
    parser.add_argument(
        '--similarity',
        type=float,
        default=0.95,
        metavar='CORRELATION',
        help='from which on images count as near copies (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--fail-on',
        choices=FAIL_ON,
        default='error',
        help='end with 3 if something as grave is found (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--unlabelled',
        action='store_true',
        help='folders are no classes',
    )
    parser.add_argument(
        '--root',
        help='folder that listed paths, and file_name of COCO files, are '
        'relative to (default: that of the list or file)',
    )
    add_encoding(parser)
    add_features(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Check; the gravest findings come first."""
    from mmcvgssl.apis.checking import check_data, check_text
    from mmcvgssl.reports import write_check

    quieten_log()
    out = check_folder(args.out, '--out')
    options = vars(args)
    del options['out']
    fail_on = options.pop('fail_on')
    sets = _sets(options.pop('sets'))
    labelled = not options.pop('unlabelled')
    found = check_data(sets, labelled=labelled, **options)
    write_check(found, out)
    return Outcome(
        check_text(found, out),
        {'out': out, **found.as_dict()},
        code=FINDINGS if found.fails(fail_on) else 0,
    )


def _sets(words: list[str]) -> dict[str, str] | list[str]:
    """Return sets by name, or those without names."""
    named: dict[str, str] = {}
    plain = []
    for word in words:
        name, sign, path = word.partition('=')
        if not sign or os.path.exists(word):
            plain.append(word)
        elif not name or not path:
            raise ValueError(f'expected NAME=SET, got {word!r}')
        elif name in named:
            raise ValueError(
                f'expected each name once, got {name}={named[name]} and '
                f'{word}: name one of them otherwise'
            )
        else:
            named[name] = path
    if named and plain:
        raise ValueError(
            f'expected a name for each set or for none, got {plain[0]} '
            f'without one: write NAME={plain[0]}'
        )
    return named or plain
