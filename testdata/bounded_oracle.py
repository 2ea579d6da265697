"""Bounded and equality-constrained problems with answers, written to bounded.toml: python testdata/bounded_oracle.py

Needs numpy, scipy and mpmath. Every problem is written out as stacked least squares

    min ‖ [D A, D 1; √λ L, 0] (x; c) − [D b; √λ L x0] ‖,   lo <= x <= hi,   C x = d,   D = √weights / noise_std

`x_scipy` is SciPy's answer (nnls where the bounds are 0 and ∞, else lsq_linear by BVLS), only for problems without equations. `x` is
the solution at 50 digits of the equations of the set of active bounds, after checking at 50 digits that this set is optimal: free
components inside their bounds, gradients of the others of the right sign. Sets come from SciPy, or from trying all of them.
"""
import itertools
import pathlib

import mpmath as mp
import numpy as np
from scipy.optimize import lsq_linear, nnls

mp.mp.dps = 50
HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(20261123)
INF = np.inf


def numbers(v):
    def one(t):
        t = float(t)
        return "inf" if t == INF else "-inf" if t == -INF else repr(t)

    return "[" + ", ".join(one(t) for t in np.asarray(v).ravel()) + "]"


def difference(n, order):
    return np.diff(np.eye(n), order, axis=0)


def optimal(M, c, C, d, lo, hi, places):
    """The answer at 50 digits for this set of places (-1 low, 1 high, 0 free), or None if it is not optimal."""
    n = M.shape[1]
    free = [j for j in range(n) if places[j] == 0]
    q = C.shape[0]
    M, c, C, d = mp.matrix(M.tolist()), mp.matrix(c.tolist()), mp.matrix(C.tolist()) if q else None, mp.matrix(d.tolist()) if q else None
    x = mp.matrix(n, 1)
    for j in range(n):
        x[j] = mp.mpf(0) if places[j] == 0 else mp.mpf(float(lo[j] if places[j] < 0 else hi[j]))
    r = c - M * x
    f = len(free)
    K = mp.matrix(f + q, f + q)
    rhs = mp.matrix(f + q, 1)
    G = M.T * M
    h = M.T * r
    for a, i in enumerate(free):
        rhs[a] = h[i]
        for b, j in enumerate(free):
            K[a, b] = G[i, j]
    for k in range(q):
        rhs[f + k] = d[k] - sum(C[k, j] * x[j] for j in range(n))
        for a, i in enumerate(free):
            K[a, f + k] = K[f + k, a] = C[k, i]
    try:
        solution = mp.lu_solve(K, rhs) if f + q else mp.matrix(0, 1)
    except ZeroDivisionError:
        return None
    for a, i in enumerate(free):
        x[i] = solution[a]
        if not (lo[i] <= x[i] <= hi[i]):
            return None
    g = M.T * (M * x - c)
    for k in range(q):
        for j in range(n):
            g[j] += C[k, j] * solution[f + k]
    for j in range(n):
        if lo[j] == hi[j]:
            continue
        if (places[j] < 0 and g[j] < 0) or (places[j] > 0 and g[j] > 0):
            return None
    return [x[j] for j in range(n)]


out = ["# Written by bounded_oracle.py, whose header says how. Arrays are row-major; inf leaves a side open.\n"]


def case(name, A, b, lam, lo, hi, L=None, penalty="identity", weights=None, noise=None, prior=None, intercept=False, C=None, d=None):
    m, n = A.shape
    lo, hi = np.broadcast_to(lo, n).astype(float), np.broadcast_to(hi, n).astype(float)
    D = np.sqrt(weights if weights is not None else np.ones(m)) / (noise if noise is not None else 1.0)
    D = np.broadcast_to(D, m)
    L = np.eye(n) if L is None else L
    x0 = np.zeros(n) if prior is None else prior
    # the stack in 50 digits would round D and √λ later: they are taken as the doubles that they are here
    top = np.hstack([D[:, None] * A, D[:, None]]) if intercept else D[:, None] * A
    below = np.hstack([np.sqrt(lam) * L, np.zeros((L.shape[0], 1))]) if intercept else np.sqrt(lam) * L
    M = np.vstack([top, below])
    c = np.concatenate([D * b, np.sqrt(lam) * (L @ x0)])
    extra = [INF] if intercept else []
    low, high = np.concatenate([lo, [-INF] * len(extra)]), np.concatenate([hi, extra])
    scipy = None
    if C is None:
        if np.all(low == 0) and np.all(high == INF):
            scipy = nnls(M, c, maxiter=10000)[0]
        else:
            # lsq_linear refuses equal bounds: a fixed component is moved to the right-hand side
            moving = low < high
            fixed = np.where(moving, 0.0, low)
            result = lsq_linear(M[:, moving], c - M @ fixed, (low[moving], high[moving]), method="bvls", tol=1e-15, max_iter=10000)
            scipy = fixed.copy()
            scipy[moving] = result.x
        scale = np.maximum(1e-9 * np.abs(scipy).max(), 1e-12)
        places = [-1 if v - l <= scale else 1 if u - v <= scale else 0 for v, l, u in zip(scipy, low, high)]
        x = optimal(M, c, np.zeros((0, len(low))), np.zeros(0), low, high, places)
        assert x is not None, name
        difference_to_scipy = max(abs(float(a) - b) for a, b in zip(x, scipy)) / max(np.abs(scipy).max(), 1e-300)
        print(f"{name}: SciPy's x is {difference_to_scipy:.1e} from 50 digits")
    else:
        options = [[0] + ([-1] if l > -INF else []) + ([1] if u < INF else []) for l, u in zip(low, high)]
        Cx = np.hstack([C, np.zeros((C.shape[0], len(extra)))])
        # redundant rows make the equations of a set singular: the independent ones are enough
        keep = []
        for i in range(Cx.shape[0]):
            if np.linalg.matrix_rank(Cx[keep + [i]]) > len(keep):
                keep.append(i)
        x = next(filter(None, (optimal(M, c, Cx[keep], np.asarray(d)[keep], low, high, p) for p in itertools.product(*options))), None)
        assert x is not None, name
    lines = ["[[case]]", f'name = "{name}"', f"rows = {m}", f"columns = {n}", f"lambda = {float(lam)!r}", f'penalty = "{penalty}"']
    lines += [f"a = {numbers(A)}", f"b = {numbers(b)}", f"low = {numbers(lo)}", f"high = {numbers(hi)}"]
    if penalty == "matrix":
        lines += [f"l = {numbers(L)}"]
    for key, value in [("weights", weights), ("noise_std", noise), ("prior_mean", prior)]:
        if value is not None:
            lines.append(f"{key} = {numbers(value)}")
    if C is not None:
        lines += [f"c = {numbers(C)}", f"d = {numbers(d)}"]
    if intercept:
        lines.append(f"intercept = {float(x[-1])!r}")
        x = x[:-1]
        scipy = None if scipy is None else scipy[:-1]
    lines.append(f"x = {numbers([float(v) for v in x])}")
    if scipy is not None:
        lines.append(f"x_scipy = {numbers(scipy)}")
    out.append("\n".join(lines) + "\n")


def short(*shape):
    """Random numbers of few digits, which print short."""
    return np.round(rng.standard_normal(shape), 3)


case("nonnegative", short(24, 10), short(24), 0.1, 0.0, INF)
case("nonnegative wide", short(8, 14), short(8), 0.25, 0.0, INF)
case("box, second difference", short(20, 12), 2 * short(20), 0.5, -0.1, 0.2, L=difference(12, 2), penalty="second difference")
case("upper only", short(15, 9), 2 * short(15), 0.04, -INF, 0.05)
low = np.array([0.0, -INF, -0.5, 0.3, -INF, 0.0, 0.1, -1.0])
high = np.array([INF, INF, 0.0, 0.3, 0.2, 1.0, 0.1, INF])
case("each its own, some fixed", short(12, 8), short(12), 0.0625, low, high)
weights = np.array([1.0, 4.0, 0.25, 9.0, 1.0, 2.25, 1.0, 0.0625, 1.0, 16.0, 1.0, 1.0, 1.0, 1.0])
noise = np.array([1.0, 0.5, 2.0, 1.0, 1.0, 0.25, 1.0, 4.0, 1.0, 1.0, 1.0, 8.0, 1.0, 1.0])
case("weights, noise, prior mean, intercept", short(14, 6), short(14) + 3, 0.25, 0.0, 0.75, weights=weights, noise=noise,
     prior=np.array([0.5, 0.0, 1.0, -0.5, 0.25, 2.0]), intercept=True)
case("matrix penalty", short(10, 7), short(10), 0.25, -0.2, 0.4, L=short(5, 7), penalty="matrix")
hilbert = np.array([[1.0 / (i + j + 1) for j in range(8)] for i in range(12)])
case("hilbert", hilbert, hilbert @ np.array([1.0, 0, 2, 0, 0, 1, 0, 1]) + 1e-3 * short(12), 2.0**-40, 0.0, INF)
case("hilbert without a penalty", hilbert[:, :6], hilbert[:, :6] @ np.array([1.0, -1, 2, 0, 0.5, 1]) + 1e-3 * short(12), 0.0, 0.0, 1.5)
t = (np.arange(20) + 0.5) * np.pi / 20 - np.pi / 2
u = np.pi * (np.sin(t)[:, None] + np.sin(t)[None, :])
shaw = (np.cos(t)[:, None] + np.cos(t)[None, :]) ** 2 * np.sinc(u / np.pi) ** 2 * np.pi / 20
truth = np.maximum(0, 2 * np.exp(-6 * (t - 0.8) ** 2) + np.exp(-2 * (t + 0.5) ** 2) - 0.1)
case("shaw", np.round(shaw, 12), np.round(shaw @ truth + 1e-2 * rng.standard_normal(20), 6), 2.0**-14, 0.0, INF)
case("equality", short(9, 5), short(9), 0.125, -INF, INF, C=np.array([[1.0, 1, 1, 1, 1], [1, -1, 0, 0, 2]]), d=np.array([1.0, 0.5]))
case("equality, redundant", short(6, 5), short(6), 0.125, -INF, INF, L=difference(5, 1), penalty="first difference",
     C=np.array([[1.0, 1, 1, 1, 1], [1, -1, 0, 0, 2], [2, 0, 1, 1, 3]]), d=np.array([1.0, 0.5, 1.5]), prior=np.array([1.0, 0, 0, 2, -1]))
case("simplex", short(9, 6), 2 * short(9), 0.0625, 0.0, INF, C=np.ones((1, 6)), d=np.array([1.0]))
case("simplex, box, second difference, intercept", short(9, 5), 2 * short(9), 0.25, 0.0, 0.5, L=difference(5, 2), penalty="second difference",
     C=np.array([[1.0, 1, 1, 1, 1], [2, 2, 2, 2, 2], [0, 1, 2, 3, 4]]), d=np.array([1.0, 2.0, 1.75]), intercept=True)
(HERE / "bounded.toml").write_text("\n".join(out))
