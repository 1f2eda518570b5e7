"""The written pages: what they say, that they hold together, that nothing of the data becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_run import HOSTILE, FakeRun, draw, write_pages, write_run

from vfprog.config import PlotsConfig
from vfprog.plots.labels import FORECASTS
from vfprog.plots.results import Results
from vfprog.plots.style import FORECAST, MEASURED, RATE
from vfprog.report.context import learned_from, scored_by
from vfprog.report.eye import (
    ONE_VISIT,
    PARTS,
    SHORT,
    SHRINKAGE,
    eye_page,
    forecast_notes,
    likelihood,
    page_name,
    rate_note,
    verdicts,
)
from vfprog.report.eyes import Eyes
from vfprog.report.further_loss import ILLUSTRATION, LEFT_OUT, further_loss_maps, further_notes
from vfprog.report.quality import blank_where_missing
from vfprog.report.svg import FieldMaps


class Page(HTMLParser):
    """Texts, tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def index(folder: Path) -> Page:
    return Page((folder / "index.html").read_text())


@pytest.fixture(scope="module")
def first(folder: Path) -> Page:
    return Page((folder / "eyes" / "eye-0001.html").read_text())


def all_pages(folder: Path) -> list[Path]:
    return [folder / "index.html", *sorted((folder / "eyes").glob("*.html"))]


def test_a_page_an_eye_named_by_number(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "eyes").iterdir())
    assert names == [f"eye-{i:04d}.html" for i in range(1, 7)]
    assert page_name(12) == "eye-0012.html"


MODELS_PAGE = "../../models/report/index.html"  # which a rule of its own writes


def test_pages_load_nothing_from_elsewhere(folder: Path) -> None:
    for path in all_pages(folder):
        text = path.read_text()
        assert not re.search(r"https?://", text), path.name
        assert "default-src 'none'" in text
        for address in Page(text).addresses:
            local = address.startswith(("data:", "#", "eyes/eye-", "eye-", "../index.html", MODELS_PAGE))
            assert local, address


def test_links_lead_to_pages_that_exist(folder: Path) -> None:
    for path in all_pages(folder):
        for address in Page(path.read_text()).addresses:
            if address.endswith(".html") and address != MODELS_PAGE:
                assert (path.parent / address).exists(), address


def test_an_identifier_is_text_whatever_it_holds(folder: Path, index: Page, first: Page) -> None:
    for page in (index, first):
        assert page.tags.count("script") == 1
        assert HOSTILE in page.text
    for path in all_pages(folder):
        assert "<script>alert" not in path.read_text()


def test_title_and_attribution_are_escaped(index: Page) -> None:
    assert "Eyes <of> a clinic" in index.text
    assert "Nobody's data & nobody's licence" in index.text


def test_every_section_is_there(index: Page) -> None:
    for heading in (
        "Summary",
        "Data quality",
        "Model",
        "Evaluation of forecasts",
        "Retests",
        "Latent space and reconstructions",
        "Table of eyes",
    ):
        assert heading in index.texts
    assert "Not a medical device" in index.text


def test_the_summary_counts(index: Page) -> None:
    assert "3 eyes of 6 (50 %) are worsening with a posterior probability above 0.95." in index.text
    assert "3 eyes (50 %) are flagged as progressing" in index.text
    assert (
        "The thresholds aim at flagging 5 % of stable eyes, simulated with noise, wander and visit effects, after so "
        "many visits so far apart." in index.text
    )
    assert "40 of 41 read" in index.text


def test_data_quality_names_rows_and_reasons(index: Page) -> None:
    assert "false positives above 0.15" in index.text
    assert "fields.csv 12 td7 x<y not a number" in index.text


def test_untypical_fields_are_counted_and_shown_worst_first(index: Page) -> None:
    assert "The model finds 2 fields of 40 (5.0 %) less probable" in index.text
    assert "Least typical fields: 2 of 2 flagged" in index.text
    assert index.text.index("\N{MINUS SIGN}180.0") < index.text.index("\N{MINUS SIGN}170.0")


def test_missing_entries_of_quarantine_are_blank() -> None:
    table = pd.DataFrame({"row": [12, 40], "column": [np.nan, np.nan], "value": [7.5, np.nan]})
    assert list(blank_where_missing(table)) == [(12, "", 7.5), (40, "", "")]


def test_the_model_section_says_where_prior_threshold_and_quantiles_come_from(index: Page) -> None:
    assert (
        "come from the cohort demo: from patients of this cohort, none of whom the model that learned from them is "
        "scored on." in index.text
    )


def test_a_cohort_that_nothing_was_learned_from_is_told_how_to_check() -> None:
    checked = learned_from("clinic", ["demo", "rotterdam"], evaluated=True)
    assert (
        "come from the cohorts demo, rotterdam. They were learned elsewhere, not from this cohort" in checked
    )
    assert checked.endswith("the coverage in the evaluation below is the check that they hold here.")
    assert "no eye has enough visits to check" in learned_from("clinic", ["demo"], evaluated=False)


def test_cross_validation_is_said() -> None:
    split = pd.DataFrame({"patient_id": ["a", "b"], "part": ["train", "validation"]})
    assert scored_by(None) == scored_by(split) == "on patients that no model saw"
    said = scored_by(split.assign(fold=[1, 2]))
    assert said == "each patient by a model trained without them (cross-validation in 2 folds)"


def test_an_eye_s_chart_is_explained_in_the_figures_colours(folder: Path) -> None:
    text = (folder / "eyes" / "eye-0001.html").read_text()
    for colour in (MEASURED, RATE, FORECAST):
        assert f'<i style="background:{colour}">' in text


def test_figures_have_texts_in_their_place(index: Page) -> None:
    pictures = [attributes for tag, attributes in index.attributes if tag == "img"]
    assert len(pictures) == 10
    for attributes in pictures:
        assert (attributes["alt"] or "").strip()
        assert (attributes["src"] or "").startswith("data:image/svg+xml;base64,")


def test_headings_of_tables_have_scope_and_columns_are_explained(index: Page) -> None:
    heads = [attributes for tag, attributes in index.attributes if tag == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in heads)
    sortable = [attributes for attributes in heads if attributes.get("data-key")]
    assert len(sortable) == 16
    assert all(attributes["aria-sort"] == "none" and attributes["title"] for attributes in sortable)


def test_the_table_of_eyes_starts_with_the_fastest(index: Page) -> None:
    assert re.search(r"8\.2 −2\.4 −1\.30 \[−1\.61, −0\.99\] > 0\.99 0\.85 yes 0\.80", index.text)


def test_an_eye_page_says_who_how_fast_and_how_sure(first: Page) -> None:
    assert "right eye (OD)" in first.text
    assert "15 used, 1 excluded" in first.text
    assert "−1.30 dB/year 95 % credible interval [−1.61, −0.99]" in first.text
    assert "This eye is very likely worsening (probability > 0.99 that its rate is below 0)." in first.text
    assert "is above the threshold for 15 visits so far apart, 0.80" in first.text
    assert SHRINKAGE in first.text
    assert "12 of 15 fields: the first, the last, and evenly spaced ones between." in first.text
    assert "false positives above 0.15" in first.text


def test_an_eye_with_one_visit_says_so(results: Results, folder: Path) -> None:
    number = int(results.rates.loc[results.rates["n_visits"] == 1, "number"].iloc[0])
    page = Page((folder / "eyes" / page_name(number)).read_text())
    assert ONE_VISIT in page.text
    assert SHRINKAGE not in page.text


@pytest.mark.parametrize(
    ("n_visits", "years", "note"), [(1, 0.0, ONE_VISIT), (12, 0.4, SHORT), (2, 0.5, SHRINKAGE)]
)
def test_what_to_bear_in_mind_of_a_rate(n_visits: int, years: float, note: str) -> None:
    assert rate_note(pd.Series({"n_visits": n_visits, "years_followed": years})) == note


def test_a_forecast_that_stands_still_says_so(results: Results, index: Page) -> None:
    assert FORECASTS["static"] in index.text
    falling, stable = results.rates.iloc[0], results.rates.iloc[-1]
    assert len(forecast_notes(falling, "static")) == 2
    assert forecast_notes(stable, "static") == [FORECASTS["static"]]
    assert forecast_notes(falling, "published") == [FORECASTS["published"]]


def test_neighbours_are_linked(folder: Path) -> None:
    def neighbours(number: int) -> list[str]:
        addresses = Page((folder / "eyes" / page_name(number)).read_text()).addresses
        return [a for a in addresses if a.startswith("eye-")]

    assert neighbours(1) == ["eye-0002.html"]
    assert neighbours(3) == ["eye-0002.html", "eye-0004.html"]
    assert neighbours(6) == ["eye-0005.html"]


def test_an_eye_page_draws_every_map(results: Results) -> None:
    drawer, eyes = FieldMaps(results.xy, PlotsConfig()), Eyes(results)
    _, rate = next(results.rates.iterrows())
    page = eye_page(eyes[rate], drawer, "static", 6, 52)
    assert len(page.maps) == 12
    assert (page.maps[0].caption, page.maps[-1].caption) == ("Visit 1, 0.0 years", "Visit 16, 8.2 years")
    assert [m.caption for m in page.gray] == ["Visit 1, 0.0 years", "Visit 16, 8.2 years"]
    assert [m.caption for m in page.forecasts] == [
        "0.5 years ahead",
        "1 year ahead",
        "2 years ahead",
        "3 years ahead",
        "5 years ahead",
    ]
    assert len(page.widths) == 5
    assert len(page.latents) == 4
    assert len(page.visits.rows) == 16


def test_further_loss_is_shown_as_an_illustration(first: Page, results: Results) -> None:
    assert "What further loss would look like" in first.texts
    assert ILLUSTRATION in first.text
    lengths = []
    for _, rate in results.rates.iterrows():
        eye = Eyes(results)[rate]
        maps = further_loss_maps(eye.further_loss, rate["eye"], 52, FieldMaps(results.xy, PlotsConfig()))
        assert maps[0].caption == "Present: MD \N{MINUS SIGN}4.0 dB, percentile 48"
        assert maps[1].caption == "3 dB lower: MD \N{MINUS SIGN}7.0 dB, percentile 39"
        assert str(maps[1].svg).count(">\N{MINUS SIGN}7<") == 52
        assert (LEFT_OUT in further_notes(eye.further_loss)) == (len(maps) == 2)
        lengths.append(len(maps))
    assert sorted(lengths) == [2, 4, 4, 4, 4, 4]


def test_further_loss_not_asked_for_is_not_mentioned(tmp_path: Path) -> None:
    run = write_run(tmp_path, scored=False)
    draw(run, PlotsConfig(example_eyes=1))
    page = Page((write_pages(run) / "eyes" / page_name(1)).read_text())
    assert "further loss" not in page.text


def test_the_forecast_of_an_eye_is_its_own(results: Results) -> None:
    eyes = Eyes(results)
    for _, rate in results.rates.iterrows():
        eye = eyes[rate]
        own = results.forecasts.query("patient_id == @rate.patient_id and eye == @rate.eye")
        table = own.pivot_table(index="years_ahead", columns="location", values="td_median", sort=True)
        assert (eye.forecast["td_median"] == table.to_numpy()).all()
        assert set(eye.visits["patient_id"]) == {rate["patient_id"]}


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.99, "very likely"), (0.9, "likely"), (0.5, "possibly"), (0.3, "probably not"), (0, "unlikely to be")],
)
def test_probabilities_in_words(p: float, words: str) -> None:
    assert likelihood(p) == words


def test_fewer_pages_than_eyes_are_said_and_old_pages_removed(tmp_path: Path) -> None:
    run = write_run(tmp_path, scored=False)
    draw(run, PlotsConfig(example_eyes=1))
    write_pages(run)
    folder = write_pages(run, pages=2)
    assert sorted(path.name for path in (folder / "eyes").iterdir()) == ["eye-0001.html", "eye-0002.html"]
    page = Page((folder / "index.html").read_text())
    assert "Pages are written for the 2 eyes that worsen fastest; the other 4 eyes appear" in page.text
    assert [a for a in page.addresses if a.startswith("eyes/")] == [
        "eyes/eye-0001.html",
        "eyes/eye-0002.html",
    ]
    assert "No eye of this cohort has enough visits" in page.text
    assert "Retests" not in page.texts


def test_tables_left_from_an_earlier_config_are_not_read(tmp_path: Path) -> None:
    """A cohort that was trained on, and now is not, keeps its split.csv on disk."""
    run = replace(write_run(tmp_path), further=("detection", "trust"))
    assert (run.cohort / "split.csv").exists() and (run.cohort / "retest.csv").exists()
    draw(run, PlotsConfig(example_eyes=1))
    folder = write_pages(run)
    texts = [Page(path.read_text()) for path in all_pages(folder)]
    assert not any(part in page.text for page in texts for part in PARTS.values())
    assert "Training patients" not in texts[0].texts
    assert "Retests" not in texts[0].texts


def test_no_pages_at_all_can_be_asked_for(run: FakeRun, tmp_path: Path) -> None:
    bare = write_run(tmp_path, eyes=1, scored=False)
    (bare.cohort / "figures").symlink_to(run.cohort / "figures")
    folder = write_pages(bare, pages=0)
    assert (folder / "index.html").exists()
    assert not list((folder / "eyes").glob("*"))


def test_a_method_without_a_network_has_pages_and_figures_but_no_latent_path(tmp_path: Path) -> None:
    run = write_run(tmp_path, eyes=3)
    paths = run.cohort / "trajectories.nc"
    with xr.open_dataset(paths, engine="h5netcdf") as dataset:
        bare = dataset.load().isel(latent=slice(0))
    bare.to_netcdf(paths, engine="h5netcdf")
    draw(run, PlotsConfig())
    folder = write_pages(run)
    index, eye = (folder / name for name in ("index.html", "eyes/eye-0001.html"))
    assert "A path rests on all fields" not in index.read_text()
    assert "Path through latent space" not in eye.read_text()


def _verdicts(**changed: float | bool) -> list[str]:
    usual = {"p_worsening": 0.9, "p_progressing": 0.3, "progressing": False, "n_visits": 8, "md_slope": -0.4}
    return verdicts(pd.Series({**usual, "progressing_threshold": 0.5, **changed}))


def test_verdicts_say_what_few_visits_cannot_and_why_two_statements_differ() -> None:
    assert _verdicts(md_slope=float("nan"), n_visits=1) == [
        "Nothing can be said of the course of this eye yet: what stands below is the prior's."
    ]
    unjudged = _verdicts(n_visits=2, progressing_threshold=1.0)[1]
    assert unjudged == "It is not flagged as progressing: that takes 3 visits."
    blind = _verdicts(n_visits=9, progressing_threshold=1.0)[1]
    assert blind.endswith("that takes 3 visits at different times, and locations that see something.")
    assert "The flag is stricter" in _verdicts()[1]
    assert "The flag is stricter" not in _verdicts(progressing=True, p_progressing=0.9)[1]
    assert "The flag is stricter" not in _verdicts(p_worsening=0.6)[1]
    assert "0.4271, is not above the threshold for 8 visits so far apart, 0.4306." in _verdicts(
        p_progressing=0.4271, progressing_threshold=0.4306
    )[1].replace("\N{NO-BREAK SPACE}", " ")
