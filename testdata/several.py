"""Writes several.json: the λ of two or three penalties by GCV, leave-one-out and REML, at 50 digits (mpmath).

The criteria are evaluated by their definitions (normal equations, explicit hat matrix, determinants), the minimum is the lowest point of a
grid, closed by a root of the gradient (derivatives by mpmath). Run in this folder: python several.py
"""
import itertools
import json

import numpy as np
from mpmath import det, diff, exp, findroot, eye, inverse, log, matrix, mp, mpf, sqrt, sin, cos

mp.dps = 30


def case(m, n, intercept, w):
    a = [[float(round(float(sin(mpf("0.37") * (i * i + 3 * j * i + j + 1))) + (0.4 if j == 0 else 0), 4)) for j in range(n)] for i in range(m)]
    b = [float(round(1.5 * a[i][0] - a[i][1] + 0.8 * a[i][2] + 0.6 * float(cos(mpf("1.3") * i * i)) + 2, 4)) for i in range(m)]
    return dict(a=a, b=b, intercept=intercept, weights=w)


def difference(n):
    return matrix([[-1 if i == j else 1 if j == i + 1 else 0 for j in range(n)] for i in range(n - 1)])


def second(n):
    return matrix([[1 if j in (i, i + 2) else -2 if j == i + 1 else 0 for j in range(n)] for i in range(n - 2)])


def band(n, members):
    return matrix([[1 if j == k else 0 for j in range(n)] for k in members])


def criterion(problem, terms, kind):
    m, n = len(problem["a"]), len(problem["a"][0])
    root = [sqrt(mpf(v)) for v in (problem["weights"] or [1] * m)]
    k = n + (1 if problem["intercept"] else 0)
    x = matrix(m, k)
    for i in range(m):
        for j in range(n):
            x[i, j] = root[i] * mpf(problem["a"][i][j])
        if problem["intercept"]:
            x[i, n] = root[i]
    y = matrix([root[i] * mpf(problem["b"][i]) for i in range(m)])
    grams = []
    for l in terms:
        g = l.T * l
        full = matrix(k, k)
        for i in range(n):
            for j in range(n):
                full[i, j] = g[i, j]
        grams.append(full)
    # an orthonormal basis of what some penalty sees, by Gram and Schmidt on their rows
    rows = [r for l in terms for r in (l[i, :] for i in range(l.rows))]
    basis = []
    for r in rows:
        v = matrix([r[0, j] for j in range(n)])
        for q in basis:
            v -= q * (q.T * v)[0]
        size = sqrt((v.T * v)[0])
        if size > mpf(10) ** -20:
            basis.append(v / size)
    v = matrix(k, len(basis))
    for c, q in enumerate(basis):
        for j in range(n):
            v[j, c] = q[j]
    free = m - (k - len(basis))
    gram = x.T * x

    def value(*theta):
        s = matrix(k, k)
        for t, g in zip(theta, grams):
            s += exp(t) * g
        inv = inverse(gram + s)
        r = y - x * (inv * (x.T * y))
        hat = x * inv * x.T
        if kind == "gcv":
            return log(m * (r.T * r)[0] / (m - sum(hat[i, i] for i in range(m))) ** 2)
        if kind == "loo":
            return log(sum((r[i] / (1 - hat[i, i])) ** 2 for i in range(m)))
        p = (y.T * r)[0]
        return log(p) + (log(det(gram + s)) - log(det(v.T * s * v))) / free

    return value


def fast(problem, terms, kind):
    """The same in double precision for the grid."""
    m, n = len(problem["a"]), len(problem["a"][0])
    root = np.sqrt(np.array(problem["weights"] or [1.0] * m))
    x = np.array(problem["a"])
    if problem["intercept"]:
        x = np.column_stack([x, np.ones(m)])
    x = x * root[:, None]
    y = np.array(problem["b"]) * root
    k = x.shape[1]
    grams = []
    for l in terms:
        l = np.array([[float(l[i, j]) for j in range(n)] for i in range(l.rows)])
        g = np.zeros((k, k))
        g[:n, :n] = l.T @ l
        grams.append(g)
    total = sum(grams)
    w, v = np.linalg.eigh(total)
    v = v[:, w > 1e-10 * w.max()]
    free = m - (k - v.shape[1])

    def value(theta):
        s = sum(np.exp(t) * g for t, g in zip(theta, grams))
        try:
            inv = np.linalg.inv(x.T @ x + s)
        except np.linalg.LinAlgError:
            return np.inf
        r = y - x @ (inv @ (x.T @ y))
        h = np.einsum("ij,jk,ik->i", x, inv, x)
        if kind == "gcv":
            return np.log(m * (r @ r) / (m - h.sum()) ** 2)
        if kind == "loo":
            return np.log(((r / (1 - h)) ** 2).sum())
        return np.log(y @ r) + (np.linalg.slogdet(x.T @ x + s)[1] - np.linalg.slogdet(v.T @ s @ v)[1]) / free

    return value


def plain(value):
    return [float(v) for v in value]


out = []
weights = [round(0.4 + 0.3 * (i % 5), 2) for i in range(16)]
problems = [
    ("identity and second difference", case(16, 5, False, None), [eye(5), second(5)], [None, "second"]),
    ("the same with weights and an intercept", case(16, 5, True, weights), [eye(5), second(5)], [None, "second"]),
    ("two bands", case(14, 6, True, None), [band(6, [0, 1, 2]), band(6, [3, 4, 5])], "bands 000111"),
    ("more unknowns than rows", case(7, 9, False, None), [eye(9), difference(9)], [None, "first"]),
]
for name, problem, terms, penalties in problems:
    for kind in ["gcv", "loo", "reml"]:
        quick = fast(problem, terms, kind)
        grid = np.linspace(-14, 14, 57)
        values = {}
        for i, j in itertools.product(range(len(grid)), repeat=2):
            values[i, j] = quick((grid[i], grid[j]))
        i, j = min(values, key=values.get)
        inside = 0 < i < len(grid) - 1 and 0 < j < len(grid) - 1
        record = dict(name=name, kind=kind, penalties=penalties, **problem, inside=bool(inside))
        if inside:
            f = criterion(problem, terms, kind)
            gradient = [lambda a, b, k=k: diff(f, (a, b), tuple(1 if q == k else 0 for q in range(2))) for k in range(2)]
            theta = findroot(lambda a, b: [g(a, b) for g in gradient], (mpf(grid[i]), mpf(grid[j])), tol=mpf(10) ** -16, maxsteps=60)
            record["lambdas"] = plain([exp(theta[0]), exp(theta[1])])
            record["value"] = float(f(theta[0], theta[1]))
        else:
            record["lambdas"] = plain([np.exp(grid[i]), np.exp(grid[j])])
            record["value"] = float(values[i, j])
        print(name, kind, record["inside"], record["lambdas"])
        out.append(record)
json.dump(out, open("several.json", "w"), separators=(",", ":"))
