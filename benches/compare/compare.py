"""Times wellposed against scikit-learn, NumPy and SciPy on the same files, in turn, in one run, and prints ratios.

    python -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt
    cargo build --release --example compare_driver
    .venv/bin/python benches/compare/compare.py [--threads 2] [--rounds 5] [--only PATTERN]

Each round runs every contender once, so that a drift of the machine's speed meets all of them. The medians of the rounds
are printed, and the ratio peer / wellposed: above 1, wellposed is faster. The answers are compared too: fixed λ by the
norm of x, GCV by the λ of the grid next to ours, the lasso by ‖x‖₁ at each λ of the path.

The lasso is timed at the same duality gap on both sides (1e-10 of ‖b‖²): 1000×10000 dense and 10000×100000 sparse of density 1e-3,
at one λ, with x ≥ 0, and along a path; `--only lasso` runs nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FIXED = [(10_000, 1_000), (2_000, 2_000), (1_000, 10_000), (100_000, 100), (1_000_000, 50), (30, 5)]
BOUNDED = [(2_000, 500)]
MANY = [(100_000, 100), (10_000, 1_000), (2_000, 2_000), (30, 5)]


def problem(rows, columns):
    import numpy as np

    generator = np.random.default_rng(rows * 31 + columns)
    a = generator.standard_normal((rows, columns))
    x = generator.standard_normal(columns)
    b = a @ x + 2.0 * np.sqrt(columns) * generator.standard_normal(rows)
    return a, b


def timed(call, repeats):
    best = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        best.append(time.perf_counter() - start)
    return min(best), result


def numpy_gram_path(a, b, alphas):
    """What an expert writes by hand: Gram matrix, eigh, GCV on a grid. Keeps half the digits."""
    import numpy as np

    values, vectors = np.linalg.eigh(a.T @ a)
    coefficients = vectors.T @ (a.T @ b)
    values = np.maximum(values, 0.0)
    total = b @ b
    best = None
    for alpha in alphas:
        inverse = 1.0 / (values + alpha)
        fitted = np.sum(coefficients**2 * inverse * (2.0 - values * inverse))
        trace = a.shape[0] - np.sum(values * inverse)
        criterion = a.shape[0] * (total - fitted) / trace**2
        if best is None or criterion < best[0]:
            best = (criterion, alpha)
    return best[1], vectors @ (coefficients / (values + best[1]))


def lasso(options, ours, timed, sparse, shape, fractions, positive=False):
    """scikit-learn's tol is relative to ‖b‖², as the tolerance here; both certify it by the duality gap."""
    import numpy as np
    import scipy.sparse
    from sklearn.linear_model import Lasso, lasso_path

    rows, columns = shape
    title = ("sparse " if sparse else "") + ("nonnegative " if positive else "") + "lasso" + (" path" if len(fractions) > 1 else "")
    if options.only and options.only not in f"{title} {rows}x{columns}":
        return
    generator = np.random.default_rng(rows + columns)
    if sparse:
        a = scipy.sparse.random(rows, columns, density=1e-3, format="csc", rng=generator, data_rvs=generator.standard_normal)
    else:
        a = np.asfortranarray(generator.standard_normal((rows, columns)))
    x = np.zeros(columns)
    x[generator.choice(columns, 100, replace=False)] = generator.standard_normal(100)
    b = a @ x
    b += 0.1 * np.linalg.norm(b) / np.sqrt(rows) * generator.standard_normal(rows)
    along = a.T @ b
    largest = np.max(along if positive else np.abs(along)) / rows
    tolerance = 1e-10
    alphas = [largest * fraction for fraction in fractions]
    settings = dict(tol=tolerance, max_iter=1_000_000, positive=positive)
    if len(fractions) > 1:
        peers = {"lasso_path": lambda: lasso_path(a, b, alphas=alphas, **settings)[1]}
    else:
        peers = {"Lasso": lambda: Lasso(alpha=alphas[0], fit_intercept=False, **settings).fit(a, b).coef_[:, None]}
    with tempfile.TemporaryDirectory() as folder:
        if sparse:
            a.data.tofile(f"{folder}/a.bin")
            a.indptr.astype(np.uint32).tofile(f"{folder}/a.bin.starts")
            a.indices.astype(np.uint32).tofile(f"{folder}/a.bin.rows")
        else:
            a.T.tofile(f"{folder}/a.bin")
        b.tofile(f"{folder}/b.bin")
        lambdas = ",".join(repr(float(2 * rows * alpha)) for alpha in alphas)
        job = f"{'sparse_' if sparse else ''}{'nonnegative_' if positive else ''}lasso:{tolerance}:{lambdas}"
        times = {"wellposed": []} | {name: [] for name in peers}
        for _ in range(options.rounds):
            answer = ours(job, folder, rows, columns, 1)
            times["wellposed"].append(min(answer["seconds"]))
            for name, call in peers.items():
                seconds, theirs = timed(call, 1)
                times[name].append(seconds)
                norms = np.abs(theirs).sum(axis=0)
                if np.max(np.abs(norms - answer["norms"]) / (1e-300 + norms.max())) > 1e-4:
                    sys.exit(f"{title}: ‖x‖₁ is {answer['norms']} here and {norms} by {name}")
        mine = statistics.median(times["wellposed"])
        worst = max(answer["gaps"]) / float(b @ b)
        print(f"{title:24} {rows:>6}x{columns:<6} wellposed {mine:10.3e} (gap {worst:.1e}, up to {max(answer['nonzero'])} nonzero)", end="")
        for name in peers:
            theirs = statistics.median(times[name])
            print(f" | {name} {theirs:10.3e} ratio {theirs / mine:6.2f}", end="")
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--driver", default="target/release/examples/compare_driver")
    options = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[variable] = str(options.threads)

    import numpy as np
    import sklearn
    from sklearn.linear_model import Ridge, RidgeCV

    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, {options.threads} threads, medians of {options.rounds} rounds, seconds")

    def ours(job, folder, rows, columns, repeats):
        command = [options.driver, job, f"{folder}/a.bin", f"{folder}/b.bin", str(rows), str(columns), str(repeats)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def contest(title, shape, job, peers):
        rows, columns = shape
        if options.only and options.only not in f"{title} {rows}x{columns}":
            return
        a, b = problem(rows, columns)
        with tempfile.TemporaryDirectory() as folder:
            a.T.tofile(f"{folder}/a.bin")
            b.tofile(f"{folder}/b.bin")
            repeats = 2000 if rows * columns < 10_000 else 3
            contenders = peers(a, b)
            times = {"wellposed": []} | {name: [] for name in contenders}
            answer = None
            for _ in range(options.rounds):
                answer = ours(job, folder, rows, columns, repeats)
                times["wellposed"].append(min(answer["seconds"]))
                for name, call in contenders.items():
                    if name == "RidgeCV" and times[name] and statistics.median(times[name]) > 5.0:
                        continue
                    seconds, result = timed(call, max(1, min(repeats, 3 if rows * columns > 10_000 else 200)) if name != "RidgeCV" else 1)
                    times[name].append(seconds)
                    x = result[1] if isinstance(result, tuple) else result.coef_
                    norm = float(np.linalg.norm(x))
                    if not job.startswith("gcv") and abs(norm - answer["norm"]) > 1e-6 * norm:
                        sys.exit(f"{title} {rows}x{columns}: |x| is {answer['norm']} here and {norm} by {name}")
        mine = statistics.median(times["wellposed"])
        print(f"{title:12} {rows:>8}x{columns:<6} wellposed {mine:10.3e} ({answer['method']})", end="")
        for name in contenders:
            theirs = statistics.median(times[name])
            print(f" | {name} {theirs:10.3e} ratio {theirs / mine:6.2f}", end="")
        print(flush=True)

    for sparse, shape in [(False, (1_000, 10_000)), (True, (10_000, 100_000))]:
        for fractions in [(0.1,), tuple(np.geomspace(1.0, 0.05, 20))]:
            lasso(options, ours, timed, sparse, shape, fractions)
        lasso(options, ours, timed, sparse, shape, (0.1,), positive=True)

    alpha = 10.0
    for shape in FIXED:
        # scikit-learn's fastest layout for it: row-major as it stands, no intercept on either side
        contest("fixed", shape, f"fixed:{alpha}", lambda a, b: {"Ridge": lambda: Ridge(alpha=alpha, fit_intercept=False).fit(a, b)})
    from scipy.optimize import lsq_linear, nnls

    for shape in BOUNDED:
        # SciPy has no penalty: it gets the stacked problem, ready
        def stacked(a, b):
            return np.vstack([a, np.sqrt(alpha) * np.eye(a.shape[1])]), np.concatenate([b, np.zeros(a.shape[1])])

        def nonnegative(a, b):
            m, c = stacked(a, b)
            return {
                "nnls": lambda: ("", nnls(m, c)[0]),
                "lsq_linear": lambda: ("", lsq_linear(m, c, (0.0, np.inf), tol=1e-12).x),
            }

        def box(a, b):
            m, c = stacked(a, b)
            return {
                "lsq_linear (bvls)": lambda: ("", lsq_linear(m, c, (0.0, 0.5), method="bvls").x),
                "lsq_linear": lambda: ("", lsq_linear(m, c, (0.0, 0.5), tol=1e-12).x),
            }

        contest("nonnegative", shape, f"nonnegative:{alpha}", nonnegative)
        contest("box", shape, f"box:{alpha}", box)
    for shape in MANY:
        rows, columns = shape
        alphas = np.geomspace(1e-3, 1e5, 100)
        contest(
            "gcv",
            shape,
            "gcv",
            lambda a, b: {
                "numpy Gram+eigh": lambda: numpy_gram_path(a, b, alphas),
                "RidgeCV": lambda: RidgeCV(alphas=alphas, fit_intercept=False).fit(a, b),
            },
        )


if __name__ == "__main__":
    main()
