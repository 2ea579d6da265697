"""Writes robust.json: robust regressions on the prostate data by other programs.

- `huber`: exact Huber regression with a ridge penalty, by solving the linear system of each set of inliers until the set stands still.
- `rlm`: statsmodels' RLM with HuberT(1.345), scale by the median absolute residual at each step (λ = 0).
- `student`: SciPy's trust region on the Student-t objective with its exact Hessian, from the ridge solution.
- `median`: least absolute deviations by linear programming (HiGHS).
- `lasso`: scikit-learn's Lasso at tolerance 1e-14.

Run in this folder: python robust.py   (SciPy 1.17, statsmodels 0.15, scikit-learn 1.9)
"""
import csv
import json

import numpy as np
import statsmodels.api as sm
from scipy.optimize import linprog, minimize
from sklearn.linear_model import Lasso

rows = list(csv.reader(open("../data/prostate.tsv"), delimiter="\t"))
values = np.array([[float(v) for v in row[1:10]] for row in rows[1:]])
x, y = values[:, :8], values[:, 8].copy()
y[[3, 20, 41, 77]] += [8.0, -6.0, 12.0, 5.0]  # outliers
m, n = x.shape
design = np.column_stack([x, np.ones(m)])
penalised = np.diag([1.0] * n + [0.0])


def huber(lam, delta, weights):
    root = np.sqrt(weights)
    a, b = design * root[:, None], y * root
    theta = np.linalg.solve(a.T @ a + lam * penalised, a.T @ b)
    for _ in range(1000):
        u = b - a @ theta
        inside = np.abs(u) <= delta
        ai = a[inside]
        right = ai.T @ b[inside] + delta * (a[~inside].T @ np.sign(u[~inside]))
        new = np.linalg.solve(ai.T @ ai + lam * penalised, right)
        if np.array_equal(np.abs(b - a @ new) <= delta, inside) and np.allclose(new, theta, rtol=1e-13, atol=0):
            return new
        theta = new
    raise RuntimeError("the set of inliers does not settle")


def student(lam, nu, s):
    theta = np.linalg.solve(design.T @ design + lam * penalised, design.T @ y)

    def value(t):
        z = (y - design @ t) / s
        return (nu + 1) * s**2 * np.log1p(z * z / nu).sum() + lam * t[:n] @ t[:n]

    def gradient(t):
        u = y - design @ t
        return -2 * design.T @ ((nu + 1) / (nu + (u / s) ** 2) * u) + 2 * lam * penalised @ t

    def hessian(t):
        z2 = ((y - design @ t) / s) ** 2
        curvature = (nu + 1) * (nu - z2) / (nu + z2) ** 2
        return 2 * (design.T * curvature) @ design + 2 * lam * penalised

    found = minimize(value, theta, jac=gradient, hess=hessian, method="trust-exact", options=dict(gtol=1e-11, maxiter=1000))
    theta = found.x
    for _ in range(5):
        theta = theta - np.linalg.solve(hessian(theta), gradient(theta))
    return theta, value(theta)


weights = 0.5 + (np.arange(m) % 4) * 0.5
fit = sm.RLM(y, design, M=sm.robust.norms.HuberT(1.345)).fit(maxiter=5000, tol=1e-13, conv="coefs")
# |r| = p + q
cost = np.concatenate([np.zeros(n + 1), np.ones(2 * m)])
equal = np.hstack([design, np.eye(m), -np.eye(m)])
median = linprog(cost, A_eq=equal, b_eq=y, bounds=[(None, None)] * (n + 1) + [(0, None)] * (2 * m), method="highs")
theta, objective = student(2.0, 3.0, 0.6)
standard = (x - x.mean(0)) / x.std(0)
lasso = Lasso(alpha=0.05, tol=1e-14, max_iter=100000).fit(standard, values[:, 8])
residual = values[:, 8] - lasso.predict(standard)
json.dump(
    dict(
        a=x.tolist(),
        b=y.tolist(),
        weights=weights.tolist(),
        huber=[
            dict(lam=lam, delta=delta, weighted=weighted, theta=huber(lam, delta, weights if weighted else np.ones(m)).tolist())
            for lam, delta, weighted in [(0.0, 0.8, False), (3.0, 0.8, False), (10.0, 0.3, True)]
        ],
        rlm=dict(theta=fit.params.tolist(), scale=float(fit.scale)),
        student=dict(lam=2.0, nu=3.0, s=0.6, theta=theta.tolist(), objective=float(objective)),
        median=float(median.fun),
        lasso=dict(
            a=standard.tolist(),
            b=values[:, 8].tolist(),
            lam=2 * m * 0.05,
            x=lasso.coef_.tolist(),
            objective=float(residual @ residual + 2 * m * 0.05 * np.abs(lasso.coef_).sum()),
        ),
    ),
    open("robust.json", "w"),
    separators=(",", ":"),
)
print(fit.params, fit.scale, theta, median.fun, lasso.coef_)
