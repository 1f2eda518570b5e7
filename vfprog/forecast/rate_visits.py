"""How visits stray in a clinic: the prior of rates, learned from its training eyes.

The distribution of V, the share of visits shifted and learning (see :mod:`~vfprog.perimetry.visit_shift`) are those of
the training eyes, found by EM (nonparametric empirical Bayes; Laird, JASA 1978;73:805), so that steady eyes are
believed and restless ones are not.
"""

from __future__ import annotations

import numpy as np

from vfprog.perimetry.visit_shift import USUAL_VISITS, Strays, VisitPrior

UNLIKE = 0.25  # of the prior is kept as usual: a clinic served is seldom quite like those learned from
PSEUDO_PRECISION = 20.0  # 1 / dB^2, of the usual learning: about ten eyes' worth
STEPS = 40  # of EM


def fit_visits(found: Strays) -> VisitPrior:
    """What V, shifts and learning are among training eyes, ``UNLIKE`` parts of it what they are in clinics at large.

    Learning moves a step on from the one that ``found`` reckons with.
    """
    prior = USUAL_VISITS
    visits = max(np.isfinite(found.log_bayes[:, 0]).sum(), 1)
    for _ in range(STEPS):
        node, shifted = found.posterior(prior)
        number = float((node[..., None] * shifted).sum() / visits)
        sure = node * (1 - shifted[..., 0]) * found.precision
        known = PSEUDO_PRECISION * (USUAL_VISITS.learning - found.learning) + (sure * found.first).sum()
        lacking = found.learning + known / (PSEUDO_PRECISION + sure.sum())
        prior = VisitPrior(
            (1 - UNLIKE) * node.mean(0) + UNLIKE * USUAL_VISITS.weights,
            (1 - UNLIKE) * number + UNLIKE * USUAL_VISITS.shifted,
            (1 - UNLIKE) * float(lacking) + UNLIKE * USUAL_VISITS.learning,
        )
    return prior
