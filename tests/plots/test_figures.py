"""The figure files: a fixed set, the same bytes every time, no identifiers, nothing left behind."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest
from fake_run import FakeRun, write_run

from vfprog.config import PlotsConfig
from vfprog.plots.figures import FIGURES, _words, draw_figures, draw_series
from vfprog.plots.results import load_results
from vfprog.plots.style import style

NAMES = {
    f"{n}.svg" for n in ("fields", "series", "training", "reconstructions", "latents", "evaluation", "retest")
}

OPTIONS = PlotsConfig(example_eyes=2)


@pytest.fixture(scope="module")
def drawn(run: FakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    draw_figures(run.cohort, run.model, folder, OPTIONS)
    return folder


def test_the_set_of_files_is_fixed(drawn: Path) -> None:
    assert {path.name for path in drawn.iterdir()} == NAMES


def test_files_are_whole_svgs_that_refer_to_nothing_outside(drawn: Path) -> None:
    for path in drawn.iterdir():
        text = path.read_text()
        assert text.rstrip().endswith("</svg>")
        references = re.findall(r'(?:xlink:)?href="([^"]+)"', text)
        assert all(r.startswith(("#", "data:")) for r in references)


def test_two_runs_give_the_same_bytes(run: FakeRun, drawn: Path, tmp_path: Path) -> None:
    draw_figures(run.cohort, run.model, tmp_path, OPTIONS)
    for path in drawn.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_why_there_is_no_figure_stands_in_it(unscored: FakeRun) -> None:
    results = load_results(unscored.cohort, unscored.model)
    texts = [FIGURES[name](results, PlotsConfig()).texts[0].get_text() for name in ("evaluation", "retest")]
    assert texts[0].startswith("No evaluation: no eye has enough visits")
    assert texts[1].startswith("No retests")
    assert _words("because").texts[0].get_text() == "because"


def test_eyes_are_named_by_number_not_by_patient(tmp_path: Path) -> None:
    run = write_run(tmp_path, ids=["SECRET"])
    figure = draw_series(load_results(run.cohort, run.model), PlotsConfig())
    titles = [ax.get_title(loc="left") + ax.get_title() for ax in figure.axes]
    assert any("Eye 1, right eye" in title for title in titles)
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert not any("SECRET" in text for text in texts)


def test_settings_are_undone_after_drawing() -> None:
    before = mpl.rcParams["font.size"]
    with style(PlotsConfig(font_size=17)):
        assert mpl.rcParams["font.size"] == 17
    assert mpl.rcParams["font.size"] == before


def test_a_cohort_of_one_eye_with_one_visit_is_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path, eyes=1, visits=[1], scored=False)
    draw_figures(run.cohort, run.model, tmp_path / "figures", PlotsConfig())
    assert {path.name for path in (tmp_path / "figures").iterdir()} == NAMES
