"""Write a trained backbone with the key names of another package."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.export_backbone import export_backbone
from mmcvgssl.weights.names import HOSTS, TARGETS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
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
    return parser.parse_args()


def main() -> None:
    """Export and say which keys the target's model found."""
    args = parse_args()
    try:
        report = export_backbone(
            args.checkpoint, args.out, args.to, args.config, args.arch
        )
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    print(report.summary())
    print(f'written: {args.out} for {args.to}')
    if args.to in HOSTS and args.out.endswith('.safetensors'):
        print('note: init_cfg of the hosts reads .pth files only')


if __name__ == '__main__':
    main()
