"""Files of CLIP weights, compared with what was published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

from open_clip.pretrained import get_pretrained_cfg, list_pretrained

from mmcvgssl.weights import WeightsError

# the ends of names of open_clip's own files: -699c4b84.pt
_ENDING = re.compile(r'-([0-9a-f]{8})$')
_BLOCK = 1 << 20
_WHOLE = re.compile(r'[0-9a-f]{64}')


def published_digests(name: str) -> dict[str, str]:
    """Return the SHA-256 of published files, by their names.

    They are those in the addresses that open_clip downloads from: the first
    eight digits in names of its own files, all of them in those of OpenAI's.

    Args:
        name: An open_clip architecture.

    Example:
        >>> published_digests('ViT-B-16-plus-240')[
        ...     'vit_b_16_plus_240-laion400m_e32-699c4b84.pt'
        ... ]
        '699c4b84'
    """
    found = {}
    for architecture, tag in list_pretrained():
        if architecture != name:
            continue
        address = PurePosixPath(get_pretrained_cfg(name, tag).get('url', ''))
        ending = _ENDING.search(address.stem)
        if _WHOLE.fullmatch(address.parent.name):
            found[address.name] = address.parent.name
        elif ending is not None:
            found[address.name] = ending[1]
    return found


def check_published(path: Path, name: str) -> None:
    """Refuse a file with a published one's name, but not its content.

    Args:
        path: The file.
        name: The open_clip architecture that it is for.

    Raises:
        WeightsError: If its SHA-256 is another; names both.
    """
    wanted = published_digests(name).get(path.name)
    if wanted is None:
        return
    content = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            content.update(block)
    digest = content.hexdigest()
    if not digest.startswith(wanted):
        raise WeightsError(
            f'{path} is called as a published file of {name}, whose SHA-256 '
            f'begins with {wanted}, but its own is {digest}: copy or '
            'download it once more, or give weights of your own another name'
        )
