"""What a result depends on, and whether an earlier one may stay.

Files and their records need neither torch nor a host; so names of this
package are imported when they are used. Stands on no other package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmcvgssl.lazy import lazy_names

if TYPE_CHECKING:
    from mmcvgssl.provenance.files import (
        FileState,
        FileTable,
        digest_bytes,
        of_bytes,
        of_file,
    )
    from mmcvgssl.provenance.keep import EARLIER, settle
    from mmcvgssl.provenance.reading import IMAGE_OPTIONS, Reading, reading_in
    from mmcvgssl.provenance.record import (
        RECORD,
        Provenance,
        ProvenanceError,
        named,
        require_same,
    )
    from mmcvgssl.provenance.room import make_room
    from mmcvgssl.provenance.sources import (
        PATHS,
        SPEED,
        TRAINING,
        digest_tensors,
        of_config,
        of_dataset,
        of_training,
        of_versions,
    )

__all__ = [
    'EARLIER',
    'IMAGE_OPTIONS',
    'PATHS',
    'RECORD',
    'SPEED',
    'TRAINING',
    'FileState',
    'FileTable',
    'Provenance',
    'ProvenanceError',
    'Reading',
    'digest_bytes',
    'digest_tensors',
    'make_room',
    'named',
    'of_bytes',
    'of_config',
    'of_dataset',
    'of_file',
    'of_training',
    'of_versions',
    'reading_in',
    'require_same',
    'settle',
]
lazy_names(
    __name__,
    {
        'EARLIER': '.keep',
        'IMAGE_OPTIONS': '.reading',
        'PATHS': '.sources',
        'RECORD': '.record',
        'SPEED': '.sources',
        'TRAINING': '.sources',
        'FileState': '.files',
        'FileTable': '.files',
        'Provenance': '.record',
        'ProvenanceError': '.record',
        'Reading': '.reading',
        'digest_bytes': '.files',
        'digest_tensors': '.sources',
        'make_room': '.room',
        'named': '.record',
        'of_bytes': '.files',
        'of_config': '.sources',
        'of_dataset': '.sources',
        'of_file': '.files',
        'of_training': '.sources',
        'of_versions': '.sources',
        'reading_in': '.reading',
        'require_same': '.record',
        'settle': '.keep',
    },
)
