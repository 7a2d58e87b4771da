"""Write the lists of images that the configs read; no image is copied."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.datasets.preparation import PREPARATIONS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='data_set', required=True)
    for name, preparation in PREPARATIONS.items():
        command = commands.add_parser(
            name, help=preparation.help, description=preparation.help
        )
        preparation.add_arguments(command)
    return parser.parse_args()


def main() -> None:
    """Prepare one data set and count its images."""
    options = vars(parse_args())
    preparation = PREPARATIONS[options.pop('data_set')]
    try:
        prepared = preparation.run(**options)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    print(prepared.summary())


if __name__ == '__main__':
    main()
