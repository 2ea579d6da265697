"""Tall data are not copied: the peak of a process of its own, so that nothing of the other tests is in it."""

import subprocess
import sys

import pytest

# a copy of A would be 64 MB; what may be needed is O(p^2) for each thread, and a few vectors of m numbers
CODE = """
import sys
import numpy as np
import wellposed as wp, wellposed.sklearn as estimators

order, what, dtype, n = sys.argv[1:]
n = int(n)
m = 8_000_000 // n
X = np.empty((m, n), dtype=dtype, order=order)
rng = np.random.default_rng(0)
for start in range(0, m, 4000):
    X[start : start + 4000] = rng.standard_normal((4000, n)) + 3.0
y = (X[:, 0] + rng.standard_normal(m)).astype(dtype)
w = rng.random(m).astype(dtype) + 0.5


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


# what is loaded and made once is no part of it
small = slice(0, 400)
calls = {
    "ridge": lambda X, y, w: wp.ridge(X, y, 0.5),
    "ridge_rule": lambda X, y, w: wp.ridge(X, y, "gcv"),
    "intercept": lambda X, y, w: wp.Problem(X).intercept().solve(y, 0.5),
    "intercept_rule": lambda X, y, w: wp.Problem(X).intercept().solve(y, "gcv"),
    "weights": lambda X, y, w: wp.Problem(X).intercept().weights(w).solve(y, 0.5),
    "Ridge": lambda X, y, w: estimators.Ridge().fit(X, y),
    "Ridge_weights": lambda X, y, w: estimators.Ridge().fit(X, y, w),
    "RidgeCV": lambda X, y, w: estimators.RidgeCV().fit(X, y),
    "RidgeCV_grid": lambda X, y, w: estimators.RidgeCV(np.logspace(-3, 3, 20)).fit(X, y),
    "copy": lambda X, y, w: wp.ridge(X + 1.0, y, 0.5),
}
calls[what](X[small], y[small], w[small])
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")
before = peak()
calls[what](X, y, w)
print((peak() - before) / X.nbytes)
"""


def extra(order, what, dtype="float64", columns=50):
    command = [sys.executable, "-c", CODE, order, what, dtype, str(columns)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "clear_refs" in result.stderr:
        pytest.skip("the peak of a process cannot be reset here")
    assert result.returncode == 0, result.stderr
    return float(result.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "what", ["ridge", "ridge_rule", "intercept", "intercept_rule", "weights", "Ridge", "RidgeCV", "RidgeCV_grid"]
)
def test_tall_data_are_not_copied(order, what):
    assert extra(order, what) < 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_single_precision_and_weights_of_estimators():
    assert extra("C", "Ridge", "float32") < 0.5
    assert extra("C", "Ridge_weights") < 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_few_columns():
    # vectors of m numbers weigh more here: some ten of them
    assert extra("C", "RidgeCV", columns=25) < 0.6


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_copy_is_seen():
    """The measure itself: one copy of A is 1."""
    assert 0.9 < extra("C", "copy") < 1.5
