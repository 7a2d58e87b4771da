"""The command as a module: ``python -m mmcvgssl``."""

from mmcvgssl.cli import main

if __name__ == '__main__':
    raise SystemExit(main())
