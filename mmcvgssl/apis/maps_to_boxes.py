"""From a folder of anomaly maps to pseudo-boxes for a detector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.datasets.coco_file import FROM_MAPS, part_of_coco
from mmcvgssl.datasets.files import MARK
from mmcvgssl.datasets.preparation import stratified_split
from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.evaluation.box_recall import check_ious
from mmcvgssl.maps import Likeness, MapEntry, MapError, MapFolder
from mmcvgssl.maps.box_files import (
    GroundTruth,
    ImageBoxes,
    Outputs,
    read_ground_truth,
    to_coco,
    to_yolo,
)
from mmcvgssl.maps.box_options import BoxOptions
from mmcvgssl.maps.mapped_images import MappedImages, find_broken
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import check_least, evenly, with_suffix_added
from mmcvgssl.visualization import box_report
from mmcvgssl.visualization.box_preview import draw_boxes


class MapsToBoxes:
    """Cuts boxes from the maps of all images, and writes files about them.

    Maps are read one at a time; only the boxes stay in memory. The map
    threshold is computed from the maps of the images that are used. Results
    do not depend on the order of the manifest.

    Args:
        maps: The maps.
        images: Their images.
        out: The COCO file; ``report.json`` and ``report.png`` go beside it.
            Those of other maps or options are moved to ``earlier`` there.
        options: How boxes are cut.
        yolo: New or empty folder for label files.
        preview: Folder for pictures of maps and boxes.
        preview_count: Most pictures, evenly over the images.
        ground_truth: COCO file to measure recall and precision against.
        ious: Overlaps to measure at.
        val_fraction: Share of the images for validation; writes
            ``OUT_train.json`` and ``OUT_val.json``, besides ``out``.
        seed: Seed of that division.
        max_unreadable: Largest share of images that are left out since they,
            or their maps, cannot be read, or have changed; ``report.json``
            names each with its reason.

    Raises:
        FileNotFoundError: If the ground truth is missing, or too many maps.
        MapError: If too many maps cannot be used, or one is not that of its
            image.
        UnreadableImageError: If too many images cannot be read.
        ValueError: If an option is out of range, or a file that is no
            result of this tool would be overwritten.

    Example:
        >>> from mmcvgssl.apis import MapFolder, find_mapped_images
        >>> maps = MapFolder('maps')
        >>> images = find_mapped_images(maps, 'test_images')
        >>> report = MapsToBoxes(maps, images, 'boxes.json').run()
        >>> report['images'], report['boxes']
        (4, 2)
    """

    def __init__(
        self,
        maps: MapFolder,
        images: MappedImages,
        out: str | Path,
        options: BoxOptions | None = None,
        yolo: str | Path | None = None,
        preview: str | Path | None = None,
        preview_count: int = 50,
        ground_truth: str | Path | None = None,
        ious: Sequence[float] = (0.5, 0.3),
        val_fraction: float | None = None,
        seed: int = 0,
        max_unreadable: float = 0.1,
    ) -> None:
        self.maps, self.images, self.out = maps, images, Path(out)
        self.options = options or BoxOptions()
        self.yolo = Path(yolo) if yolo else None
        self.preview = Path(preview) if preview else None
        self.ious, self.seed = ious, seed
        self.likeness = Likeness()
        self.outputs = Outputs()
        self.truth: GroundTruth | None = None
        self._check_targets(Path(ground_truth) if ground_truth else None)
        if ground_truth:
            self.truth = self._read_truth(ground_truth)
        # what is left out, by reason
        self.left_out = find_broken(maps, images, max_unreadable)
        self.entries = [
            maps[path] for path in images.paths if path not in self.left_out
        ]
        self.without_preview: dict[str, str] = {}
        self.map_threshold = self.options.map_threshold_of(self.entries)
        self.parts: dict[str, list[int]] = {}
        if val_fraction is not None:
            self.parts = self._divide(val_fraction)
        self._shown = self._choose(preview_count)
        # raises before work starts
        check_ious(ious)

    def run(self) -> dict[str, Any]:
        """Cut boxes, write all files and return the report.

        Raises:
            FileNotFoundError: If a map has gone since the check.
            MapError: If a map is not that of its image.
            OSError: If a file cannot be written, saying which ones were.
        """
        cut = []
        for entry in progress_bar(self.entries, desc='boxes', unit='image'):
            anomaly_map = self._load(entry)
            self.likeness.add(anomaly_map)
            boxes, scores = self.options.cut(
                anomaly_map, entry.size, self.map_threshold
            )
            cut.append(ImageBoxes(entry.path, entry.size, boxes, scores))
        found, least_score = self.options.keep(cut)
        if self.preview is not None:
            self._write_previews(self.preview, found)
        report = self._report(found, least_score)
        self._write(found, report)
        return report

    def _load(self, entry: MapEntry) -> np.ndarray:
        anomaly_map = self.maps.load_map(entry.path)
        _check_maximum(entry, anomaly_map)
        return anomaly_map

    def _write_previews(
        self, folder: Path, found: Sequence[ImageBoxes]
    ) -> None:
        highest = max(entry.map_max for entry in self.entries)
        for i in sorted(self._shown):
            anomaly_map = self._load(self.entries[i])
            self._write_preview(folder, found[i], anomaly_map, highest)

    def _write_preview(
        self,
        folder: Path,
        image: ImageBoxes,
        anomaly_map: np.ndarray,
        highest: float,
    ) -> None:
        # the whole name, as images may differ by the suffix alone
        name = with_suffix_added(image.path, '.jpg')
        try:
            data = self._draw(image, anomaly_map, highest)
        except UnreadableImageError as error:  # cut off behind its header
            self.without_preview[image.path] = str(error)
            return
        self.outputs.write(folder / name, data)
        (folder / MARK).touch()  # these files are not training images

    def _draw(
        self, image: ImageBoxes, anomaly_map: np.ndarray, highest: float
    ) -> bytes:
        truth = None
        if self.truth is not None and image.path in self.truth.images:
            truth = self.truth.images[image.path][0]
        picture = draw_boxes(
            read_image(
                str(self.images.root / image.path), **self.maps.reading
            ),
            anomaly_map,
            image.boxes,
            image.scores,
            self.map_threshold,
            highest,
            truth,
        )
        return cv2.imencode('.jpg', picture)[1].tobytes()

    def _report(
        self, found: Sequence[ImageBoxes], least_score: float | None
    ) -> dict[str, Any]:
        least = self.map_threshold if least_score is None else least_score
        report: dict[str, Any] = {
            **box_report.summarise(found, least),
            'images_root': relative_path(
                str(self.images.root), str(self.out.parent)
            ),
            'map_threshold': self.map_threshold,
            'least_score': least_score,
            'options': asdict(self.options),
            'images_without_map': len(self.images.without_map),
            'left_out': self.left_out,
            'without_preview': self.without_preview,
            'maps_not_listed': self.images.not_listed,
            'maps': self.maps.settings,
            'remarks': self.maps.remarks,
            # stored in half precision
            'maps_alike': self.likeness.alike(step=2e-3),
        }
        if self.parts:
            report['split'] = {
                'seed': self.seed,
                **{name: len(part) for name, part in self.parts.items()},
            }
        if self.truth is not None:
            report['ground_truth'] = box_report.compare(
                found, self.truth, self.ious
            )
        return {**report, 'notes': box_report.notes(report)}

    def _write(
        self, found: Sequence[ImageBoxes], report: dict[str, Any]
    ) -> None:
        if self.yolo is not None:
            self.outputs.write_folder(self.yolo, to_yolo(found))
        whole = to_coco(
            found,
            {
                'description': FROM_MAPS,
                **asdict(self.options),
                'map_threshold': self.map_threshold,
            },
        )
        files = {'report.json': json.dumps(report, indent=1).encode()}
        for name, part in self.parts.items():
            document = json.dumps(part_of_coco(whole, part)).encode()
            files[self._part_file(name).name] = document
        # written last: if it exists, all files exist
        files[self.out.name] = json.dumps(whole).encode()
        self._keep_others(files)
        self.outputs.write(self._beside('report.png'), box_report.plot(report))
        for name, data in files.items():
            self.outputs.write(self._beside(name), data)

    def _keep_others(self, files: dict[str, bytes]) -> None:
        """Move boxes of other maps or options, with all beside them."""
        parts = [self._part_file(part).name for part in ('train', 'val')]
        try:
            make_room(
                self.out.parent,
                files,
                f'boxes in {self.out}',
                ['report.png', *map(escape, parts)],
            )
        except OSError as error:
            raise self.outputs.explain(self.out, error) from error

    def _read_truth(self, path: str | Path) -> GroundTruth:
        truth = read_ground_truth(path)
        known = [*truth.images, *truth.unboxed]
        if {*known}.isdisjoint(self.images.paths):
            raise ValueError(
                f'{path} knows none of the images: expected file_name as in '
                f'{self.images.paths[0]!r}, got '
                f'{next(iter(known), None)!r}'
            )
        return truth

    def _divide(self, val_fraction: float) -> dict[str, list[int]]:
        if len(self.entries) < 2:
            raise ValueError(
                'a part for validation needs at least 2 images with maps, got '
                f'{len(self.entries)}'
            )
        train, val = stratified_split(
            [0] * len(self.entries), val_fraction, self.seed
        )
        return {'train': train, 'val': val}

    def _choose(self, count: int) -> set[int]:
        check_least(preview_count=(count, 1))
        return set(evenly(len(self.entries), count))

    def _beside(self, name: str) -> Path:
        return self.out.with_name(name)

    def _part_file(self, part: str) -> Path:
        return self._beside(f'{self.out.stem}_{part}{self.out.suffix}')

    def _check_targets(self, truth: Path | None) -> None:
        if self.out.suffix != '.json' or self.out.is_dir():
            raise ValueError(
                f'expected the name of a .json file to write, got {self.out}'
            )
        report = self._beside('report.json')
        if self.out == report:
            raise ValueError(
                f'{self.out} is the name of the report; choose another one'
            )
        targets = [self.out, report, *map(self._part_file, ('train', 'val'))]
        if truth is not None and truth.resolve() in [
            target.resolve() for target in targets
        ]:
            raise ValueError(
                f'the ground truth {truth} would be overwritten; choose '
                'another name or folder for the boxes'
            )
        if self.yolo is not None and _is_used(self.yolo):
            raise ValueError(
                f'{self.yolo} is not empty, and labels of other boxes must '
                'not be mixed in or lost; remove it or choose a new folder'
            )


def _is_used(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _check_maximum(entry: MapEntry, anomaly_map: np.ndarray) -> None:
    """Check that a map is the one the threshold was computed of."""
    found = float(anomaly_map.max())
    # maps may be stored in half precision
    if not np.isclose(found, entry.map_max, rtol=2e-3, atol=1e-6):
        raise MapError(
            f'{entry.map} has the maximum {found:.6g}, the manifest says '
            f'{entry.map_max:.6g}: they are of different runs; make the maps '
            'anew with mmcvgssl maps'
        )
