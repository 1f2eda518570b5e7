"""The section on the posterior's checks."""

from __future__ import annotations

import fake_run
import pytest

from vfprog.plots.results import TrustResults
from vfprog.report.trust import trust_content


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> TrustResults:
    found = fake_run.load(fake_run.write_run(tmp_path_factory.mktemp("run"))).trust
    assert found is not None
    return found


def test_eyes_that_disagree_are_listed(checks: TrustResults) -> None:
    text, _, (listed,) = trust_content(checks)
    assert "5 of 6 eyes" in text[1]
    assert len(listed.rows) == 1
    agreeing = TrustResults(checks.sbc, checks.nuts.assign(agrees=True), checks.predictive)
    assert trust_content(agreeing)[2] == []


def test_statistics_outside_say_so(checks: TrustResults) -> None:
    text, (ranks, predictive), _ = trust_content(checks)
    assert "4 of 5 statistics" in text[2]
    assert [row[-1].text for row in predictive.rows] == ["yes", "yes", "no", "yes", "yes"]
    assert [row[1].text for row in ranks.rows] == ["2 of 2 (least p 0.4000)"] * 3


def test_too_few_effective_draws_are_said(checks: TrustResults) -> None:
    few = TrustResults(checks.sbc, checks.nuts.assign(ess=800.0), checks.predictive)
    assert "6 eyes with fewer than 1000 effective draws" in trust_content(few)[0][1]
