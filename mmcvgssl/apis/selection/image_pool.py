"""The images to choose from, and those that are labelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmcvgssl.apis.features import Features
from mmcvgssl.apis.prediction.find_images import find_images, images_home
from mmcvgssl.apis.selection.known import Known, read_known
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.copies import same_content
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.selection.methods import UNCERTAINTY
from mmcvgssl.utils import printable, some


@dataclass(frozen=True)
class ImagePool:
    """Images to choose from, and those that are labelled.

    Args:
        root: Folder of the images.
        candidates: Paths relative to it, with /, of different content.
        known: Labelled images.
        copies: By path of a copy, the candidate or labelled image that has
            the same content.
    """

    root: Path
    candidates: list[str]
    known: Known
    copies: dict[str, str]

    @property
    def paths(self) -> list[str]:
        """Candidates, then labelled images."""
        return [*self.candidates, *self.known.paths]

    @classmethod
    def of(
        cls,
        images: str | Path,
        known: str | Path | None,
        root: str | Path | None,
        encoding: str,
        report: Contents,
    ) -> ImagePool:
        """Find images, and leave out copies.

        Args:
            images: Image, folder or list, see :func:`find_images`.
            known: See :func:`read_known`.
            root: Folder that listed paths are relative to.
            encoding: Encoding of the lists.
            report: Collects what is left out.

        Raises:
            FileNotFoundError: If an image, or a list, is missing.
            ValueError: If there is no image, or a list is no list.
        """
        found = find_images(images, (), report, root, encoding)
        home = images_home(images, root)
        paths = [relative_path(str(path), str(home)) for path in found]
        missing = [path for path in paths if not (home / path).is_file()]
        if missing:
            raise FileNotFoundError(
                f'{images}: {some(map(printable, missing), "image")} not '
                f'found in {home}: list paths relative to the folder given '
                'by --root, or leave these out'
            )
        labelled = read_known(known, home, encoding)
        covered = {*labelled.paths}
        names = [*dict.fromkeys([*labelled.paths, *paths])]
        copies = {
            path: group[0]  # a known one, if one is
            for group in same_content(home, names)
            for path in group[1:]
            if path not in covered
        }
        left = {*names} - covered - {*copies}
        report.used = {'images': len(paths)}
        report.log()
        chosen_from = [path for path in names if path in left]
        return cls(home, chosen_from, labelled, copies)

    def check(
        self, budget: int, method: str, known: str | Path | None
    ) -> None:
        """Refuse what cannot be chosen, before images are read."""
        count = len(self.candidates)
        if not count:
            copies = self._why_fewer('or copies of others')
            raise ValueError(
                f'nothing is left to choose from: all images below '
                f'{self.root} are labelled{copies}; leave '
                f'images out of {known}, or add new ones'
            )
        if not 1 <= budget <= count:
            copies = self._why_fewer('and no copies of others')
            raise ValueError(
                f'expected a budget of 1 to {count}, the number of images '
                f'below {self.root} that are not labelled'
                f'{copies}, got {budget}'
            )
        if method != UNCERTAINTY:
            return
        if len({*self.known.labels.values()}) < 2:
            raise ValueError(
                f'method {UNCERTAINTY} learns from known labels: expected a '
                f'list of images (--known) with a class index behind each '
                f'path, of two classes or more, got {known or "none"} with '
                f'{len({*self.known.labels.values()})} classes; choose by '
                'kmeans in the first round'
            )

    def errors(self, found: Features) -> dict[str, str]:
        """Return why images, and copies of them, could not be read."""
        broken = {self.paths[i]: text for i, text in found.errors.items()}
        return broken | {
            path: broken[first]
            for path, first in self.copies.items()
            if first in broken
        }

    def _why_fewer(self, word: str) -> str:
        if not self.copies:
            return ''
        shown = some(map(printable, self.copies))
        return f' {word} ({shown} are copies)'
