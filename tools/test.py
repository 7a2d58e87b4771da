"""Evaluate a checkpoint or a model file by a test loop; nothing is fitted
or trained that a file holds already.
"""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import run_test
from mmcvgssl.cli import load_run, parse_run_args, user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config',
        help='config file, or a model file, of tools/fit.py, '
        'tools/few_shot.py --save or tools/export_model.py',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        default='none',
        help='checkpoint or model file, which is tested on the images of the '
        "config; 'none' for what is fitted, not trained",
    )
    parser.add_argument(
        '--images',
        help='for a model file, what to test it on. Anomaly model: a folder '
        'of images, good ones and those of each defect in folders of their '
        'own, or MVTec-style; classifier: a folder with a folder for each '
        'class; detector: a COCO file, or the folder of images that holds it',
    )
    parser.add_argument(
        '--root',
        help='folder that the names in a COCO file are relative to (default: '
        'that of the file)',
    )
    parser.add_argument('--work-dir', help='folder of logs')
    parser.add_argument('--out', help='file for the metrics, as JSON')
    return parse_run_args(parser)


def main() -> None:
    """Test."""
    args = parse_args()
    with user_errors():
        cfg, model = load_run(args)
        checkpoint = args.checkpoint
        if checkpoint == 'none':
            named = 'load_from' in (args.cfg_options or {})
            checkpoint = cfg.get('load_from') if named else None
        run_test(cfg, checkpoint, model, args.images, args.out, args.root)


if __name__ == '__main__':
    main()
