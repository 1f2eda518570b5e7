"""The figure files: a fixed set, the same bytes every time, no identifiers, nothing left behind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fake_run import FakeRun, draw, load, write_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.plots.figures import FIGURES, WIDTH, _legend_below, _words, draw_fields, draw_series
from vfprog.plots.labels import METHODS
from vfprog.plots.results import of_eye
from vfprog.plots.style import style

NAMES = {
    f"{n}.svg"
    for n in (
        "fields",
        "series",
        "rates",
        "training",
        "reconstructions",
        "latents",
        "evaluation",
        "detection",
        "retest",
        "trust",
    )
}

OPTIONS = PlotsConfig(example_eyes=2)


@pytest.fixture(scope="module")
def drawn(run: FakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    draw(run, OPTIONS, folder)
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
    draw(run, OPTIONS, tmp_path)
    for path in drawn.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_why_there_is_no_figure_stands_in_it(unscored: FakeRun) -> None:
    results = load(unscored)
    texts = [FIGURES[name](results, PlotsConfig()).texts[0].get_text() for name in ("evaluation", "retest")]
    assert texts[0].startswith("No evaluation: no eye has enough visits")
    assert texts[1].startswith("No retests")
    assert _words("because").texts[0].get_text() == "because"


def test_eyes_are_named_by_number_not_by_patient(tmp_path: Path) -> None:
    run = write_run(tmp_path, ids=["SECRET"])
    figure = draw_series(load(run), PlotsConfig())
    titles = [ax.get_title(loc="left") + ax.get_title() for ax in figure.axes]
    assert any("Eye 1, right eye" in title for title in titles)
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert not any("SECRET" in text for text in texts)


def test_sensitivities_stand_beside_the_deviations_in_gray(run: FakeRun) -> None:
    results = load(run)
    figure = draw_fields(results, PlotsConfig(example_eyes=1))
    *_, first, last = [ax for ax in figure.axes if ax.get_title()]
    visits = of_eye(results.visits, results.rates.iloc[0])
    drawn = [ax.collections[0].get_array() for ax in (first, last)]
    np.testing.assert_array_equal(drawn, visits.iloc[[0, -1]][c.sens(52)])
    red, green, blue, _ = first.collections[0].to_rgba(drawn[0]).T
    assert (red == green).all() and (green == blue).all()
    assert first.patches[0].get_center()[0] == 15  # the blind spot of a right eye


def test_without_sensitivities_there_are_no_gray_maps(run: FakeRun) -> None:
    results = load(run)
    titles = [ax.get_title() for ax in draw_fields(results, PlotsConfig(example_eyes=1)).axes]
    bare = replace(results, visits=results.visits.drop(columns=c.sens(52)))
    left = [ax.get_title() for ax in draw_fields(bare, PlotsConfig(example_eyes=1)).axes]
    assert titles[:5] == left[:5]
    assert [title for title in left if title] == titles[:5]
    empty = results.visits.assign(**dict.fromkeys(c.sens(52), np.nan))
    assert len(draw_fields(replace(results, visits=empty), PlotsConfig(example_eyes=1)).axes) == len(left)


def test_settings_are_undone_after_drawing() -> None:
    before = mpl.rcParams["font.size"]
    with style(PlotsConfig(font_size=17)):
        assert mpl.rcParams["font.size"] == 17
    assert mpl.rcParams["font.size"] == before


def test_a_cohort_of_one_eye_with_one_visit_is_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path, eyes=1, visits=[1], scored=False)
    draw(run, PlotsConfig(), tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == NAMES


def test_a_legend_of_all_methods_stays_within_the_figure() -> None:
    with style(PlotsConfig()):
        figure = Figure(figsize=(WIDTH, 4), layout="constrained")
        ax = figure.subplots()
        for label in METHODS.values():
            ax.plot([0, 1], label=label)
        _legend_below(figure, ax)
        FigureCanvasAgg(figure).draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
