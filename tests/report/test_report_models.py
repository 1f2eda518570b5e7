"""Pages of models: what they hold, how they link, and that text from data stays text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_models import HOSTILE, write_models
from markupsafe import escape

from vfprog.config import PlotsConfig
from vfprog.io import read_table
from vfprog.plots.models import COMMON, draw_model_figures
from vfprog.report.models import by_rows, comparison_table, learnt_from, read_model, write_models_report

NAMES = ("plain", "heteroscedastic", "digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose models' pages are written, with one of an earlier run before them."""
    root = tmp_path_factory.mktemp("run")
    models = write_models(root)
    folders = {name: models / name for name in NAMES}
    # The figures themselves are tested beside their functions: one model's stand for all.
    draw_model_figures(folders["digits"], folders["digits"] / "figures", PlotsConfig())
    for name in NAMES[:2]:
        (folders[name] / "figures").symlink_to(folders["digits"] / "figures")
    (models / "report").mkdir()
    (models / "report" / "gone.html").write_text("a model that the run no longer has")
    target = models / "report" / "index.html"
    write_models_report("tiny", folders, root / "models.csv", ["demo"], target, PlotsConfig())
    return root


@pytest.fixture(scope="module")
def index(run: Path) -> str:
    return (run / "models" / "report" / "index.html").read_text()


def test_the_index_links_to_every_model_and_the_cohorts(index: str) -> None:
    for name in NAMES:
        assert f'<a href="{name}.html">{name}</a>' in index
    assert '<a href="../../demo/report/index.html">Cohort demo</a>' in index


def test_pages_of_models_that_are_gone_are_removed(run: Path) -> None:
    pages = {path.name for path in (run / "models" / "report").glob("*.html")}
    assert pages == {"index.html", *(f"{name}.html" for name in NAMES)}


def test_a_page_shows_every_figure_of_its_kind_and_links_back(run: Path) -> None:
    page = (run / "models" / "report" / "heteroscedastic.html").read_text()
    assert '<a href="index.html">All models</a>' in page
    for figure in COMMON:
        assert f'<section id="{figure.name}">' in page
    assert page.count("data:image/svg+xml;base64,") == len(COMMON)


def test_pages_load_nothing(run: Path) -> None:
    for path in (run / "models" / "report").glob("*.html"):
        page = path.read_text()
        assert "default-src 'none'" in page
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


def test_text_from_data_is_escaped(run: Path, index: str) -> None:
    page = (run / "models" / "report" / "plain.html").read_text()
    for text in (index, page):
        assert HOSTILE not in text and str(escape(HOSTILE)) in text


def test_only_models_of_the_same_rows_are_compared(run: Path) -> None:
    models = [read_model(run / "models" / name, name) for name in NAMES]
    groups = by_rows(models)
    assert {rows: [model.name for model in group] for rows, group in groups.items()} == {
        "fields": ["plain", "heteroscedastic"],
        "digits": ["digits"],
    }
    table = comparison_table(groups["digits"], read_table(run / "models.csv"))
    labels = [header.label for header in table.headers]
    assert "Retest (dB)" not in labels and "Evidence" in labels
    cells = dict(zip(labels, table.rows[0], strict=True))
    assert cells["Evidence"].text == "−148.00"
    assert cells["Two-sample"].text == "0.600 [0.500, 0.700]"


def test_a_comparison_of_one_model_has_no_figure(index: str) -> None:
    digits = index[index.index('<section id="digits">') :]
    fields = index[index.index('<section id="fields">') : index.index('<section id="digits">')]
    assert "<img" in fields and "<img" not in digits


def test_what_a_model_learnt_from_is_said_in_words() -> None:
    training = {"fields": 200, "eyes": 38, "patients": 20, "cohorts": ["demo"], "fold": 0}
    training["population_series"] = 4000
    words = learnt_from(training)
    assert (
        "200 fields of 38 eyes of 20 training patients (demo), and 4\N{NARROW NO-BREAK SPACE}000 simulated"
        in words
    )
    assert "fold" not in words and "left fold 2 of the patients out" in learnt_from({**training, "fold": 2})
    assert "1 image;" in learnt_from({"images": 1})
