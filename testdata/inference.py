"""Writes inference.json: what a second program says of standard errors, intervals and influence.

- `statsmodels`: ordinary and weighted least squares on the prostate and Longley data (λ = 0).
- `dense`: ridge problems by the definitions at 50 digits (mpmath): normal equations, explicit inverses, and every row actually left out
  and refitted.

Run in this folder: python inference.py   (statsmodels 0.15, mpmath 1.4)
"""
import csv
import json

import numpy as np
import statsmodels.api as sm
from mpmath import diag, eye, inverse, matrix, mp, mpf, sqrt, zeros
from statsmodels.stats.outliers_influence import OLSInfluence, variance_inflation_factor

mp.dps = 50


def prostate():
    rows = list(csv.reader(open("../data/prostate.tsv"), delimiter="\t"))
    names = rows[0][1:9]
    values = np.array([[float(v) for v in row[1:10]] for row in rows[1:]])
    return names, values[:, :8], values[:, 8]


def longley():
    rows = list(csv.reader(open("../data/longley.csv")))
    values = np.array([[float(v) for v in row] for row in rows[1:]])
    return rows[0][2:], values[:, 2:], values[:, 1]


def statsmodels_case(name, x, y, weights=None):
    design = sm.add_constant(x, prepend=True, has_constant="add")
    fit = sm.OLS(y, design).fit() if weights is None else sm.WLS(y, design, weights=weights).fit()
    case = dict(
        name=name,
        a=x.tolist(),
        b=y.tolist(),
        weights=None if weights is None else weights.tolist(),
        # the constant first, as statsmodels has it
        params=fit.params.tolist(),
        standard_errors=fit.bse.tolist(),
        p_values=fit.pvalues.tolist(),
        confidence=fit.conf_int(0.05).tolist(),
        sigma=float(np.sqrt(fit.scale)),
        r_squared=float(fit.rsquared),
        r_squared_adjusted=float(fit.rsquared_adj),
        hc=[getattr(fit, f"HC{k}_se").tolist() for k in range(4)],
    )
    new = design[:3].copy()
    new[:, 1:] *= 1.01
    frame = fit.get_prediction(new).summary_frame(alpha=0.1)
    case["new_rows"] = new[:, 1:].tolist()
    case["predictions"] = frame[["mean", "mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper"]].to_numpy().tolist()
    if weights is None:
        influence = OLSInfluence(fit)
        case["leverages"] = influence.hat_matrix_diag.tolist()
        case["cooks"] = influence.cooks_distance[0].tolist()
        case["internal"] = influence.resid_studentized_internal.tolist()
        case["external"] = influence.resid_studentized_external.tolist()
        case["press"] = influence.resid_press.tolist()
        case["vif"] = [float(variance_inflation_factor(design, j)) for j in range(1, design.shape[1])]
    return case


def solve_ridge(a, b, w, lam, penalty, x0, intercept):
    """x, c, the map R of (x, c) from whitened b, and M⁻¹, all by the normal equations of the problem with a column of ones."""
    m, n = a.rows, a.cols
    k = n + (1 if intercept else 0)
    root = [sqrt(v) for v in w]
    design = matrix(m, k)
    for i in range(m):
        for j in range(n):
            design[i, j] = root[i] * a[i, j]
        if intercept:
            design[i, n] = root[i]
    full = zeros(k, k)
    gram = penalty.T * penalty
    for i in range(n):
        for j in range(n):
            full[i, j] = lam * gram[i, j]
    inv = inverse(design.T * design + full)
    r = inv * design.T
    start = matrix(k, 1)
    for j in range(n):
        start[j] = x0[j]
    white = matrix([root[i] * b[i] for i in range(m)])
    theta = start + r * (white - design * start)
    # the constant is not penalised, so that its start does not matter
    return theta, r, inv, design, white, full, start


def dense_case(name, a, b, lam, w=None, penalty=None, x0=None, intercept=False, new_row=None):
    m, n = len(a), len(a[0])
    aa, bb = matrix(a), [mpf(v) for v in b]
    ww = [mpf(v) for v in (w or [1] * m)]
    ll = matrix(penalty) if penalty else eye(n)
    xx = [mpf(v) for v in (x0 or [0] * n)]
    lam = mpf(lam)
    theta, r, inv, design, white, full, start = solve_ridge(aa, bb, ww, lam, ll, xx, intercept)
    k = theta.rows
    hat = design * r
    residual = white - design * theta
    trace = sum(hat[i, i] for i in range(m))
    trace2 = sum(hat[i, j] ** 2 for i in range(m) for j in range(m))
    nu = m - 2 * trace + trace2
    rss = sum(v**2 for v in residual)
    sigma2 = rss / nu
    bias = -(inv * full * (theta - start))
    away = eye(m) - hat
    variance = away * away
    rows = []
    for i in range(m):
        keep = [j for j in range(m) if j != i]
        part = matrix([[aa[j, c] for c in range(n)] for j in keep])
        t, r_i, _, design_i, white_i, _, _ = solve_ridge(part, [bb[j] for j in keep], [ww[j] for j in keep], lam, ll, xx, intercept)
        hat_i = design_i * r_i
        tr_i = sum(hat_i[j, j] for j in range(m - 1))
        tr2_i = sum(hat_i[j, c] ** 2 for j in range(m - 1) for c in range(m - 1))
        res_i = white_i - design_i * t
        s_i = sqrt(sum(v**2 for v in res_i) / (m - 1 - 2 * tr_i + tr2_i))
        moved = design * (theta - t)
        error = white[i] - sum(design[i, c] * t[c] for c in range(k))
        rows.append(
            dict(
                leverage=hat[i, i],
                residual=residual[i] / sqrt(ww[i]),
                studentized=residual[i] / sqrt(sigma2 * variance[i, i]),
                external=residual[i] / (s_i * sqrt(variance[i, i])),
                left_out=error / sqrt(ww[i]),
                cooks=sum(v**2 for v in moved) / (trace * sigma2),
            )
        )
    hc = []
    factors = [lambda h: 1, lambda h: mpf(m) / nu, lambda h: 1 / (1 - h), lambda h: 1 / (1 - h) ** 2]
    for factor in factors:
        omega = diag([factor(hat[i, i]) * residual[i] ** 2 for i in range(m)])
        cov = r * omega * r.T
        hc.append([sqrt(cov[j, j]) for j in range(k)])
    sandwich = r * r.T
    new = matrix((new_row or [mpf(1) / (j + 1) for j in range(n)]) + ([1] if intercept else []))
    value = (new.T * theta)[0]
    mean = [sum(ww[i] * aa[i, j] for i in range(m)) / sum(ww) if intercept else mpf(0) for j in range(n)]
    vif = [sandwich[j, j] * sum(ww[i] * (aa[i, j] - mean[j]) ** 2 for i in range(m)) for j in range(n)]
    centre = sum(ww[i] * bb[i] for i in range(m)) / sum(ww) if intercept else mpf(0)
    total = sum(ww[i] * (bb[i] - centre) ** 2 for i in range(m))
    case = dict(
        name=name,
        a=a,
        b=b,
        weights=w,
        penalty=penalty,
        prior_mean=x0,
        intercept=intercept,
        lam=lam,
        theta=list(theta),
        standard_errors=[sqrt(sigma2 * sandwich[j, j]) for j in range(k)],
        posterior=[sqrt(sigma2 * inv[j, j]) for j in range(k)],
        bias=list(bias),
        vif=vif,
        hc=hc,
        dof=trace,
        residual_dof=nu,
        sigma=sqrt(sigma2),
        r_squared=1 - rss / total,
        r_squared_predicted=1 - sum(ww[i] * rows[i]["left_out"] ** 2 for i in range(m)) / total,
        new_row=list(new)[:n],
        prediction=[value, sqrt(sigma2 * (new.T * sandwich * new)[0]), sqrt(sigma2 * (new.T * inv * new)[0])],
        rows={key: [row[key] for row in rows] for key in rows[0]},
    )
    return plain(case)


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return float(value) if isinstance(value, mpf) else value


def numbers(m, n, seed):
    # reproducible in any language and short in the file
    state = seed
    out = []
    for _ in range(m):
        row = []
        for _ in range(n):
            state = (state * 1103515245 + 12345) % 2**31
            row.append(round((state >> 8) / 2**23 * 4 - 2, 3))
        out.append(row)
    return out


second = lambda n: [[1.0 if j == i else -2.0 if j == i + 1 else 1.0 if j == i + 2 else 0.0 for j in range(n)] for i in range(n - 2)]
names, x, y = prostate()
_, lx, ly = longley()
weights = np.round(0.5 + (np.arange(97) % 7) / 3, 3)
tall_a, tall_b = numbers(14, 4, 1), [row[0] for row in numbers(14, 1, 2)]
wide_a, wide_b = numbers(6, 10, 3), [row[0] for row in numbers(6, 1, 4)]
w14 = [round(0.3 + (i % 5) * 0.6, 2) for i in range(14)]
w6 = [1.0, 2.5, 0.4, 3.0, 0.7, 1.3]
json.dump(
    dict(
        statsmodels=[
            statsmodels_case("prostate", x, y),
            statsmodels_case("longley", lx, ly),
            statsmodels_case("weighted prostate", x, y, weights),
        ],
        dense=[
            dense_case("ridge", tall_a, tall_b, "0.8"),
            dense_case("least squares", tall_a, tall_b, "0", intercept=True),
            dense_case("weights and intercept", tall_a, tall_b, "1.7", w=w14, intercept=True),
            dense_case("second difference, prior mean", tall_a, tall_b, "3.1", penalty=second(4), x0=[1.0, -0.5, 0.25, 2.0], w=w14),
            dense_case("more unknowns than rows", wide_a, wide_b, "2.2"),
            dense_case("the same with all options", wide_a, wide_b, "0.6", w=w6, intercept=True, x0=[0.1 * j for j in range(10)], penalty=[[0.5 + 0.25 * i if i == j else 0.0 for j in range(10)] for i in range(10)]),
            dense_case("more unknowns than rows, differences", wide_a, wide_b, "1.1", penalty=second(10), intercept=True),
            dense_case("small λ", tall_a, tall_b, "1e-9", w=w14, intercept=True),
        ],
    ),
    open("inference.json", "w"),
    separators=(",", ":"),
)
