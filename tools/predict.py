"""Score images by a fitted one-class detector."""

import argparse
import sys

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import load_config
from mmcvgssl.apis.cli import check_folder, user_errors
from mmcvgssl.apis.predict import DEFECTIVE, OneClassPredictor
from mmcvgssl.apis.prediction_folder import predict_to_folder
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.utils import printable


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Ends with 0 if an image could be scored, whatever others are '
        'like: each of those is named here and, with its reason, in the '
        'files. Ends with 1 if none could, or on another error; what was '
        'found until then is in predictions.partial.jsonl.',
    )
    parser.add_argument(
        'model', help='model.safetensors, as tools/one_class.py writes it'
    )
    parser.add_argument('images', help='an image, or a folder of images')
    parser.add_argument(
        '--out',
        required=True,
        help='folder of predictions.csv, predictions.json and overlays',
    )
    parser.add_argument(
        '--config', help='says how images are read, instead of the model file'
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')
    parser.add_argument('--batch-size', type=int, default=32)
    return parser.parse_args()


def main() -> None:
    """Predict."""
    args = parse_args()
    with user_errors():
        check_folder(args.out, '--out')
        config = load_config(args.config) if args.config else None
        predictor = OneClassPredictor(
            args.model, config, args.device, args.batch_size
        )
        contents = Contents(args.images)
        found = predict_to_folder(predictor, args.images, args.out, contents)
        for text in contents.warnings:
            print(printable(text), file=sys.stderr)
        print(contents.summary())
        for p in found:
            if p.score is not None:
                path = printable(p.path)
                print(f'{p.score:.4f}  {p.verdict or "–":9}  {path}')
        for p in found:
            if p.error is not None:
                what = 'not read' if p.score is None else 'scored, but'
                print(f'{what}: {printable(p.error)}', file=sys.stderr)
        broken = sum(p.score is None for p in found)
        defective = sum(p.verdict == DEFECTIVE for p in found)
        print(
            f'{len(found)} images: {defective} defective, {broken} not read; '
            f'threshold {predictor.model.threshold}; written to {args.out}'
        )


if __name__ == '__main__':
    main()
