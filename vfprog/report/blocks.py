"""What pages are made of: text, facts, figures and tables, all formatted; templates only loop over them."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup


@dataclass(frozen=True)
class Fact:
    """A term and its value."""

    term: str
    value: str


@dataclass(frozen=True)
class Header:
    """A column's heading; ``key`` names it in the page's address (#sort=key), ``help`` explains it."""

    label: str
    key: str = ""
    help: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what it is sorted by where that differs, a link, a CSS class."""

    text: str
    sort: str = ""
    href: str = ""
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column heads its rows."""

    caption: str
    headers: list[Header]
    rows: list[list[Cell]]

    @property
    def columns(self) -> list[tuple[Header, str]]:
        """Headings with the CSS class of the cells below them."""
        classes = [cell.css for cell in self.rows[0]] if self.rows else [""] * len(self.headers)
        return list(zip(self.headers, classes, strict=True))


@dataclass(frozen=True)
class Picture:
    """A figure file as a data URI, with the text that stands for it."""

    src: str
    alt: str


@dataclass(frozen=True)
class Map:
    """A drawing with its caption."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the index page; ``details`` are tables folded away until asked for."""

    id: str
    title: str
    text: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    details: list[Table] = field(default_factory=list)


def embedded(file: Path, alt: str) -> Picture:
    """An SVG as a data URI: nothing is loaded from elsewhere, and identifiers of two SVGs cannot clash."""
    content = base64.b64encode(file.read_bytes()).decode()
    return Picture(f"data:image/svg+xml;base64,{content}", alt)


def number_cell(text: str, value: float) -> Cell:
    """A number's cell, sorted by its value; missing values sort last."""
    return Cell(text, sort="" if math.isnan(value) else repr(float(value)), css="n")


def row(*values: str) -> list[Cell]:
    """A row of plain text."""
    return [Cell(v) for v in values]


def headers(*labels: str) -> list[Header]:
    """Plain headings."""
    return [Header(label) for label in labels]
