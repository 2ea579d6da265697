"""Coefficients of scikit-learn for tests/sparse_penalties.rs: `python testdata/lasso_oracle.py > testdata/lasso.json`.

The data are made by a formula that the test repeats, so that only answers are stored. scikit-learn 1.9.1, tol 1e-15.
"""

import json
import math

import numpy as np
from sklearn.linear_model import ElasticNet, Lasso


def matrix(m, n, mean=0.0):
    return np.array([[mean * (j % 3) + math.sin(1.0 + 1.7 * i * (j + 1) + 0.3 * j * j) + 0.3 * math.cos(0.9 * i + j) for j in range(n)] for i in range(m)])


def data(a):
    m, n = a.shape
    x = np.array([((-1.0) ** j) * (3.0 - 0.2 * j) if j % 4 == 0 else 0.0 for j in range(n)])
    return a @ x + np.array([0.3 * math.sin(12.9 * i * i + 1.0) for i in range(m)])


def main():
    cases = []
    for m, n, mean in [(30, 8, 0.0), (25, 60, 0.0), (40, 12, 2.0)]:
        a = matrix(m, n, mean)
        b = data(a)
        weights = np.array([1.0 + (i % 3) for i in range(m)])
        for intercept in (False, True):
            for weighted in (False, True):
                w = weights if weighted else np.ones(m)
                centred = a - (w @ a / w.sum() if intercept else 0.0)
                bc = b - (w @ b / w.sum() if intercept else 0.0)
                largest = np.max(np.abs(centred.T @ (w * bc))) / w.sum()
                for fraction in (0.5, 0.05):
                    for ratio in (1.0, 0.6):
                        alpha = largest * fraction
                        options = dict(fit_intercept=intercept, tol=1e-15, max_iter=10_000_000)
                        model = Lasso(alpha=alpha, **options) if ratio == 1.0 else ElasticNet(alpha=alpha, l1_ratio=ratio, **options)
                        model.fit(a, b, sample_weight=w if weighted else None)
                        cases.append(
                            dict(
                                rows=m, columns=n, mean=mean, intercept=intercept, weighted=weighted, alpha=alpha, l1_ratio=ratio,
                                x=model.coef_.tolist(), constant=float(model.intercept_) if intercept else 0.0,
                            )
                        )
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
