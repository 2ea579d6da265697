"""Rules that choose the multiplier: values with options, that any ``choice`` argument takes.

Rules without options also have a name: ``"gcv"``, ``"loo"``, ``"reml"`` (or ``"evidence"``, ``"gml"``), ``"aicc"``, ``"bic"``,
``"upre"``, ``"discrepancy"``, ``"balancing"``, ``"lcurve"``, ``"quasi_optimality"``, ``"reginska"``, ``"ncp"``,
``"hoerl_kennard_baldwin"``, ``"lawless_wang"``. By name, ``"upre"``, ``"discrepancy"`` and ``"balancing"`` estimate the noise.

>>> import numpy as np
>>> import wellposed as wp
>>> A = np.vander(np.linspace(0, 1, 20), 8)
>>> b = np.cos(np.linspace(0, 3, 20)) + 0.01 * np.sin(np.arange(20.0) ** 2)
>>> wp.ridge(A, b, wp.Discrepancy.noise_norm(0.05)).residual_norm
0.05...
>>> wp.ridge(A, np.column_stack([b, 2 * b]), wp.KFold(5).shared()).lam.shape
(2,)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from ._errors import Error
from .priors import HyperPrior

__all__ = [
    "Aicc",
    "Balancing",
    "Bic",
    "Discrepancy",
    "EffectiveDof",
    "Evidence",
    "Gcv",
    "Gml",
    "HoerlKennardBaldwin",
    "KFold",
    "LCurve",
    "LawlessWang",
    "Loo",
    "Ncp",
    "NormFraction",
    "PenaltyNorm",
    "QuasiOptimality",
    "Reginska",
    "Rule",
    "Upre",
]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What all rules have in common: how many right-hand sides one multiplier serves."""

    is_shared: bool = False

    def shared(self) -> Self:
        """One multiplier for all right-hand sides, chosen on all of them together."""
        return replace(self, is_shared=True)

    @property
    def _specification(self) -> tuple[str, tuple[object, ...], bool]:
        """Name, options and scope, as the extension module reads them."""
        name, options = self._named()
        return name, options, self.is_shared

    def _named(self) -> tuple[str, tuple[object, ...]]:
        raise NotImplementedError


@dataclass(frozen=True)
class Gcv(Rule):
    """Generalized cross-validation, or one of its kin, which penalise small multipliers more.

    Source: Golub, Heath, Wahba 1979, Technometrics 21:215.
    """

    variant: str = "gcv"
    number: float | None = None

    def robust(self, gamma: float) -> Gcv:
        """Robust GCV; ``gamma`` in (0, 1), 1 is GCV itself. Lukas 2006, Inverse Problems 22:1883."""
        return replace(self, variant="robust_gcv", number=gamma)

    def strong_robust(self, gamma: float) -> Gcv:
        """Strong robust GCV; ``gamma`` in (0, 1]. Lukas 2008, Inverse Problems 24:034006."""
        return replace(self, variant="strong_robust_gcv", number=gamma)

    def modified(self, factor: float) -> Gcv:
        """Degrees of freedom count ``factor`` times; 1.2 to 1.4 are usual."""
        return replace(self, variant="modified_gcv", number=factor)

    def weighted(self, weight: float) -> Gcv:
        """Degrees of freedom count ``weight`` times, below or above 1. Chung, Nagy, O'Leary 2008, ETNA 28:149."""
        return replace(self, variant="weighted_gcv", number=weight)

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return self.variant, () if self.number is None else (self.number,)


@dataclass(frozen=True)
class Loo(Rule):
    """Exact leave-one-out cross-validation; groups, where the problem has them, are left out together."""

    with_one_standard_error: bool = False

    def one_standard_error(self) -> Loo:
        """The largest multiplier within one standard error of the least cross-validated error."""
        return replace(self, with_one_standard_error=True)

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "loo", (self.with_one_standard_error,)


@dataclass(frozen=True)
class KFold(Rule):
    """Exact K-fold cross-validation from one decomposition.

    Parameters
    ----------
    folds : int
        How many; 5 or 10 are usual.
    seed : int
        Of the assignment of rows (or groups) to folds.
    """

    folds: int = 5
    seed: int = 0
    in_blocks: bool = False
    with_one_standard_error: bool = False

    def blocks(self) -> KFold:
        """Folds are consecutive rows: for rows in the order of time."""
        return replace(self, in_blocks=True)

    def one_standard_error(self) -> KFold:
        """The largest multiplier within one standard error of the least cross-validated error."""
        return replace(self, with_one_standard_error=True)

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "kfold", (self.folds, self.in_blocks, self.seed, self.with_one_standard_error)


@dataclass(frozen=True)
class _KnownNoise(Rule):
    """What is known of the noise of each row."""

    level: str = "estimated"
    number: float | None = None

    @classmethod
    def noise_std(cls, std: float) -> Self:
        """The standard deviation of each row's noise is known."""
        return cls(level="noise_std", number=std)

    @classmethod
    def whitened(cls) -> Self:
        """The problem has ``noise_std``: the noise of each row has standard deviation 1."""
        return cls(level="whitened")


@dataclass(frozen=True)
class _NoiseRule(_KnownNoise):
    """The same, with an estimate."""

    @classmethod
    def estimated(cls) -> Self:
        """The noise is estimated from the data; a warning in the report says how."""
        return cls(level="estimated")


@dataclass(frozen=True)
class Evidence(_KnownNoise):
    """The evidence for x ~ N(prior_mean, t^2 inv(L^H L)): restricted maximum likelihood (REML).

    ``Evidence()`` finds the noise as well; with ``noise_std`` or ``whitened`` it is known. MacKay 1992, doi:10.1162/neco.1992.4.3.415.
    """

    noise: HyperPrior | None = None
    scale: HyperPrior | None = None

    def noise_prior(self, prior: HyperPrior) -> Evidence:
        """Something is known of the noise beforehand, or of the factor on ``noise_std``. For ``Problem.posterior``."""
        return replace(self._unknown_scales(), noise=prior)

    def scale_prior(self, prior: HyperPrior) -> Evidence:
        """Something is known of the prior standard deviation of x beforehand. For ``Problem.posterior``."""
        return replace(self._unknown_scales(), scale=prior)

    def _unknown_scales(self) -> Evidence:
        if self.level != "estimated":
            raise Error("a hyper-prior beside noise that is known: set noise_std on the Problem and start from Evidence()")
        return self

    def _named(self) -> tuple[str, tuple[object, ...]]:
        if self.noise is not None or self.scale is not None:
            return "hierarchical_evidence", (self.noise, self.scale)
        return "evidence", (self.level, self.number)


@dataclass(frozen=True)
class Gml(Rule):
    """Generalized maximum likelihood: the same rule as ``Evidence``. Wahba 1985, Ann. Statist. 13:1378."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "gml", ()


@dataclass(frozen=True)
class Aicc(Rule):
    """Akaike's criterion, corrected for small samples. Hurvich, Simonoff, Tsai 1998, J. R. Stat. Soc. B 60:271."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "aicc", ()


@dataclass(frozen=True)
class Bic(Rule):
    """The Bayesian information criterion."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "bic", ()


@dataclass(frozen=True)
class Upre(_NoiseRule):
    """Unbiased predictive risk (Mallows' C_L)."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "upre", (self.level, self.number)


@dataclass(frozen=True)
class Balancing(_NoiseRule):
    """Lepskii's balancing principle."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "balancing", (self.level, self.number)


@dataclass(frozen=True)
class Discrepancy(Rule):
    """Morozov's discrepancy principle: the residual is as large as the noise.

    Make it with ``noise_norm``, ``relative_noise``, ``whitened`` or ``estimated``.
    """

    level: str = "estimated"
    number: float | None = None
    factor: float = 1.0
    with_monotone_error: bool = False
    is_inequality: bool = False

    @classmethod
    def noise_norm(cls, norm: float) -> Discrepancy:
        """``norm`` is the 2-norm of the whole noise vector: sqrt(m) times its standard deviation."""
        return cls("noise_norm", norm)

    @classmethod
    def relative_noise(cls, fraction: float) -> Discrepancy:
        """The noise is ``fraction`` of ``||b||``: 0.01 for 1 %."""
        return cls("relative_noise", fraction)

    @classmethod
    def whitened(cls) -> Discrepancy:
        """The problem has ``noise_std``: the norm of the noise is sqrt(m)."""
        return cls("whitened")

    @classmethod
    def estimated(cls) -> Discrepancy:
        """The noise is estimated from the data."""
        return cls("estimated")

    def safety(self, factor: float) -> Discrepancy:
        """The residual is ``factor`` times the noise."""
        return replace(self, factor=factor)

    def monotone_error(self) -> Discrepancy:
        """The monotone-error rule. Tautenhahn, Hämarik 1999, doi:10.1088/0266-5611/15/6/307."""
        return replace(self, with_monotone_error=True)

    def at_most(self) -> Discrepancy:
        """A residual that is below the noise at every multiplier is no error: the largest multiplier then serves, with a warning."""
        return replace(self, is_inequality=True)

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "discrepancy", (self.level, self.number, self.factor, self.with_monotone_error, self.is_inequality)


@dataclass(frozen=True)
class LCurve(Rule):
    """The corner of the L-curve. Hansen, O'Leary 1993, doi:10.1137/0914086."""

    corner: str = "curvature"

    @classmethod
    def pruning(cls) -> LCurve:
        """The corner of the discrete L-curve by adaptive pruning."""
        return cls("pruning")

    @classmethod
    def triangle(cls) -> LCurve:
        """The corner of the discrete L-curve by triangles."""
        return cls("triangle")

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "lcurve", (self.corner,)


@dataclass(frozen=True)
class QuasiOptimality(Rule):
    """The multiplier at which x changes least."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "quasi_optimality", ()


@dataclass(frozen=True)
class Reginska(Rule):
    """The least ``||residual|| * ||L x||**power``."""

    power: float = 1.0

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "reginska", (self.power,)


@dataclass(frozen=True)
class Ncp(Rule):
    """The whitest residual, of a series or of an image of ``grid`` (rows, columns), column after column."""

    grid: tuple[int, int] | None = None

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "ncp", (self.grid,)


@dataclass(frozen=True)
class HoerlKennardBaldwin(Rule):
    """Hoerl, Kennard, Baldwin 1975: noise variance over mean square of the unregularized x."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "hoerl_kennard_baldwin", ()


@dataclass(frozen=True)
class LawlessWang(Rule):
    """Lawless, Wang 1976: the same, weighted with the singular values."""

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "lawless_wang", ()


@dataclass(frozen=True)
class EffectiveDof(Rule):
    """So many effective degrees of freedom."""

    dof: float

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "effective_dof", (self.dof,)


@dataclass(frozen=True)
class NormFraction(Rule):
    """A fraction of the norm of the unregularized x."""

    fraction: float

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "norm_fraction", (self.fraction,)


@dataclass(frozen=True)
class PenaltyNorm(Rule):
    """The ball ``||L (x - prior_mean)|| <= bound``: the least multiplier whose answer lies in it. Gander 1981, doi:10.1007/BF01396437."""

    bound: float

    @classmethod
    def at_most(cls, bound: float) -> PenaltyNorm:
        """The same as ``PenaltyNorm(bound)``."""
        return cls(bound)

    def _named(self) -> tuple[str, tuple[object, ...]]:
        return "penalty_norm", (self.bound,)
