"""Score images by a fitted one-class detector."""

import argparse
import sys

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import load_config
from mmcvgssl.apis.cli import user_errors
from mmcvgssl.apis.predict import OneClassPredictor, predict_to_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
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
        config = load_config(args.config) if args.config else None
        predictor = OneClassPredictor(
            args.model, config, args.device, args.batch_size
        )
        found = predict_to_folder(predictor, args.images, args.out)
        for p in found:
            if p.error is None:
                print(f'{p.score:.4f}  {p.verdict or "–":9}  {p.path}')
        for p in found:
            if p.error is not None:
                print(f'not read: {p.error}', file=sys.stderr)
        broken = sum(p.error is not None for p in found)
        defective = sum(p.verdict == 'defective' for p in found)
        print(
            f'{len(found)} images: {defective} defective, {broken} not read; '
            f'threshold {predictor.model.threshold}; written to {args.out}'
        )


if __name__ == '__main__':
    main()
