"""What a page is made of: sections, and the parts of a section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

Cell = str | int | float | None


@dataclass
class Plot:
    """A figure, or several to choose from.

    Args:
        figures: plotly's, by the name that a reader chooses.
        thumbs: Pictures as data URIs; a point of ``customdata`` i shows the
            i-th of them.
        height: Pixels.
    """

    kind: ClassVar[str] = 'plot'
    figures: Mapping[str, Any]
    thumbs: Sequence[str] = ()
    height: int = 380


@dataclass
class Table:
    """A table; numbers stand right.

    Args:
        head: Names of the columns.
        rows: A cell a column; None is shown as –.
        title: Above it.
        folded: Whether it is shown when it is asked for.
    """

    kind: ClassVar[str] = 'table'
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ''
    folded: bool = False


@dataclass
class Text:
    """A file, shown when it is asked for.

    Args:
        title: Its name.
        text: What it holds.
    """

    kind: ClassVar[str] = 'text'
    title: str
    text: str


@dataclass
class Card:
    """A picture of a gallery.

    Args:
        name: Path of the image.
        picture: Data URI; empty if there is none.
        lines: What is said of it.
        problem: Why there is no picture.
        score: Anomaly score, for a badge that follows the threshold.
        defective: What is true, for the same.
        badge: A badge that stays.
    """

    name: str
    picture: str = ''
    lines: Sequence[str] = ()
    problem: str = ''
    score: float | None = None
    defective: bool | None = None
    badge: str = ''


@dataclass
class Gallery:
    """Pictures side by side.

    Args:
        cards: The pictures.
        said: How many are shown of how many, and in which order.
        slider: Index of the slider of this section that its badges follow.
    """

    kind: ClassVar[str] = 'gallery'
    cards: Sequence[Card]
    said: str
    slider: int | None = None


@dataclass
class Group:
    """Images, or boxes, of which some are above a threshold.

    Args:
        name: Of a defect, say.
        count: Number of all.
        above: Number above each threshold.
    """

    name: str
    count: int
    above: Sequence[int]


@dataclass
class Slider:
    """A threshold that is moved in the page.

    Args:
        thresholds: Ascending.
        start: Index of the threshold that is shown first.
        chosen: That the model file holds; None: it holds none.
        figure: plotly's histogram, in which a line follows.
        detected: What should be above.
        false_alarms: What should not.
        groups: Parts of ``detected``, for a table.
        unknown: What is above of all where the truth is not known.
        nouns: What ``detected`` and ``false_alarms`` count.
        per: Number of images that ``false_alarms`` are given for; None:
            their share is given.
        inclusive: Whether the threshold itself counts as above.
    """

    kind: ClassVar[str] = 'slider'
    thresholds: Sequence[float]
    start: int
    chosen: float | None
    figure: Any
    detected: Group | None = None
    false_alarms: Group | None = None
    groups: Sequence[Group] = ()
    unknown: Group | None = None
    nouns: tuple[str, str] = ('defective images', 'good images')
    per: int | None = None
    inclusive: bool = False


Part = Plot | Table | Text | Gallery | Slider


@dataclass
class Section:
    """A part of the page with a heading.

    Args:
        title: The heading.
        parts: From top to bottom.
        notes: Sentences below the heading.
        problems: What could not be read, a sentence each.
    """

    title: str
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
