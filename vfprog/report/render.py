"""Write a cohort's report: self-contained HTML that opens offline and loads nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vfprog.config import CohortConfig, PlotsConfig, RatesConfig, ReportConfig
from vfprog.io import read_table, write_text
from vfprog.plots.results import load_results
from vfprog.report.context import index_page
from vfprog.report.environment import environment
from vfprog.report.eye import eye_page, page_name
from vfprog.report.eyes import Eyes
from vfprog.report.svg import FieldMaps


def write_report(
    name: str,
    cohort: CohortConfig,
    cohort_dir: Path,
    model_dir: Path,
    models_table: Path,
    further: Collection[str] = (),
    *,
    report: ReportConfig,
    plots: PlotsConfig,
    rates: RatesConfig,
) -> None:
    """Write ``report/eyes/eye-0001.html`` .. and then ``report/index.html`` under ``cohort_dir``.

    The figures must be there already (:func:`vfprog.plots.figures.draw_figures`). Pages of an earlier report
    that this one does not have are removed. ``index.html`` comes last: where it exists, the report is whole.

    Parameters
    ----------
    name : str
        The cohort's name in the config.
    cohort_dir, model_dir : Path
        Folders of the cohort's tables and of the model behind its rates.
    models_table : Path
        ``models.csv`` of the run.
    further : collection of str
        As :func:`~vfprog.plots.results.load_results` takes them.
    """
    results = load_results(cohort_dir, model_dir, further)
    folder = cohort_dir / "report"
    templates = environment()
    pages = min(report.eye_pages, len(results.rates))
    context = index_page(
        name, cohort, results, cohort_dir / "figures", read_table(models_table), rates, pages
    )

    drawer, eyes = FieldMaps(results.xy, plots), Eyes(results)
    template = templates.get_template("eye.html.j2")
    method = results.trajectories.attrs["method"]
    for _, rate in results.rates.head(pages).iterrows():
        page = eye_page(eyes[rate], drawer, method, pages, results.locations, cohort.structure)
        write_text(template.render(page=page, index=context), folder / "eyes" / page_name(rate["number"]))
    _remove_stale(folder / "eyes", pages)
    write_text(templates.get_template("index.html.j2").render(page=context), folder / "index.html")


def _remove_stale(folder: Path, pages: int) -> None:
    """Remove pages of eyes that an earlier, larger report had."""
    wanted = {page_name(i + 1) for i in range(pages)}
    for path in folder.glob("eye-*.html"):
        if path.name not in wanted:
            path.unlink()
