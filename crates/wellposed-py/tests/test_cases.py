"""The shared cases of testdata/, whose answers another program computed to 100 digits, and R's, through Python."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import wellposed as wp

DATA = Path(__file__).resolve().parents[3] / "testdata"
FILES = ["tall", "wide", "square", "deficient", "graded", "complex", "weighted", "prior", "intercept", "general_l"]


def cases(key, names):
    for name in names:
        for case in tomllib.loads((DATA / f"{name}.toml").read_text()).get(key, []):
            yield pytest.param(case, id=case["name"])


def numbers(case, key, shape=None):
    values = np.array(case[key], dtype=float)
    if f"{key}_imag" in case:
        values = values + 1j * np.array(case[f"{key}_imag"], dtype=float)
    return values if shape is None else values.reshape(shape)


def penalty(spec, n):
    kind = spec["kind"]
    if kind == "diagonal":
        return wp.Penalty.diagonal(spec["weights"])
    if kind in ("matrix", "gamma"):
        return wp.Penalty.matrix(numbers(spec, "l", (spec["rows"], n)))
    if kind == "sum":
        return wp.Penalty.sum((term["weight"], penalty(term, n)) for term in spec["terms"])
    return getattr(wp.Penalty, kind)()


def problem_of(case, convert=lambda a: a):
    n = case["columns"]
    problem = wp.Problem(convert(numbers(case, "a", (case["rows"], n)))).penalty(penalty(case["penalty"], n))
    if "weights" in case:
        problem = problem.weights(case["weights"])
    if "noise_std" in case:
        problem = problem.noise_std(case["noise_std"])
    if "prior_mean" in case:
        problem = problem.prior_mean(numbers(case, "prior_mean"))
    return problem.intercept() if case.get("intercept") else problem


def assert_solved(case, fit):
    """The bound of testdata/README: a modest multiple of eps * condition * (|x| + |r|/sigma)."""
    x = numbers(case, "x")
    condition = max(case["condition"], 1.0)
    smallest = case["stacked_norm"] / condition if case["stacked_norm"] else 1.0
    residual = np.hypot(case["residual_norm"], np.sqrt(case["lambda"]) * case["penalty_norm"])
    factor = 30 * np.sqrt(case["rows"] + case["columns"])
    allowed = factor * np.finfo(float).eps * condition * (np.linalg.norm(x) + residual / smallest)
    assert np.linalg.norm(fit.x - x) <= allowed + 1e-300
    if "rank" in case:
        assert fit.rank in (None, case["rank"])


@pytest.mark.parametrize("case", list(cases("case", FILES)))
def test_case(case):
    assert_solved(case, problem_of(case).solve(numbers(case, "b"), case["lambda"]))


@pytest.mark.parametrize("case", list(cases("case", ["tall", "weighted", "intercept"])))
def test_case_sparse(case):
    assert_solved(case, problem_of(case, scipy.sparse.csr_array).solve(numbers(case, "b"), case["lambda"]))


@pytest.mark.parametrize("case", list(cases("rule_case", ["rules"])))
def test_rules(case):
    """GCV and REML choose one of the criterion's minima, the least one unless they say that another end is lower."""
    problem, b = problem_of(case), numbers(case, "b")
    for rule, key in [("gcv", "gcv"), ("reml", "reml")]:
        minima, values = case[f"{key}_minima"], case[f"{key}_values"]
        if not minima:
            continue
        fit = problem.solve(b, rule)
        if any("end of the interval" in warning for warning in fit.report.warnings):
            continue
        best = minima[int(np.argmin(values))]
        assert fit.lam == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("name", ["case1", "case3"])
def test_r(name):
    """Leave-one-out errors by refits, and mgcv's choices by GCV and REML."""
    read = lambda file: list(csv.DictReader((DATA / "r" / file).open()))  # noqa: E731
    rows = read(f"{name}.csv")
    b = np.array([float(row["y"]) for row in rows])
    A = np.array([[float(value) for key, value in row.items() if key != "y"] for row in rows])
    factor = wp.Problem(A).factorize()
    for row in read(f"{name}_loo.csv"):
        lam = float(row["lambda"])
        leverages = factor.diagnostics(b, lam).leverages
        residual = b - A @ factor.solve(b, lam).x
        assert np.mean((residual / (1 - leverages)) ** 2) == pytest.approx(float(row["LOO_mse"]), rel=1e-8)
    for method, rule in [("GCV.Cp", "gcv"), ("REML", "reml")]:
        (chosen,) = read(f"{name}_mgcv_{method}.csv")
        fit = factor.solve(b, rule)
        assert fit.lam == pytest.approx(float(chosen["sp"]), rel=1e-3)
        assert fit.dof == pytest.approx(float(chosen["edf"]), rel=1e-4)
