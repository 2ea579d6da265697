#!/usr/bin/env python3
"""Reference posteriors, 50 digits, by the direct dense formulas.

    b = A x + c + e,   e ~ N(0, s^2 W^-1),   x ~ N(x0, t^2 (L'L)^+), flat along null(L) and c

    pip install mpmath
    python testdata/bayes_oracle.py        # rewrites bayes.toml beside it, in some minutes

The evidence is that of b itself, from the Cholesky factor of its m x m covariance (no spectrum of A anywhere), with the flat
directions N integrated out:

    -2 log p = (m - q) log 2 pi + log|V| + log|N'V^-1 N| - log|N'WN| + (q/m) log|W| + b'Pb,    V = s^2 W^-1 + t^2 A (L'L)^+ A'

Its maximum in (log s, log t), times the hyper-priors, is found by Newton's method with differences at 80 digits, from the
best point of a grid in binary64. The covariance of x is the block of the dense inverse of the joint normal equations.
Inputs are binary64 numbers, taken as exact; answers are rounded once.
"""

import os

from mpmath import mp, mpf

mp.dps = 80
HERE = os.path.dirname(os.path.abspath(__file__))


class Rng:
    """splitmix64; roughly normal numbers (sum of three uniforms, variance 1), no libm."""

    def __init__(self, seed):
        self.s = seed

    def bits(self):
        self.s = (self.s + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = self.s
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        return z ^ (z >> 31)

    def normal(self):
        return sum(((self.bits() >> 11) - 2**52) / 2**52 for _ in range(3))


def cholesky(a):
    n = len(a)
    g = [[mpf(0)] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            s = a[i][j] - mp.fdot(g[i][:j], g[j][:j])
            if i == j:
                if s <= 0:
                    raise ValueError("not positive definite")
                g[j][j] = mp.sqrt(s)
            else:
                g[i][j] = s / g[j][j]
    return g


def forward(g, v):
    y = []
    for i, row in enumerate(g):
        y.append((v[i] - mp.fdot(row[:i], y)) / row[i])
    return y


def log_det(g):
    return 2 * mp.fsum(mp.log(g[i][i]) for i in range(len(g)))



def pseudo_inverse_gram(l, n):
    """(L'L)^+ and an orthonormal basis of null(L)."""
    if l is None:
        return [[mpf(i == j) for j in range(n)] for i in range(n)], []
    gram = mp.matrix(n, n)
    for i in range(n):
        for j in range(n):
            gram[i, j] = mp.fsum(row[i] * row[j] for row in l)
    e, q = mp.eigsy(gram)
    big = max(e)
    plus = [[mp.fsum(q[i, k] * q[j, k] / e[k] for k in range(n) if e[k] > big * mpf(10) ** -60) for j in range(n)] for i in range(n)]
    null = [[q[i, k] for i in range(n)] for k in range(n) if e[k] <= big * mpf(10) ** -60]
    return plus, null


def hyper(spec, u):
    """log density of u = log sigma, up to a constant."""
    if spec is None:
        return mpf(0)
    kind, p, q = spec
    p, q = mpf(p), mpf(q)
    if kind == "log_normal":
        return -((u - mp.log(p)) ** 2) / (2 * q * q)
    if kind == "gamma_precision":
        return -2 * p * u - q * mp.exp(-2 * u)
    if kind == "gamma_std":
        return p * u - q * mp.exp(u)
    if kind == "half_cauchy":
        return u - mp.log(1 + mp.exp(2 * u) / (p * p))
    raise KeyError(kind)


class Problem:
    def __init__(self, name, a, b, l=None, weights=None, noise_std=None, prior_mean=None, intercept=False, noise_prior=None, scale_prior=None):
        self.__dict__.update(locals())
        self.m, self.n = len(a), len(a[0])
        m, n = self.m, self.n
        self.am = [[mpf(x) for x in row] for row in a]
        w = [mpf(1)] * m
        if weights:
            w = [x * mpf(y) for x, y in zip(w, weights)]
        if noise_std:
            w = [x / mpf(y) ** 2 for x, y in zip(w, noise_std)]
        self.w = w
        self.x0 = [mpf(x) for x in prior_mean] if prior_mean else [mpf(0)] * n
        self.r = [mpf(y) - mp.fdot(row, self.x0) for y, row in zip(b, self.am)]
        self.lm = [[mpf(x) for x in row] for row in l] if l else None
        self.plus, null = pseudo_inverse_gram(self.lm, n)
        half = [[mp.fdot(row, col) for col in self.plus] for row in self.am]
        self.k0 = [[mp.fdot(half[i], self.am[j]) for j in range(m)] for i in range(m)]
        self.flat = [[mp.fdot(row, v) for row in self.am] for v in null] + ([[mpf(1)] * m] if intercept else [])
        self.known = bool(noise_std) and noise_prior is None

    def minus_log(self, u, v):
        """-log p(b | exp u, exp v)."""
        s2, t2 = mp.exp(2 * u), mp.exp(2 * v)
        m, q = self.m, len(self.flat)
        cov = [[t2 * self.k0[i][j] + (s2 / self.w[i] if i == j else 0) for j in range(i + 1)] for i in range(m)]
        g = cholesky(cov)
        y = forward(g, self.r)
        total = (m - q) * mp.log(2 * mp.pi) + log_det(g) + mp.fdot(y, y)
        if q:
            cols = [forward(g, c) for c in self.flat]
            inner = [[mp.fdot(p, o) for o in cols] for p in cols]
            h = cholesky(inner)
            z = forward(h, [mp.fdot(c, y) for c in cols])
            total += log_det(h) - mp.fdot(z, z)
            weighted = [[mp.fdot([x * wi for x, wi in zip(p, self.w)], o) for o in self.flat] for p in self.flat]
            # flat on the values that N fits, in units of the rows' geometric mean scale
            total -= log_det(cholesky(weighted)) - q * mp.fsum(mp.log(w) for w in self.w) / m
        return total / 2

    def objective(self, u, v):
        return self.minus_log(u, v) - hyper(self.noise_prior, u) - hyper(self.scale_prior, v)

    def grid(self):
        """The best point of a coarse grid, in binary64."""
        digits, mp.dps = mp.dps, 20
        best = None
        for i in range(-10, 5):
            for j in range(-8, 9):
                u, v = (mpf(0), mpf(j)) if self.known else (mpf(i), mpf(j))
                try:
                    f = self.objective(u, v)
                except ValueError:
                    continue
                if best is None or f < best[0]:
                    best = (f, u, v)
            if self.known:
                break
        mp.dps = digits
        return best[1], best[2]

    def derivatives(self, u, v):
        h = mpf(10) ** -25
        f = self.objective
        c = f(u, v)
        if self.known:
            p, q = f(u, v + h), f(u, v - h)
            return [(p - q) / (2 * h)], [[(p - 2 * c + q) / h**2]]
        up, um, vp, vm = f(u + h, v), f(u - h, v), f(u, v + h), f(u, v - h)
        mix = (f(u + h, v + h) - f(u + h, v - h) - f(u - h, v + h) + f(u - h, v - h)) / (4 * h * h)
        return [(up - um) / (2 * h), (vp - vm) / (2 * h)], [[(up - 2 * c + um) / h**2, mix], [mix, (vp - 2 * c + vm) / h**2]]

    def maximise(self):
        u, v = self.grid()
        for _ in range(60):
            g, h = self.derivatives(u, v)
            g, h = mp.matrix(g), mp.matrix(h)
            e, q = mp.eigsy(h)
            step = -(q * mp.diag([1 / abs(x) for x in e]) * q.T * g)
            size = max(abs(x) for x in step)
            if size > 1:
                step /= size
            if self.known:
                v += step[0]
            else:
                u, v = u + step[0], v + step[1]
            if size < mpf(10) ** -22:
                break
        else:
            raise RuntimeError(self.name)
        cov = h**-1
        errors = [mp.sqrt(cov[i, i]) for i in range(cov.rows)]
        return u, v, errors

    def solve(self):
        u, v, errors = self.maximise()
        s2, lam = mp.exp(2 * u), mp.exp(2 * (u - v))
        n = self.n
        size = n + int(self.intercept)
        rows = [row + ([mpf(1)] if self.intercept else []) for row in self.am]
        l = self.lm or [[mpf(i == j) for j in range(n)] for i in range(n)]
        joint = mp.matrix(size, size)
        for i in range(size):
            for j in range(size):
                joint[i, j] = mp.fsum(w * row[i] * row[j] for w, row in zip(self.w, rows))
                if i < n and j < n:
                    joint[i, j] += lam * mp.fsum(row[i] * row[j] for row in l)
        inv = joint**-1
        rhs = mp.matrix([mp.fsum(w * row[i] * r for w, row, r in zip(self.w, rows, self.r)) for i in range(size)])
        x = inv * rhs
        out = {
            "lambda": lam,
            "noise_std": mp.exp(u),
            "prior_std": mp.exp(v),
            "log_evidence": -self.minus_log(u, v),
            "mean": [x[i] + self.x0[i] for i in range(n)],
            "covariance": [s2 * inv[i, j] for i in range(n) for j in range(n)],
        }
        if self.known:
            out["log_prior_std_error"] = errors[0]
        else:
            out["log_noise_std_error"], out["log_prior_std_error"] = errors
        if self.intercept:
            out["intercept_value"] = x[n]
            out["intercept_std"] = mp.sqrt(s2 * inv[n, n])
        # a new row: 1, -1, 1, ... with and without noise
        new = [mpf((-1) ** j) for j in range(n)] + ([mpf(1)] if self.intercept else [])
        variance = s2 * mp.fsum(new[i] * inv[i, j] * new[j] for i in range(size) for j in range(size))
        out["predicted_std"] = mp.sqrt(variance)
        return out


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return repr(float(value))


def flatten(rows):
    return [float(x) for row in rows for x in row]


def prostate():
    rows = [line.split("\t") for line in open(os.path.join(HERE, "..", "data", "prostate.tsv")).read().splitlines()]
    header = [name.strip('"') for name in rows[0]]
    train = header.index("train")
    data = [row for row in rows[1:] if row[train].strip().strip('"') in ("T", "TRUE", "1")]
    target = header.index("lpsa")
    features = [header.index(n) for n in ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"]]
    return [[float(row[j]) for j in features] for row in data], [float(row[target]) for row in data]


def shaw(n):
    """Shaw's problem by the midpoint rule, in binary64 (this matrix is the definition here)."""
    import math

    t = [-math.pi / 2 + (i + 0.5) * math.pi / n for i in range(n)]
    def entry(s, p):
        u = math.pi * (math.sin(s) + math.sin(p))
        sinc = 1.0 if abs(u) < 1e-12 else math.sin(u) / u
        return (math.cos(s) + math.cos(p)) ** 2 * sinc**2 * math.pi / n
    a = [[entry(s, p) for p in t] for s in t]
    x = [2.0 * math.exp(-6.0 * (p - 0.8) ** 2) + math.exp(-2.0 * (p + 0.5) ** 2) for p in t]
    return a, x


def main():
    r = Rng(20)
    a, b = prostate()
    centre = [sum(col) / len(col) for col in zip(*a)]
    spread = [(sum((x - c) ** 2 for x in col) / len(col)) ** 0.5 for col, c in zip(zip(*a), centre)]
    scaled = [[(x - c) / s for x, c, s in zip(row, centre, spread)] for row in a]
    cases = [Problem("prostate_scaled_intercept", scaled, b, intercept=True)]
    cases.append(Problem("prostate_weighted_intercept", scaled[:40], b[:40], weights=[1.0 + (i % 3) for i in range(40)], intercept=True))
    sa, sx = shaw(16)
    sb = [sum(p * q for p, q in zip(row, sx)) + 0.01 * r.normal() for row in sa]
    cases.append(Problem("shaw16", sa, sb))
    first = [[-1.0 if j == i else 1.0 if j == i + 1 else 0.0 for j in range(16)] for i in range(15)]
    cases.append(Problem("shaw16_first_difference", sa, sb, l=first))
    levels = [0.005 * (1 + i % 4) for i in range(16)]
    sb2 = [sum(p * q for p, q in zip(row, sx)) + s * r.normal() for row, s in zip(sa, levels)]
    cases.append(Problem("shaw16_noise_known", sa, sb2, noise_std=levels))
    cases.append(Problem("shaw16_noise_factor", sa, sb2, noise_std=levels, noise_prior=("log_normal", 1.0, 0.3)))
    cases.append(Problem("shaw16_hyper_priors", sa, sb, noise_prior=("log_normal", 0.03, 0.2), scale_prior=("gamma_precision", 3.0, 2.0)))
    wide = [[r.normal() for _ in range(12)] for _ in range(7)]
    wb = [r.normal() for _ in range(7)]
    cases.append(Problem("wide_hyper_priors", wide, wb, noise_prior=("gamma_std", 4.0, 10.0), scale_prior=("half_cauchy", 0.5, 0.0)))
    diagonal = [[(1.0 + j) / 4 if i == j else 0.0 for j in range(6)] for i in range(6)]
    tall = [[r.normal() for _ in range(6)] for _ in range(15)]
    x0 = [0.5, -1.0, 2.0, 0.0, 1.0, -0.25]
    tb = [sum(row[j] * (x0[j] + r.normal() / (1 + j)) for j in range(6)) + 0.5 * r.normal() + 3.0 for row in tall]
    cases.append(Problem("tall_diagonal_prior_mean", tall, tb, l=diagonal, prior_mean=x0, intercept=True))
    with open(os.path.join(HERE, "bayes.toml"), "w") as f:
        f.write("# Written by bayes_oracle.py; do not edit. Matrices row after row.\n")
        for case in cases:
            answer = case.solve()
            print(case.name, mp.nstr(answer["lambda"], 12), mp.nstr(answer["noise_std"], 12), flush=True)
            f.write(f'\n[[case]]\nname = "{case.name}"\nrows = {case.m}\ncolumns = {case.n}\n')
            f.write(f"a = {text(flatten(case.a))}\nb = {text(case.b)}\nintercept = {text(case.intercept)}\n")
            for key in ["weights", "noise_std", "prior_mean", "noise_prior", "scale_prior"]:
                if getattr(case, key) is not None:
                    value = getattr(case, key)
                    if key in ("noise_prior", "scale_prior"):
                        f.write(f'{key} = {{ kind = "{value[0]}", first = {text(value[1])}, second = {text(value[2])} }}\n')
                    else:
                        f.write(f"{'noise_levels' if key == 'noise_std' else key} = {text(value)}\n")
            if case.l is not None:
                f.write(f"l = {text(flatten(case.l))}\n")
            for key, value in answer.items():
                f.write(f"{key} = {text(value)}\n")


main()
