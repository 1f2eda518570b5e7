"""The figure of the posterior's checks."""

from __future__ import annotations

import fake_run
import pytest
from matplotlib.figure import Figure

from vfprog.plots.results import TrustResults
from vfprog.plots.trust import band_label, draw_trust, plot_nuts, plot_predictive, plot_ranks


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> TrustResults:
    found = fake_run.load(fake_run.write_run(tmp_path_factory.mktemp("run"))).trust
    assert found is not None
    return found


def test_every_check_has_its_panel(checks: TrustResults) -> None:
    figure = draw_trust(checks.sbc, checks.nuts, checks.predictive, 10.0)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["Latents at the start", "Slopes of the latents", "Rate of mean TD"]
    assert len(figure.axes) == 6


def test_ranks_are_one_line_a_quantity_in_a_band(checks: TrustResults) -> None:
    ax = plot_ranks(checks.sbc[checks.sbc["group"] == "rate"], Figure().subplots())
    assert len(ax.lines) == 4  # two quantities, noise known and looked up
    assert ax.get_legend_handles_labels()[1] == ["noise of tests known", "looked up, as in use"]
    assert len(ax.collections) == 1


def test_eyes_that_disagree_are_counted_and_coloured(checks: TrustResults) -> None:
    ax = plot_nuts(checks.nuts, Figure().subplots())
    assert "5 of 6 eyes agree" in ax.get_title()
    colours = ax.collections[-1].get_facecolors()
    assert (colours[1] != colours[0]).any()


def test_measured_stands_beside_drawn_in_each_band(checks: TrustResults) -> None:
    rows = checks.predictive[checks.predictive["statistic"] == "residual_sd"]
    ax = plot_predictive(rows, Figure().subplots())
    assert list(ax.lines[0].get_ydata()) == list(rows["measured"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["\N{MINUS SIGN}3 to 0", "above 0"]


def test_bands_in_words() -> None:
    assert band_label("-inf to -20") == "below \N{MINUS SIGN}20"
    assert band_label("all") == "all"
