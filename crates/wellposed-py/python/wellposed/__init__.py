"""Ridge and Tikhonov regularization that chooses the amount of regularization by itself.

Minimises ``||A x - b||^2 + lam ||L x||^2``, where ``lam`` is a number or the rule that finds it:

>>> import numpy as np
>>> import wellposed as wp
>>> A = np.exp(-0.3 * (np.arange(30)[:, None] / 2.5 - np.arange(12)) ** 2)
>>> b = np.sin(np.arange(30) / 6) + 0.01 * np.cos(np.arange(30) ** 2)
>>> fit = wp.ridge(A, b, "gcv")
>>> fit.x.shape, bool(0 < fit.lam < 1)
((12,), True)

``Problem`` has all settings: penalty, weights, noise, bounds, intercept, method; and all calls: ``solve``, ``path``, ``posterior``,
``inference``, ``factorize``. ``wellposed.linalg`` has ``lsqr`` and
``lsmr`` as SciPy has them, ``wellposed.operator`` convolutions and other operators that are never stored, ``wellposed.sklearn`` estimators.
"""

from . import linalg, operator
from ._core import (
    Criterion,
    Diagnostics,
    Factorization,
    Inference,
    Lambda,
    Posterior,
    Problem,
    Report,
    Rows,
    RowsFactorization,
    RuleComparison,
    RuleRow,
    Solution,
    Spectrum,
    Step,
    Window,
    __version__,
    log_grid,
    ridge,
    ridge_batch,
    tikhonov,
)
from ._errors import Error, NotConvergedError, SingularError
from ._show import compare_rules
from .linalg import lsmr, lsqr
from .methods import Admm, Cgls, CoordinateDescent, FlexibleLsqr, HybridLsmr, HybridLsqr, Lsmr, Lsqr, Nystrom, Probes, Sketch
from .penalties import Penalty
from .priors import Covariance, HyperPrior, Misfit, Prior
from .rules import (
    Aicc,
    Balancing,
    Bic,
    Discrepancy,
    EffectiveDof,
    Evidence,
    Gcv,
    Gml,
    HoerlKennardBaldwin,
    KFold,
    LCurve,
    LawlessWang,
    Loo,
    Ncp,
    NormFraction,
    PenaltyNorm,
    QuasiOptimality,
    Reginska,
    Rule,
    Upre,
)
