#!/usr/bin/env python3
"""Writes standard_form.json: x after k steps of LSQR on a problem brought to standard form, at 60 digits.

min |A x - b|^2 + lam |L x|^2 with A 9x7, L the second difference 5x7 (null space of dimension 2) and the first difference 6x7.
From the definitions alone (Elden 1982, Hansen 1998): L_A = (I - (A (I - L+ L))+ A) L+, x0 = (A (I - L+ L))+ b, and x_k = L_A z_k + x0 with z_k
the minimiser of |A L_A z - (b - A x0)|^2 + lam |z|^2 over the Krylov space of dimension k, by an explicit basis.

    python3 standard_form_oracle.py > standard_form.json
"""

import json

from mpmath import matrix, mp, mpf, qr_solve, zeros, eye

mp.dps = 60


def entry(i, j):
    # a smoothing kernel without symmetry, the same in tests/krylov.rs
    return mpf(1) / (1 + (i - j) ** 2 + j / mpf(3)) + (mpf(i * j % 5) / 20)


def differences(n, order):
    if order == 1:
        return matrix([[(-1 if j == i else 1 if j == i + 1 else 0) for j in range(n)] for i in range(n - 1)])
    return matrix([[(1 if j in (i, i + 2) else -2 if j == i + 1 else 0) for j in range(n)] for i in range(n - 2)])


def full_rank_rows_inverse(l):
    """L+ for L of full row rank."""
    return l.T * (l * l.T) ** -1


def least_squares(a, b):
    return qr_solve(a, b)[0]


def solve(a, b, l, order, lam, k):
    n = a.cols
    plus = full_rank_rows_inverse(l)
    # a basis of the null space: constants, and straight lines
    w = matrix([[1] for _ in range(n)]) if order == 1 else matrix([[1, j] for j in range(n)])
    aw = a * w
    # (A(I - L+L))+ = W (AW)+, for W a basis of null(L)
    pinv = w * ((aw.T * aw) ** -1 * aw.T)
    la = (eye(n) - pinv * a) * plus
    x0 = pinv * b
    bar, data = a * la, b - a * x0
    columns, v = [], bar.T * data
    for _ in range(k):
        columns.append(v)
        v = bar.T * (bar * v)
    # orthonormal by Gram and Schmidt at 60 digits
    basis = []
    for c in columns:
        for q in basis:
            c = c - q * (q.T * c)[0]
        basis.append(c / mp.norm(c))
    q = zeros(bar.cols, k)
    for j, c in enumerate(basis):
        for i in range(bar.cols):
            q[i, j] = c[i]
    small = bar * q
    z = q * ((small.T * small + lam * eye(k)) ** -1 * (small.T * data))
    return la * z + x0


def main():
    m, n = 9, 7
    a = matrix([[entry(i, j) for j in range(n)] for i in range(m)])
    b = matrix([mpf((-1) ** (i // 3)) + mpf(i * i % 7) / 4 for i in range(m)])
    cases = []
    for order in (1, 2):
        l = differences(n, order)
        for lam in ("0", "0.05"):
            for k in (1, 2, 4):
                x = solve(a, b, l, order, mpf(lam), k)
                cases.append({"order": order, "lambda": float(lam), "steps": k, "x": [float(v) for v in x]})
    print(json.dumps(cases, indent=1))


main()
