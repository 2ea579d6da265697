"""Times of this package beside scikit-learn's, in one run: python benches/against.py

Each line is the median of alternating repetitions of both, so that a machine that slows down slows both. The last lines are the
cost of a call through Python, to be read beside `cargo bench --bench small`. Peak memory is measured by tests/test_memory.py.
"""

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
    print(f"{name:<52} {mine * 1e3:12.4f} ms {other * 1e3:12.4f} ms {other / mine:8.2f} times")


def data(m, n):
    rng = np.random.default_rng(m + n)
    X = rng.standard_normal((m, n))
    return X, X @ rng.standard_normal(n) + rng.standard_normal(m)


def main():
    print(f"{'':<52} {'wellposed':>15} {'scikit-learn':>15}")
    for m, n, repetitions in [(30, 5, 2000), (10_000, 1_000, 7), (100_000, 100, 7)]:
        X, y = data(m, n)
        for order in "CF":
            x = np.array(X, order=order)
            for intercept in [True, False]:
                both = [lambda package=package: package.Ridge(fit_intercept=intercept).fit(x, y) for package in (ours, theirs)]
                name = f"Ridge.fit {m}×{n} {order}{', intercept' if intercept else ''}"
                line(name, *medians(both, repetitions))
    alphas = np.logspace(-3, 3, 100)
    for m, n, repetitions in [(30, 5, 300), (2_000, 300, 3), (100_000, 100, 1)]:
        X, y = data(m, n)
        theirs_on_grid = lambda: theirs.RidgeCV(alphas).fit(X, y)  # noqa: E731
        found = medians([lambda: ours.RidgeCV(alphas).fit(X, y), lambda: ours.RidgeCV().fit(X, y), theirs_on_grid], repetitions)
        line(f"RidgeCV.fit {m}×{n}, 100 alphas", found[0], found[2])
        line(f"RidgeCV.fit {m}×{n}, any alpha", found[1], found[2])
    X, y = data(30, 5)
    problem = wp.Problem(X)
    calls = medians([lambda: wp.ridge(X, y, 0.1), lambda: problem.solve(y, 0.1), lambda: wp.ridge(X, y, "gcv")], 20_000)
    for name, seconds in zip(["wp.ridge(X, y, 0.1)", "problem.solve(y, 0.1)", 'wp.ridge(X, y, "gcv")'], calls):
        print(f"{name + ' 30×5':<52} {seconds * 1e6:12.2f} µs a call")


if __name__ == "__main__":
    main()
