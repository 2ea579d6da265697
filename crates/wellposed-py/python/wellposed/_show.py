"""What is drawn and written for people: tables and figures in notebooks, matplotlib, pandas."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from ._core import Criterion, Factorization, Problem, Report, Rows, RuleComparison, Solution

_STYLE = "font-family: ui-monospace, monospace; font-size: 0.9em; line-height: 1.35"
#: entries of x that a table shows
_SHOWN = 12


def compare_rules(A: Any, b: Any, rules: Any = None) -> Any:
    """What every rule says of ``min ||A x - b||^2 + lam ||x||^2``: a table with a verdict on how far they agree.

    Parameters
    ----------
    A : array_like, sparse matrix, DataFrame, shape (m, n), or Problem
        The matrix, or a problem with penalty, weights, intercept.
    b : array_like, shape (m,) or (m, k)
        Right-hand sides.
    rules : iterable of rules or names, optional
        All that need no number of yours, unless given.

    Returns
    -------
    RuleComparison
        A list of them for a matrix b.

    Examples
    --------
    >>> import numpy as np
    >>> import wellposed as wp
    >>> A = np.vander(np.linspace(0, 1, 20), 8)
    >>> b = np.cos(np.linspace(0, 3, 20)) + 0.01 * np.sin(np.arange(20.0) ** 2)
    >>> [row.name for row in wp.compare_rules(A, b, ["gcv", "loo"]).rows]
    ['GCV', 'leave-one-out']
    """
    problem = A if isinstance(A, Problem) else Problem(A)
    return problem.factorize().compare_rules(b, rules)


def restore_rows(data: bytes, dtype: str, vector: bool) -> Rows:
    return Rows.from_bytes(data, dtype=dtype, vector=vector)


def restore_problem(A: Any, history: list[tuple[str, tuple[Any, ...]]]) -> Problem:
    problem = Problem(A)
    for setting, arguments in history:
        problem = getattr(problem, setting)(*arguments)
    return problem


def to_pandas(fit: Solution) -> Any:
    import pandas

    names = fit.names
    if fit.x.ndim == 1:
        return pandas.Series(fit.x, index=names, name="x")
    return pandas.DataFrame(fit.x, index=names)


def report_html(report: Report) -> str:
    figures = "".join(criterion.to_svg() for criterion in report.criteria[:1])
    return f'<div><pre style="{_STYLE}">{html.escape(str(report))}</pre>{figures}</div>'


def solution_html(fit: Solution) -> str:
    return f"<div>{_entries_html(fit)}{report_html(fit.report)}</div>"


def _entries_html(fit: Solution) -> str:
    if fit.x.ndim != 1:
        return f"<p>x: {fit.x.shape[0]} unknowns, {fit.x.shape[1]} right-hand sides</p>"
    names = fit.names if fit.names is not None else range(len(fit.x))
    shown = list(zip(names, fit.x))[:_SHOWN]
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name, _ in shown)
    body = "".join(f"<td>{value:.6g}</td>" for _, value in shown)
    more = f"<td>… {len(fit.x) - _SHOWN} more</td>" if len(fit.x) > _SHOWN else ""
    return f"<table><tr><th></th>{head}</tr><tr><th>x</th>{body}{more}</tr></table>"


def comparison_html(comparison: RuleComparison) -> str:
    return f'<pre style="{_STYLE}">{html.escape(str(comparison))}</pre>'


def factorization_html(factor: Factorization) -> str:
    return f'<pre style="{_STYLE}">{html.escape(factor.plan)}</pre>'


def plot_solution(fit: Solution, axes: Any = None) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("fit.plot() draws with matplotlib, which is not installed: pip install matplotlib") from None

    criteria = fit.report.criteria
    panels = 2 if criteria else 1
    if axes is None:
        _, axes = plt.subplots(1, panels, figsize=(5.5 * panels, 3.6), layout="constrained")
    axes = np.atleast_1d(np.asarray(axes, dtype=object))
    if len(axes) < panels:
        from ._errors import Error

        raise Error(f"axes has {len(axes)} axes, but {panels} are needed: one for x, and one for the criterion of a rule")
    _plot_x(fit, axes[0])
    if criteria:
        _plot_criteria(criteria, axes[1])
    return axes[0].figure


def _plot_x(fit: Solution, axes: Any) -> None:
    x = np.real(fit.x)
    places = np.arange(len(x))
    names = fit.names if fit.names is not None and len(x) <= 30 else None
    axes.plot(places, x, "o" if names else "-")
    axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
    if names:
        axes.set_xticks(places, [str(name) for name in names], rotation=45, ha="right")
    else:
        axes.set_xlabel("unknown")
    axes.set_ylabel("real part of x" if np.iscomplexobj(fit.x) else "x")


def _plot_criteria(criteria: list[Criterion], axes: Any) -> None:
    for criterion in criteria:
        (line,) = axes.plot(criterion.lam, criterion.values)
        if criterion.minima:
            lam, values = zip(*criterion.minima)
            axes.plot(lam, values, "o", color=line.get_color())
    axes.set_xscale("log")
    # less than a decade has no labels worth reading on a logarithmic axis
    if all((criterion.values > 0).all() and criterion.values.max() > 10 * criterion.values.min() for criterion in criteria):
        axes.set_yscale("log")
    axes.set_xlabel("λ")
    axes.set_ylabel(criteria[0].rule)
