"""Answers for tests/bounded_lasso.rs: `python testdata/bounded_lasso.py > testdata/bounded_lasso.json`.

The lasso and the elastic net between bounds. x ≥ 0: scikit-learn's `positive=True` (1.9.1, tol 1e-15). Boxes: the quadratic program in
x = p − q with p, q ≥ 0 by cvxopt's interior-point method, whose active set is then solved for exactly (a few 1e-9 are left otherwise).
The data are those of lasso_oracle.py, made by a formula that the test repeats.
"""

import json

import numpy as np
from cvxopt import matrix as cvx
from cvxopt import solvers
from lasso_oracle import data, matrix
from sklearn.linear_model import ElasticNet, Lasso

solvers.options.update(show_progress=False, abstol=1e-13, reltol=1e-13, feastol=1e-13, maxiters=200)


def box(a, b, lam, rho, weights, low, high, intercept):
    """min Σw(b − Ax − c)² + λ(ρ‖x‖₁ + (1 − ρ)‖x‖²), low ≤ x ≤ high."""
    m, n = a.shape
    mean_a, mean_b = (weights @ a / weights.sum(), weights @ b / weights.sum()) if intercept else (np.zeros(n), 0.0)
    scaled = np.sqrt(weights)[:, None] * (a - mean_a)
    rhs = np.sqrt(weights) * (b - mean_b)
    hessian = 2 * (scaled.T @ scaled + lam * (1 - rho) * np.eye(n))
    linear = -2 * scaled.T @ rhs
    eye, zero = np.eye(n), np.zeros((n, n))
    p = np.block([[hessian, -hessian], [-hessian, hessian]])
    q = np.concatenate([linear + lam * rho, -linear + lam * rho])
    rows = [np.hstack([-eye, zero]), np.hstack([zero, -eye])]
    ends = [np.zeros(n), np.zeros(n)]
    for sign, end in ((1, high), (-1, low)):
        finite = np.isfinite(end)
        rows.append(sign * np.hstack([eye, -eye])[finite])
        ends.append(sign * end[finite])
    found = np.array(solvers.qp(cvx(p), cvx(q), cvx(np.vstack(rows)), cvx(np.concatenate(ends)))["x"]).ravel()
    x = found[:n] - found[n:]
    # what lies at an end or at zero is there; the rest solves its equations
    scale = np.abs(x).max()
    for value in (low, high, np.zeros(n)):
        near = np.isfinite(value) & (np.abs(x - np.where(np.isfinite(value), value, 0)) < 1e-6 * scale)
        x[near] = value[near]
    free = (x != 0) & (x != low) & (x != high)
    rest = -linear - lam * rho * np.sign(x) - hessian[:, ~free] @ x[~free]
    x[free] = np.linalg.solve(hessian[np.ix_(free, free)], rest[free])
    # first-order conditions, so that a wrong guess of the active set is not stored
    slope = -(hessian @ x + linear)
    least = np.where(x > 0, 1.0, -1.0) * lam * rho
    most = np.where(x < 0, -1.0, 1.0) * lam * rho
    least[x <= low], most[x >= high] = -np.inf, np.inf
    assert np.all(slope >= least - 1e-9 * np.abs(linear).max()) and np.all(slope <= most + 1e-9 * np.abs(linear).max())
    assert np.all(x >= low) and np.all(x <= high)
    return x, mean_b - mean_a @ x


def main():
    cases = []
    for m, n, mean in [(30, 8, 0.0), (25, 60, 0.0), (40, 12, 2.0)]:
        a = matrix(m, n, mean)
        b = data(a)
        for intercept, weighted in ((False, False), (True, False), (True, True)):
            w = np.array([1.0 + (i % 3) for i in range(m)]) if weighted else np.ones(m)
            centred = a - (w @ a / w.sum() if intercept else 0.0)
            largest = np.max(centred.T @ (w * (b - (w @ b / w.sum() if intercept else 0.0)))) / w.sum()
            for fraction in (0.5, 0.02):
                for ratio in (1.0, 0.6):
                    alpha = largest * fraction
                    lam, rho = w.sum() * alpha * (1 + ratio), 2 * ratio / (1 + ratio)
                    common = dict(rows=m, columns=n, mean=mean, intercept=intercept, weighted=weighted, lam=lam, rho=rho)
                    options = dict(positive=True, fit_intercept=intercept, tol=1e-15, max_iter=10_000_000)
                    model = Lasso(alpha=alpha, **options) if ratio == 1.0 else ElasticNet(alpha=alpha, l1_ratio=ratio, **options)
                    model.fit(a, b, sample_weight=w if weighted else None)
                    cases.append(dict(common, kind="positive", x=model.coef_.tolist(), constant=float(model.intercept_)))
                    # some ends open, some beyond zero, one component fixed
                    j = np.arange(n)
                    low = np.where(j % 5 == 0, -0.3, np.where(j % 5 == 1, -np.inf, np.where(j % 5 == 2, 0.1, -1.0)))
                    high = np.where(j % 7 == 3, np.inf, np.where(j % 7 == 4, 0.2, 1.5))
                    low[3] = high[3] = 0.25
                    x, constant = box(a, b, lam, rho, w, low, high, intercept)
                    cases.append(dict(common, kind="box", x=x.tolist(), constant=float(constant)))
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
