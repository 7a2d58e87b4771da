"""What a result depends on, and whether an earlier one may stay.

Stands on no other package.
"""

from mmcvgssl.provenance.files import FileState, FileTable, digest_bytes
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
    of_file,
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
    'of_config',
    'of_dataset',
    'of_file',
    'of_training',
    'of_versions',
    'reading_in',
    'require_same',
    'settle',
]
