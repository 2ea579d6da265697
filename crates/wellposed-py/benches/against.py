"""Times of this package beside scikit-learn's, in one run: python benches/against.py

Each line is the median of alternating repetitions of both, so that a machine that slows down slows both. The last lines are the
cost of a call through Python, to be read beside `cargo bench --bench small`, and peak memory.
"""

import subprocess
import sys
import time

import numpy as np
import sklearn.linear_model as theirs

import wellposed as wp
import wellposed.sklearn as ours


def medians(functions, repetitions):
    times = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repetitions):
        for place, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            times[place].append(time.perf_counter() - begin)
    return [float(np.median(t)) for t in times]


def line(name, mine, other):
    print(f"{name:<40} {mine * 1e3:12.4f} ms {other * 1e3:12.4f} ms {other / mine:8.2f} times")


def data(m, n):
    rng = np.random.default_rng(m + n)
    X = rng.standard_normal((m, n))
    return X, X @ rng.standard_normal(n) + rng.standard_normal(m)


PEAK = """
import resource, sys
import numpy as np
import wellposed as wp, wellposed.sklearn as s
m, n = 400_000, 100
X = np.empty((m, n)); rng = np.random.default_rng(0)
for i in range(0, m, 10_000): X[i:i + 10_000] = rng.standard_normal((10_000, n))
y = X[:, 0] + 1.0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
s.Ridge(1.0, fit_intercept=sys.argv[1] == "1").fit(X, y)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / X.nbytes)
"""


def main():
    print(f"{'':<40} {'wellposed':>15} {'scikit-learn':>15}")
    for m, n, repetitions in [(30, 5, 2000), (10_000, 1_000, 5), (100_000, 100, 5)]:
        X, y = data(m, n)
        line(f"Ridge.fit {m}×{n}", *medians([lambda: ours.Ridge().fit(X, y), lambda: theirs.Ridge().fit(X, y)], repetitions))
    alphas = np.logspace(-3, 3, 100)
    for m, n, repetitions in [(30, 5, 300), (2_000, 300, 5), (10_000, 1_000, 1)]:
        X, y = data(m, n)
        both = [lambda: ours.RidgeCV(alphas).fit(X, y), lambda: theirs.RidgeCV(alphas).fit(X, y)]
        line(f"RidgeCV.fit {m}×{n}, 100 alphas", *medians(both, repetitions))
        free = [lambda: ours.RidgeCV().fit(X, y), lambda: theirs.RidgeCV(alphas).fit(X, y)]
        line(f"RidgeCV.fit {m}×{n}, any alpha", *medians(free, repetitions))
    X, y = data(30, 5)
    (call,) = medians([lambda: wp.ridge(X, y, 0.1)], 20_000)
    print(f"wp.ridge 30×5, one λ: {call * 1e6:.2f} µs a call")
    for intercept in ["0", "1"]:
        extra = subprocess.run([sys.executable, "-c", PEAK, intercept], capture_output=True, text=True, check=True).stdout
        print(f"Ridge.fit 400000×100, fit_intercept={intercept}: peak memory beyond X {float(extra):.2f} times X")


if __name__ == "__main__":
    main()
