#!/usr/bin/env python3
"""High-precision reference solutions for regularised least squares.

    minimise   (A x + c - b)^H W (A x + c - b)  +  lambda * R(x - x0)

with R(x) = |L x|^2, an optional unpenalised intercept c, row weights W and a
prior mean x0.  Every input is a binary64 number, taken as exact; everything
is computed with 100 significant digits and rounded once, at the end.

    python testdata/oracle.py

rewrites the *.toml files beside this script.  It needs mpmath only, reads
only this folder, and draws its random numbers from a fixed integer generator,
so the output is the same everywhere.  The schema is in README.md.

The method shares nothing with a QR or SVD code in working precision: the
normal equations, which 100 digits make harmless (a condition number of 1e20
costs 40 digits), and their Hermitian eigendecomposition, cut at 1e-60.
"""

import math
import os
import sys

import mpmath
from mpmath import mp, mpc, mpf

mp.dps = 100
HERE = os.path.dirname(os.path.abspath(__file__))

# Relative level below which an eigenvalue of a Gram matrix counts as zero.
# Exact zeros come out near 1e-98, the smallest genuine ones near 1e-45.
CUT = mpf(10) ** -60
# Relative level below which a computed quantity is written as an exact zero.
CLEAN = mpf(10) ** -45


# --------------------------------------------------------------------------
# Small dense linear algebra on lists of rows
# --------------------------------------------------------------------------

def conj(z):
    return mp.conj(z)


def abs2(z):
    return z.real * z.real + z.imag * z.imag if isinstance(z, mpc) else z * z


def matvec(a, x):
    return [mp.fdot(row, x) for row in a]


def herm_matvec(a, y, n):
    """A^H y for a matrix with n columns."""
    return [mp.fdot([conj(row[j]) for row in a], y) for j in range(n)]


def gram(a, n, w=None):
    """A^H diag(w) A."""
    cols = [[row[j] for row in a] for j in range(n)]
    left = [[conj(z) for z in col] for col in cols]
    if w is not None:
        left = [[z * wi for z, wi in zip(col, w)] for col in left]
    g = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            g[i][j] = mp.fdot(left[i], cols[j]) if a else mpf(0)
            g[j][i] = conj(g[i][j])
        g[i][i] = g[i][i].real
    return g


def eigh(g):
    """Eigenvalues (ascending) and a list of eigenvectors of a Hermitian matrix."""
    n = len(g)
    if n == 1:
        return [mpf(g[0][0].real)], [[mpf(1)]]
    is_complex = any(isinstance(z, mpc) and z.imag != 0 for row in g for z in row)
    if is_complex:
        e, q = mp.eighe(mp.matrix(g))
    else:
        e, q = mp.eigsy(mp.matrix([[mpf(z.real) for z in row] for row in g]))
    order = sorted(range(n), key=lambda k: e[k])
    return [e[k] for k in order], [[q[i, k] for i in range(n)] for k in order]


def norm2(v):
    return mp.fsum(abs2(z) for z in v)


def norm(v):
    return mp.sqrt(norm2(v))


# --------------------------------------------------------------------------
# Inputs: a fixed generator, problem matrices, all rounded to binary64
# --------------------------------------------------------------------------

class Rng:
    """splitmix64; uniform numbers with 53 bits in (-1, 1)."""

    def __init__(self, seed):
        self.s = seed & (2 ** 64 - 1)

    def bits(self):
        self.s = (self.s + 0x9E3779B97F4A7C15) & (2 ** 64 - 1)
        z = self.s
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2 ** 64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2 ** 64 - 1)
        return z ^ (z >> 31)

    def uniform(self):
        return ((self.bits() >> 11) - 2 ** 52) / 2 ** 52

    def positive(self, lo, hi):
        return lo + (hi - lo) * (self.uniform() + 1) / 2

    def normal(self):
        """Roughly normal (sum of three uniforms, variance 1); no libm call."""
        return self.uniform() + self.uniform() + self.uniform()

    def integer(self, lo, hi):
        return lo + self.bits() % (hi - lo + 1)

    def matrix(self, m, n):
        return [[self.normal() for _ in range(n)] for _ in range(m)]

    def cmatrix(self, m, n):
        return [[complex(self.normal(), self.normal()) for _ in range(n)] for _ in range(m)]

    def vector(self, m):
        return [self.normal() for _ in range(m)]

    def cvector(self, m):
        return [complex(self.normal(), self.normal()) for _ in range(m)]

    def integers(self, m, n, lo, hi):
        return [[float(self.integer(lo, hi)) for _ in range(n)] for _ in range(m)]


def product(p, q):
    """Product of two matrices of small integers, exact in binary64."""
    return [[float(sum(row[k] * q[k][j] for k in range(len(q)))) for j in range(len(q[0]))]
            for row in p]


def rounded(rows):
    """High-precision matrix to the nearest binary64 matrix."""
    return [[float(z) for z in row] for row in rows]


def hilbert(m, n):
    return [[1.0 / (i + j + 1) for j in range(n)] for i in range(m)]


def vandermonde(points, n):
    return [[float(mpf(t) ** j) for j in range(n)] for t in points]


def shaw(n):
    """One-dimensional image restoration (Shaw 1972), midpoint rule."""
    h = mp.pi / n
    pts = [-mp.pi / 2 + (i + mpf(1) / 2) * h for i in range(n)]
    def kernel(s, t):
        u = mp.pi * (mp.sin(s) + mp.sin(t))
        v = mpf(1) if abs(u) < mpf(10) ** -80 else (mp.sin(u) / u) ** 2
        return h * (mp.cos(s) + mp.cos(t)) ** 2 * v
    a = rounded([[kernel(s, t) for t in pts] for s in pts])
    x = [2 * mp.exp(-6 * (t - mpf('0.8')) ** 2) + mp.exp(-2 * (t + mpf('0.5')) ** 2) for t in pts]
    return a, [float(z) for z in x]


def phillips_like(n):
    """Phillips' cosine kernel on [-6, 6] by the midpoint rule."""
    h = mpf(12) / n
    pts = [-6 + (i + mpf(1) / 2) * h for i in range(n)]
    def phi(t):
        return 1 + mp.cos(mp.pi * t / 3) if abs(t) < 3 else mpf(0)
    return rounded([[h * phi(s - t) for t in pts] for s in pts]), [float(phi(t)) for t in pts]


def blur(m, n, width):
    """Gaussian blur sampled at m points of n cells."""
    return rounded([[mp.exp(-((mpf(i) / (m - 1) - mpf(j) / (n - 1)) / mpf(width)) ** 2 / 2)
                     for j in range(n)] for i in range(m)])


def apply_float(a, x, noise=None):
    """A x (+ noise), rounded to binary64."""
    y = matvec(to_mp(a), [num(z) for z in x])
    if noise is not None:
        y = [s + num(e) for s, e in zip(y, noise)]
    return [complex(z) if isinstance(z, mpc) else float(z) for z in y]


def num(z):
    return mpc(z.real, z.imag) if isinstance(z, complex) else mpf(z)


def to_mp(a):
    return [[num(z) for z in row] for row in a]


# --------------------------------------------------------------------------
# Penalties: a description (as in the toml files) to the stacked matrix L
# --------------------------------------------------------------------------

def identity():
    return {'kind': 'identity'}


def diagonal(w):
    return {'kind': 'diagonal', 'weights': [float(z) for z in w]}


def first():
    return {'kind': 'first_difference'}


def second():
    return {'kind': 'second_difference'}


def dense(l, kind='matrix'):
    return {'kind': kind, 'matrix': l}


def total(*terms):
    return {'kind': 'sum', 'terms': [(float(w), t) for w, t in terms]}


def penalty_rows(p, n):
    """Rows of L with R(x) = |L x|^2."""
    kind = p['kind']
    zero = mpf(0)
    if kind == 'identity':
        return [[mpf(i == j) for j in range(n)] for i in range(n)]
    if kind == 'diagonal':
        assert len(p['weights']) == n
        return [[mpf(p['weights'][i]) if i == j else zero for j in range(n)] for i in range(n)]
    if kind in ('first_difference', 'second_difference'):
        s = [-1, 1] if kind == 'first_difference' else [1, -2, 1]
        return [[mpf(s[j - i]) if 0 <= j - i < len(s) else zero for j in range(n)]
                for i in range(n - len(s) + 1)]
    if kind in ('matrix', 'gamma'):
        assert all(len(row) == n for row in p['matrix'])
        return to_mp(p['matrix'])
    if kind == 'sum':
        rows = []
        for w, t in p['terms']:
            rows += [[mp.sqrt(mpf(w)) * z for z in row] for row in penalty_rows(t, n)]
        return rows
    raise ValueError(kind)


# --------------------------------------------------------------------------
# One problem, whitened and with the intercept projected out
# --------------------------------------------------------------------------

class Problem:
    """The data of a case in high precision.

    a, b: whitened, intercept projected out, b shifted by the prior mean.
    """

    def __init__(self, case):
        self.case = case
        self.m = m = len(case['a'])
        self.n = n = len(case['a'][0])
        self.a_raw = to_mp(case['a'])
        self.b_raw = [num(z) for z in case['b']]
        assert len(self.b_raw) == m and all(len(r) == n for r in self.a_raw)
        self.x0 = [num(z) for z in case.get('prior', [0.0] * n)]
        w = [mpf(z) for z in case.get('weights', [1.0] * m)]
        if 'noise_std' in case:
            w = [z / mpf(s) ** 2 for z, s in zip(w, case['noise_std'])]
        self.w = w
        self.intercept = bool(case.get('intercept', False))
        shifted = [z - y for z, y in zip(self.b_raw, matvec(self.a_raw, self.x0))]
        a, b = self.a_raw, shifted
        if self.intercept:
            s = mp.fsum(w)
            mean = [mp.fdot(w, [row[j] for row in a]) / s for j in range(n)]
            mean_b = mp.fdot(w, b) / s
            a = [[z - c for z, c in zip(row, mean)] for row in a]
            b = [z - mean_b for z in b]
            self.h0 = [wi / s for wi in w]
        else:
            self.h0 = [mpf(0)] * m
        root = [mp.sqrt(wi) for wi in w]
        self.a = [[z * r for z in row] for row, r in zip(a, root)]
        self.b = [z * r for z, r in zip(b, root)]
        self.l = penalty_rows(case['penalty'], n)
        self.ata = gram(self.a, n)
        self.ltl = gram(self.l, n)
        self.atb = herm_matvec(self.a, self.b, n)

    def solve(self, lam):
        """Minimum-norm minimiser and everything the toml files record."""
        n, lam = self.n, mpf(lam)
        g = [[p + lam * q for p, q in zip(r, s)] for r, s in zip(self.ata, self.ltl)]
        e, v = eigh(g)
        top = e[-1]
        keep = [k for k in range(n) if top > 0 and e[k] > CUT * top]
        x = [mpf(0)] * n
        dof = mpf(1) if self.intercept else mpf(0)
        for k in keep:
            c = mp.fdot([conj(z) for z in v[k]], self.atb) / e[k]
            x = [xi + c * z for xi, z in zip(x, v[k])]
            dof += norm2(matvec(self.a, v[k])) / e[k]
        # The eigendecomposition is checked against the normal equations.
        grad = [p - q for p, q in zip(matvec(g, x), self.atb)]
        scale = norm(self.atb) + top * norm(x)
        assert norm(grad) <= mpf(10) ** -50 * scale or scale == 0
        ax = matvec(self.a, x)
        r = [p - q for p, q in zip(self.b, ax)]
        rn = norm(r)
        if rn < CLEAN * norm(self.b):
            rn = mpf(0)
        pn = norm(matvec(self.l, x)) if self.l else mpf(0)
        if pn < CLEAN * mp.sqrt(max([self.ltl[j][j] for j in range(n)])) * norm(x):
            pn = mpf(0)
        full = [p + q for p, q in zip(x, self.x0)]
        size = norm(full)
        full = [clean(z, size) for z in full]
        out = {
            'x': full, 'residual_norm': rn, 'penalty_norm': pn, 'dof': dof,
            'rank': len(keep), 'minimum_norm': len(keep) < n,
            'condition': mp.sqrt(top / e[keep[0]]) if keep else mpf(0),
            'stacked_norm': mp.sqrt(top) if keep else mpf(0),
        }
        if self.intercept:
            fit = matvec(self.a_raw, full)
            d = [p - q for p, q in zip(self.b_raw, fit)]
            c = mp.fdot(self.w, d) / mp.fsum(self.w)
            out['intercept_value'] = clean(c, norm(self.b_raw))
        return out


def clean(z, size):
    """Replace rounding dust of the 100-digit computation by exact zeros."""
    if isinstance(z, mpc):
        return mpc(clean(z.real, size), clean(z.imag, size))
    return mpf(0) if abs(z) < CLEAN * size else z


# --------------------------------------------------------------------------
# The pencil (A^H W A, L^H L), and criteria as scalar sums
# --------------------------------------------------------------------------

class Pencil:
    """Simultaneous diagonalisation; mode i has a_i = |A z_i|^2, k_i = |L z_i|^2.

    With t = log(lambda):  phi = a/(a + lambda k),  d phi/dt = -phi (1 - phi).
    """

    def __init__(self, problem):
        p = self.p = problem
        n = p.n
        sa = mp.fsum(p.ata[j][j].real for j in range(n))
        sk = mp.fsum(p.ltl[j][j].real for j in range(n))
        g = [[x / sa + y / sk for x, y in zip(r, s)] for r, s in zip(p.ata, p.ltl)]
        e, v = eigh(g)
        basis = [[z / mp.sqrt(e[k]) for z in v[k]] for k in range(n) if e[k] > CUT * e[-1]]
        images = [matvec(p.a, z) for z in basis]
        d = len(basis)
        s = [[mp.fdot([conj(z) for z in images[i]], images[j]) / sa for j in range(d)]
             for i in range(d)]
        for i in range(d):
            s[i][i] = s[i][i].real
        c, q = eigh(s)
        self.m = p.m
        self.intercept = 1 if p.intercept else 0
        self.a, self.k, self.u, self.beta, self.eta = [], [], [], [], []
        for c2, vec in zip(c, q):
            z = [mp.fdot(vec, [basis[i][j] for i in range(d)]) for j in range(n)]
            az = matvec(p.a, z)
            a = norm2(az)
            k = norm2(matvec(p.l, z))
            # Structural zeros: invisible to A, or not penalised.
            if a < CUT * sa:
                continue
            if k < CUT * sk:
                k = mpf(0)
            root = mp.sqrt(a)
            u = [t / root for t in az]
            self.a.append(a)
            self.k.append(k)
            self.u.append(u)
            self.beta.append(mp.fdot([conj(t) for t in u], p.b))
        self.beta2 = [abs2(z) for z in self.beta]
        self.size = len(self.a)
        perp = list(p.b)
        for bt, u in zip(self.beta, self.u):
            perp = [x - bt * y for x, y in zip(perp, u)]
        self.perp = perp
        self.delta0 = norm2(perp)
        if self.delta0 < CUT * norm2(p.b):
            self.delta0 = mpf(0)
        self.penalised = [i for i in range(self.size) if self.k[i] > 0]
        self.unpenalised = self.size - len(self.penalised) + self.intercept
        self.sigma1_squared = max(self.a[i] / self.k[i] for i in self.penalised)
        self.u2 = [[abs2(t) for t in u] for u in self.u]
        self.u2_rows = [list(r) for r in zip(*self.u2)]
        self.ub_rows = [list(r) for r in zip(*[[bt * t for t in u]
                                              for bt, u in zip(self.beta, self.u)])]

    def filters(self, t):
        lam = mp.exp(t)
        phi = [a / (a + lam * k) for a, k in zip(self.a, self.k)]
        f = [lam * k / (a + lam * k) for a, k in zip(self.a, self.k)]
        return lam, phi, f

    def rho(self, t):
        _, _, f = self.filters(t)
        return self.delta0 + mp.fsum(x * x * b for x, b in zip(f, self.beta2))

    def curve(self, t):
        """Everything at one lambda: values and derivatives with respect to t."""
        m = self.m
        lam, phi, f = self.filters(t)
        rho = self.delta0 + mp.fsum(x * x * b for x, b in zip(f, self.beta2))
        drho = 2 * mp.fsum(x * x * y * b for x, y, b in zip(f, phi, self.beta2))
        tr = (m - self.intercept - self.size) + mp.fsum(f)
        dtr = mp.fsum(x * y for x, y in zip(f, phi))
        # |L x|^2: coordinates of x are phi * beta / sqrt(a), with |L z|^2 = k.
        eta = mp.fsum(y * y * b * k / a for y, b, k, a in zip(phi, self.beta2, self.k, self.a))
        h2 = self.intercept + mp.fsum(y * y for y in phi)
        dh2 = -2 * mp.fsum(y * y * x for x, y in zip(f, phi))
        gcv = m * rho / tr ** 2
        dlog = drho / rho - 2 * dtr / tr
        # Restricted likelihood (scaled): (m-q) log(rho + lambda eta) - sum log f
        q = rho + lam * eta
        dq = mp.fsum(x * y * b for x, y, b in zip(f, phi, self.beta2))
        dof_free = m - self.unpenalised
        reml = dof_free * mp.log(q) - mp.fsum(mp.log(f[i]) for i in self.penalised)
        dreml = dof_free * dq / q - mp.fsum(phi[i] for i in self.penalised)
        return {'lam': lam, 'rho': rho, 'eta': eta, 'dof': m - tr, 'h2': h2, 'dh2': dh2,
                'tr': tr, 'gcv': gcv, 'dlog': dlog, 'reml': reml, 'dreml': dreml}

    def loo(self, t):
        """sum |r_i / (1 - h_ii)|^2 and its derivative in t, divided by the value."""
        _, phi, f = self.filters(t)
        fp = [x * y for x, y in zip(f, phi)]
        value, slope = mpf(0), mpf(0)
        for i in range(self.m):
            r = self.perp[i] + mp.fdot(f, self.ub_rows[i])
            dr = mp.fdot(fp, self.ub_rows[i])
            # 1 - h without cancellation for small lambda would need the
            # complement; 100 digits make the direct form safe.
            d = 1 - self.p.h0[i] - mp.fdot(phi, self.u2_rows[i])
            dd = mp.fdot(fp, self.u2_rows[i])
            value += abs2(r) / d ** 2
            slope += 2 * (conj(r) * dr).real / d ** 2 - 2 * abs2(r) * dd / d ** 3
        return value, slope / value

    def minima(self, slope, low=-18, high=4, per_decade=12):
        """All interior local minima of a criterion, from its slope in t."""
        base = mp.log(self.sigma1_squared)
        ten = mp.log(10)
        steps = int(mp.ceil((high - low) * per_decade))
        grid = [base + ten * (low + (high - low) * mpf(i) / steps) for i in range(steps + 1)]
        old = slope(grid[0])
        found = []
        for i in range(1, len(grid)):
            new = slope(grid[i])
            if old < 0 <= new:
                found.append(root(slope, grid[i - 1], grid[i]))
            old = new
        return found


def root(f, lo, hi, digits=45):
    """Sign change of f in [lo, hi]: bisection safeguarding secant steps (Illinois)."""
    flo, fhi = f(lo), f(hi)
    side = 0
    tol = mpf(10) ** -digits * (1 + abs(hi))
    for _ in range(400):
        if abs(hi - lo) <= tol or fhi == flo:
            break
        mid = hi - fhi * (hi - lo) / (fhi - flo)
        fm = f(mid)
        if fm == 0:
            return mid
        if (fm > 0) == (fhi > 0):
            if abs(mid - hi) <= tol:
                return mid
            hi, fhi = mid, fm
            if side == 1:
                flo /= 2
            side = 1
        else:
            if abs(mid - lo) <= tol:
                return mid
            lo, flo = mid, fm
            if side == -1:
                fhi /= 2
            side = -1
    return (lo + hi) / 2


# --------------------------------------------------------------------------
# Writing toml
# --------------------------------------------------------------------------

def fl(z):
    return repr(float(z))


def arr(v):
    return '[' + ', '.join(fl(z) for z in v) + ']'


def parts(v):
    re = [z.real for z in v]
    im = [z.imag if isinstance(z, (complex, mpc)) else 0.0 for z in v]
    return re, im


def is_complex(case):
    return any(isinstance(z, complex) for row in case['a'] for z in row)


def vec(out, key, v, cplx):
    re, im = parts(v)
    out.append('%s = %s' % (key, arr(re)))
    if cplx:
        out.append('%s_imag = %s' % (key, arr(im)))


def penalty_text(p):
    kind = p['kind']
    body = 'kind = "%s"' % kind
    if kind == 'diagonal':
        body += ', weights = ' + arr(p['weights'])
    elif kind in ('matrix', 'gamma'):
        flat = [z for row in p['matrix'] for z in row]
        re, im = parts(flat)
        body += ', rows = %d, l = %s' % (len(p['matrix']), arr(re))
        if any(isinstance(z, complex) for z in flat):
            body += ', l_imag = ' + arr(im)
    elif kind == 'sum':
        body += ', terms = [' + ', '.join(
            '{ weight = %s, %s }' % (fl(w), penalty_text(t)[2:-2]) for w, t in p['terms']) + ']'
    return '{ ' + body + ' }'


def problem_text(case, header):
    cplx = is_complex(case)
    out = ['[[%s]]' % header, 'name = "%s"' % case['name'],
           'scalar = "%s"' % ('c64' if cplx else 'f64'),
           'rows = %d' % len(case['a']), 'columns = %d' % len(case['a'][0])]
    vec(out, 'a', [z for row in case['a'] for z in row], cplx)
    vec(out, 'b', case['b'], cplx)
    if 'lambda' in case:
        out.append('lambda = ' + fl(case['lambda']))
    if 'weights' in case:
        out.append('weights = ' + arr(case['weights']))
    if 'noise_std' in case:
        out.append('noise_std = ' + arr(case['noise_std']))
    if 'prior' in case:
        vec(out, 'prior_mean', case['prior'], cplx)
    if case.get('intercept'):
        out.append('intercept = true')
    out.append('penalty = ' + penalty_text(case['penalty']))
    return out, cplx


def case_text(case):
    out, cplx = problem_text(case, 'case')
    s = Problem(case).solve(case['lambda'])
    vec(out, 'x', s['x'], cplx)
    if 'intercept_value' in s:
        c = s['intercept_value']
        out.append('intercept_value = ' + fl(c.real))
        if cplx:
            out.append('intercept_value_imag = ' + fl(c.imag))
    out.append('x_norm = ' + fl(norm(s['x'])))
    out.append('residual_norm = ' + fl(s['residual_norm']))
    out.append('penalty_norm = ' + fl(s['penalty_norm']))
    out.append('dof = ' + fl(s['dof']))
    out.append('rank = %d' % s['rank'])
    out.append('minimum_norm = ' + ('true' if s['minimum_norm'] else 'false'))
    out.append('condition = ' + fl(s['condition']))
    out.append('stacked_norm = ' + fl(s['stacked_norm']))
    return '\n'.join(out) + '\n'


HEAD = '# Written by oracle.py; do not edit. Schema: README.md.\n\n'


def write(name, text):
    with open(os.path.join(HERE, name), 'w', newline='\n') as f:
        f.write(HEAD + text)


# --------------------------------------------------------------------------
# Cases with a given lambda
# --------------------------------------------------------------------------

def all_cases():
    """Dictionary: file name -> list of cases."""
    files = {}

    def add(file, name, a, b, lam, penalty=None, **more):
        files.setdefault(file, []).append(
            dict(name=name, a=a, b=b, penalty=penalty or identity(), **{'lambda': float(lam)}, **more))

    # tall
    r = Rng(101)
    a, b = r.matrix(12, 5), r.vector(12)
    for tag, lam in [('zero', 0), ('tiny', 1e-12), ('moderate', 0.7), ('large', 300.0), ('huge', 1e18)]:
        add('tall', 'tall_12x5_' + tag, a, b, lam)
    a, b = r.matrix(30, 20), r.vector(30)
    add('tall', 'tall_30x20_zero', a, b, 0)
    add('tall', 'tall_30x20_moderate', a, b, 2.5)
    add('tall', 'single_column_zero', r.matrix(7, 1), r.vector(7), 0)
    add('tall', 'single_column_ridge', r.matrix(7, 1), r.vector(7), 1.25)
    a = r.integers(9, 4, -5, 5)
    add('tall', 'tall_consistent_zero', a, apply_float(a, [1.0, -2.0, 3.0, 0.5]), 0)
    add('tall', 'tall_zero_rhs', a, [0.0] * 9, 0.5)
    points = [-1.0 + 0.125 * i for i in range(17)]
    b = r.vector(17)
    a = vandermonde(points, 8)
    add('tall', 'vandermonde_17x8_zero', a, b, 0)
    add('tall', 'vandermonde_17x8_small', a, b, 1e-6)
    add('tall', 'vandermonde_21x7_raw', vandermonde([float(i) for i in range(21)], 7),
        r.vector(21), 0)
    signs = [1.0 if i % 2 == 0 else -1.0 for i in range(10)]
    a = hilbert(10, 8)
    add('tall', 'hilbert_10x8_zero', a, signs, 0)
    add('tall', 'hilbert_10x8_tiny', a, signs, 1e-14)
    add('tall', 'hilbert_10x8_gcv', a, signs, 2.96798)

    # wide
    r = Rng(102)
    a, b = r.matrix(6, 14), r.vector(6)
    for tag, lam in [('zero', 0), ('tiny', 1e-10), ('moderate', 0.3), ('huge', 1e12)]:
        add('wide', 'wide_6x14_' + tag, a, b, lam)
    add('wide', 'wide_15x28_moderate', r.matrix(15, 28), r.vector(15), 1.5)
    a, b = r.matrix(1, 6), r.vector(1)
    add('wide', 'single_row_zero', a, b, 0)
    add('wide', 'single_row_ridge', a, b, 0.4)
    add('wide', 'wide_hilbert_6x12', hilbert(6, 12), r.vector(6), 1e-8)

    # square
    r = Rng(103)
    add('square', 'one_by_one_zero', [[3.0]], [2.0], 0)
    add('square', 'one_by_one_ridge', [[3.0]], [2.0], 0.1)
    add('square', 'one_by_one_null', [[0.0]], [2.0], 0)
    add('square', 'one_by_one_null_ridge', [[0.0]], [2.0], 1.0)
    a, b = r.matrix(8, 8), r.vector(8)
    for tag, lam in [('zero', 0), ('moderate', 0.9), ('huge', 1e9)]:
        add('square', 'square_8x8_' + tag, a, b, lam)
    a, b = hilbert(6, 6), r.vector(6)
    add('square', 'hilbert_6x6_zero', a, b, 0)
    add('square', 'hilbert_6x6_small', a, b, 1e-9)
    a, x = shaw(16)
    add('square', 'shaw_16_small', a, apply_float(a, x, [1e-3 * z for z in r.vector(16)]), 1e-5)
    a, x = phillips_like(16)
    add('square', 'phillips_16_moderate', a, apply_float(a, x, [1e-2 * z for z in r.vector(16)]), 0.05)

    # deficient: exact rank loss
    r = Rng(104)
    a, b = r.matrix(9, 5), r.vector(9)
    a = [row[:4] + [row[1]] for row in a]
    for tag, lam in [('zero', 0), ('tiny', 1e-10), ('moderate', 0.5)]:
        add('deficient', 'duplicate_column_' + tag, a, b, lam)
    a = [row[:2] + [0.0] + row[3:] for row in r.matrix(8, 5)]
    b = r.vector(8)
    add('deficient', 'zero_column_zero', a, b, 0)
    add('deficient', 'zero_column_moderate', a, b, 0.5)
    a = product(r.integers(12, 3, -4, 4), r.integers(3, 7, -4, 4))
    b = r.vector(12)
    add('deficient', 'rank3_12x7_zero', a, b, 0)
    add('deficient', 'rank3_12x7_tiny', a, b, 1e-9)
    add('deficient', 'rank3_12x7_moderate', a, b, 10.0)
    a = product(r.integers(5, 2, -4, 4), r.integers(2, 11, -4, 4))
    b = r.vector(5)
    add('deficient', 'rank2_5x11_zero', a, b, 0)
    add('deficient', 'rank2_5x11_moderate', a, b, 3.0)
    add('deficient', 'rank2_5x11_prior_zero', a, b, 0, prior=r.vector(11))
    a = product(r.integers(20, 9, -3, 3), r.integers(9, 16, -3, 3))
    add('deficient', 'rank9_20x16_zero', a, r.vector(20), 0)
    a = [[0.0] * 4 for _ in range(5)]
    add('deficient', 'all_zero_zero', a, r.vector(5), 0)
    add('deficient', 'all_zero_ridge', a, r.vector(5), 2.0)
    # rank-deficient L and a null space common to A and L
    a = [row + [row[1]] for row in r.matrix(8, 4)]
    b = r.vector(8)
    # L sees x_1 + x_4 only, as A does, so (0, 1, 0, 0, -1) is invisible.
    l = [[1.0, 2.0, 0.0, -1.0, 2.0], [0.0, 1.0, 1.0, 0.0, 1.0]]
    add('deficient', 'common_null_matrix', a, b, 0.8, dense(l))
    add('deficient', 'common_null_matrix_zero', a, b, 0, dense(l))
    add('deficient', 'common_null_matrix_prior', a, b, 0.8, dense(l), prior=r.vector(5))
    a = [row[:3] + [0.0] + row[4:] for row in r.matrix(7, 5)]
    add('deficient', 'common_null_diagonal', a, r.vector(7), 1.5, diagonal([1.0, 0.0, 2.0, 0.0, 0.5]))
    # Rows of A and of the first difference both vanish on constants.
    a = [[row[0], row[1] - row[0], row[2] - row[1], -row[2]] for row in r.integers(6, 3, -6, 6)]
    add('deficient', 'common_null_first_difference', a, r.vector(6), 0.25, first())
    add('deficient', 'common_null_first_difference_prior', a, r.vector(6), 0.25, first(),
        prior=[1.0, -2.0, 0.5, 4.0])
    add('deficient', 'duplicate_column_gamma', [row + [row[0]] for row in r.matrix(6, 3)],
        r.vector(6), 1.0, dense([[1.0, 0.0, 0.0, 1.0], [0.0, 2.0, -1.0, 0.0]], 'gamma'))

    # graded
    r = Rng(105)
    up = [1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6]
    a = [[z * s for z, s in zip(row, up)] for row in r.matrix(14, 7)]
    b = r.vector(14)
    for tag, lam in [('zero', 0), ('tiny', 1e-14), ('moderate', 1.0), ('huge', 1e10)]:
        add('graded', 'graded_columns_up_' + tag, a, b, lam)
    a = [[z * s for z, s in zip(row, up[::-1])] for row in r.matrix(14, 7)]
    add('graded', 'graded_columns_down_zero', a, b, 0)
    add('graded', 'graded_columns_down_small', a, b, 1e-3)
    scale = [10.0 ** (k - 6) for k in range(13)]
    a, b = r.matrix(13, 4), r.vector(13)
    for tag, s in [('up', scale), ('down', scale[::-1])]:
        add('graded', 'graded_rows_%s_zero' % tag, [[z * t for z in row] for row, t in zip(a, s)],
            [z * t for z, t in zip(b, s)], 0)
    add('graded', 'graded_rows_up_moderate', [[z * t for z in row] for row, t in zip(a, scale)],
        [z * t for z, t in zip(b, scale)], 1e4)
    a, b = r.matrix(8, 3), r.vector(8)
    add('graded', 'scale_1e100', [[z * 1e100 for z in row] for row in a], b, 1e200)
    add('graded', 'scale_1e-100', [[z * 1e-100 for z in row] for row in a], b, 1e-200)
    add('graded', 'scale_1e160_zero', [[z * 1e160 for z in row] for row in a],
        [z * 1e160 for z in b], 0)
    add('graded', 'scale_1e-160_zero', [[z * 1e-160 for z in row] for row in a],
        [z * 1e-160 for z in b], 0)
    add('graded', 'graded_diagonal_penalty', a, b, 1.0, diagonal([1e-5, 1.0, 1e5]))

    # complex
    r = Rng(106)
    a, b = r.cmatrix(9, 5), r.cvector(9)
    for tag, lam in [('zero', 0), ('moderate', 1.1), ('huge', 1e8)]:
        add('complex', 'complex_tall_9x5_' + tag, a, b, lam)
    a, b = r.cmatrix(4, 8), r.cvector(4)
    add('complex', 'complex_wide_4x8_zero', a, b, 0)
    add('complex', 'complex_wide_4x8_moderate', a, b, 0.6)
    add('complex', 'complex_square_6x6', r.cmatrix(6, 6), r.cvector(6), 0.01)
    add('complex', 'complex_one_by_one', [[3.0 + 4.0j]], [1.0 - 2.0j], 0.5)
    a = [row + [row[0] * 1j] for row in r.cmatrix(7, 3)]
    b = r.cvector(7)
    add('complex', 'complex_deficient_zero', a, b, 0)
    add('complex', 'complex_deficient_moderate', a, b, 0.75)
    a, b = r.cmatrix(10, 6), r.cvector(10)
    add('complex', 'complex_second_difference', a, b, 2.0, second())
    add('complex', 'complex_weights_prior', a, b, 0.9, weights=[r.positive(0.1, 4) for _ in range(10)],
        prior=r.cvector(6))
    add('complex', 'complex_matrix_l', a, b, 1.3, dense(r.cmatrix(4, 6)))
    add('complex', 'complex_intercept', a, b, 0.7, intercept=True)
    add('complex', 'complex_intercept_weights', a, b, 0.7, intercept=True,
        weights=[r.positive(0.1, 4) for _ in range(10)])
    add('complex', 'complex_gamma', a, b, 1.0, dense(r.cmatrix(6, 6), 'gamma'))

    # weighted
    r = Rng(107)
    a, b = r.matrix(11, 4), r.vector(11)
    w = [r.positive(0.05, 5) for _ in range(11)]
    s = [r.positive(0.1, 2) for _ in range(11)]
    add('weighted', 'weights_zero', a, b, 0, weights=w)
    add('weighted', 'weights_moderate', a, b, 0.8, weights=w)
    add('weighted', 'noise_std_zero', a, b, 0, noise_std=s)
    add('weighted', 'noise_std_moderate', a, b, 1.0, noise_std=s)
    add('weighted', 'weights_and_noise_std', a, b, 1.0, weights=w, noise_std=s)
    add('weighted', 'weights_wild', a, b, 0.01, weights=[10.0 ** (k - 5) for k in range(11)])
    a, b = r.matrix(5, 9), r.vector(5)
    add('weighted', 'weights_wide_zero', a, b, 0, weights=[0.5, 2.0, 1.0, 8.0, 0.125])
    add('weighted', 'weights_wide_moderate', a, b, 0.2, weights=[0.5, 2.0, 1.0, 8.0, 0.125])
    a = product(r.integers(8, 2, -3, 3), r.integers(2, 4, -3, 3))
    add('weighted', 'weights_deficient_zero', a, r.vector(8), 0,
        weights=[float(1 + k % 3) for k in range(8)])

    # general L
    r = Rng(108)
    a, b = r.matrix(13, 6), r.vector(13)
    add('general_l', 'diagonal_tall', a, b, 0.6, diagonal([1.0, 2.0, 0.5, 4.0, 1.5, 0.25]))
    add('general_l', 'diagonal_zeros_tall', a, b, 0.6, diagonal([0.0, 2.0, 0.0, 4.0, 1.5, 0.25]))
    add('general_l', 'diagonal_zeros_huge', a, b, 1e10, diagonal([0.0, 2.0, 0.0, 4.0, 1.5, 0.25]))
    for kind, p in [('first', first()), ('second', second())]:
        add('general_l', kind + '_difference_moderate', a, b, 1.7, p)
        add('general_l', kind + '_difference_zero', a, b, 0, p)
        add('general_l', kind + '_difference_huge', a, b, 1e10, p)
    aw, bw = r.matrix(6, 12), r.vector(6)
    add('general_l', 'first_difference_wide', aw, bw, 0.05, first())
    add('general_l', 'second_difference_wide', aw, bw, 0.05, second())
    add('general_l', 'second_difference_wide_tiny', aw, bw, 1e-10, second())
    add('general_l', 'diagonal_zeros_wide', aw, bw, 0.3,
        diagonal([0.0, 1.0, 1.0, 2.0, 0.0, 1.0, 3.0, 1.0, 1.0, 0.5, 1.0, 1.0]))
    add('general_l', 'matrix_short', a, b, 0.9, dense(r.matrix(3, 6)))
    add('general_l', 'matrix_square', a, b, 0.9, dense(r.matrix(6, 6)))
    add('general_l', 'matrix_tall', a, b, 0.9, dense(r.matrix(10, 6)))
    add('general_l', 'matrix_short_wide', aw, bw, 0.9, dense(r.matrix(8, 12)))
    add('general_l', 'matrix_deficient', a, b, 0.9,
        dense(product(r.integers(7, 2, -3, 3), r.integers(2, 6, -3, 3))))
    add('general_l', 'matrix_single_row', a, b, 5.0, dense([[1.0] * 6]))
    add('general_l', 'gamma_square', a, b, 1.0, dense(r.matrix(6, 6), 'gamma'))
    add('general_l', 'gamma_short', a, b, 1.0, dense(r.matrix(2, 6), 'gamma'))
    add('general_l', 'gamma_tall_wide', aw, bw, 1.0, dense(r.matrix(14, 12), 'gamma'))
    add('general_l', 'sum_identity_second', a, b, 0.5, total((0.3, identity()), (2.0, second())))
    add('general_l', 'sum_two_matrices', a, b, 0.5,
        total((1.5, dense(r.matrix(2, 6))), (0.1, dense(r.matrix(3, 6)))))
    add('general_l', 'sum_diagonal_first_wide', aw, bw, 1.0,
        total((0.01, diagonal([1.0] * 6 + [0.0] * 6)), (0.2, first())))
    ab = blur(24, 20, 0.06)
    x = [1.0 if 6 <= j < 13 else 0.0 for j in range(20)]
    bb = apply_float(ab, x, [1e-2 * z for z in r.vector(24)])
    add('general_l', 'blur_24x20_second', ab, bb, 1e-3, second())
    add('general_l', 'blur_24x20_first', ab, bb, 1e-3, first())
    add('general_l', 'blur_24x20_weights', ab, bb, 1e-2, second(),
        weights=[r.positive(0.2, 3) for _ in range(24)])
    add('general_l', 'single_column_diagonal', r.matrix(5, 1), r.vector(5), 0.7, diagonal([3.0]))

    # prior mean
    r = Rng(109)
    a, b, x0 = r.matrix(10, 5), r.vector(10), r.vector(5)
    for tag, lam in [('zero', 0), ('moderate', 1.4), ('huge', 1e12)]:
        add('prior', 'prior_tall_' + tag, a, b, lam, prior=x0)
    aw, bw, xw = r.matrix(4, 9), r.vector(4), r.vector(9)
    add('prior', 'prior_wide_zero', aw, bw, 0, prior=xw)
    add('prior', 'prior_wide_moderate', aw, bw, 0.5, prior=xw)
    add('prior', 'prior_second_difference', a, b, 0.8, second(), prior=x0)
    add('prior', 'prior_diagonal_zeros', a, b, 0.8, diagonal([1.0, 0.0, 1.0, 2.0, 0.0]), prior=x0)
    add('prior', 'prior_weights', a, b, 0.8, prior=x0, weights=[r.positive(0.1, 3) for _ in range(10)])
    add('prior', 'prior_gamma', a, b, 1.0, dense(r.matrix(5, 5), 'gamma'), prior=x0)

    # intercept
    r = Rng(110)
    a, b = r.matrix(12, 4), r.vector(12)
    a = [[z + 10 * (j + 1) for j, z in enumerate(row)] for row in a]
    b = [z - 25 for z in b]
    w = [r.positive(0.1, 4) for _ in range(12)]
    for tag, lam in [('zero', 0), ('moderate', 2.0), ('huge', 1e14)]:
        add('intercept', 'intercept_' + tag, a, b, lam, intercept=True)
    add('intercept', 'intercept_weights_zero', a, b, 0, intercept=True, weights=w)
    add('intercept', 'intercept_weights_moderate', a, b, 2.0, intercept=True, weights=w)
    add('intercept', 'intercept_noise_std', a, b, 1.0, intercept=True,
        noise_std=[r.positive(0.2, 2) for _ in range(12)])
    add('intercept', 'intercept_prior', a, b, 3.0, intercept=True, prior=r.vector(4))
    add('intercept', 'intercept_second_difference', a, b, 3.0, second(), intercept=True)
    add('intercept', 'intercept_diagonal_zeros_weights', a, b, 3.0, diagonal([0.0, 1.0, 2.0, 0.0]),
        intercept=True, weights=w)
    aw, bw = r.matrix(5, 9), r.vector(5)
    bw = [z + 3 for z in bw]
    add('intercept', 'intercept_wide_zero', aw, bw, 0, intercept=True)
    add('intercept', 'intercept_wide_moderate', aw, bw, 0.5, intercept=True)
    add('intercept', 'intercept_constant_column_zero', [[1.0] + row[1:] for row in a], b, 0, intercept=True)
    add('intercept', 'intercept_constant_column_ridge', [[1.0] + row[1:] for row in a], b, 0.5, intercept=True)
    add('intercept', 'intercept_single_row', [[1.0, 2.0, -1.0]], [4.0], 0.5, intercept=True)
    add('intercept', 'intercept_single_column', r.matrix(6, 1), r.vector(6), 0.5, intercept=True)
    y, x, _ = longley_nist()
    add('intercept', 'longley_raw_zero', [[float(z) for z in row] for row in x], [float(z) for z in y], 0,
        intercept=True)
    z = rounded(standardise(x)[0])
    add('intercept', 'longley_standardised_zero', z, [float(t) for t in y], 0, intercept=True)
    add('intercept', 'longley_standardised_ridge', z, [float(t) for t in y], 0.1, intercept=True)
    return files


# --------------------------------------------------------------------------
# Data sets
# --------------------------------------------------------------------------

def longley_nist():
    """(total employment, six regressors, names) exactly as NIST prints them."""
    rows = []
    with open(os.path.join(HERE, 'nist', 'Longley.dat')) as f:
        for line in f.read().splitlines()[60:]:
            if line.strip():
                rows.append([mpf(s) for s in line.split()])
    assert len(rows) == 16 and all(len(r) == 7 for r in rows)
    return [r[0] for r in rows], [r[1:] for r in rows], None


def longley_r():
    """GNP.deflator ~ GNP + Unemployed + Armed.Forces + Population + Year + Employed,
    in the units of R's data set (thousands, and tens for two of the columns)."""
    employed, x, _ = longley_nist()
    y = [r[0] for r in x]
    z = [[r[1] / 1000, r[2] / 10, r[3] / 10, r[4] / 1000, r[5], e / 1000]
         for r, e in zip(x, employed)]
    return y, z


def prostate_train():
    """lpsa on eight regressors, the 67 training rows."""
    y, x = [], []
    with open(os.path.join(HERE, '..', 'data', 'prostate.tsv')) as f:
        head = f.readline().split()
        assert head[:8] == ['lcavol', 'lweight', 'age', 'lbph', 'svi', 'lcp', 'gleason', 'pgg45']
        for line in f:
            t = line.split()
            if len(t) == 11 and t[10] in ('1', 'T', 'TRUE'):
                x.append([mpf(s) for s in t[1:9]])
                y.append(mpf(t[9]))
    assert len(y) == 67
    return y, x


def standardise(x):
    """Columns centred and divided by their 1/n standard deviation."""
    m, n = len(x), len(x[0])
    mean = [mp.fsum(r[j] for r in x) / m for j in range(n)]
    sd = [mp.sqrt(mp.fsum((r[j] - mean[j]) ** 2 for r in x) / m) for j in range(n)]
    return [[(r[j] - mean[j]) / sd[j] for j in range(n)] for r in x], mean, sd


# --------------------------------------------------------------------------
# Rule cases
# --------------------------------------------------------------------------

def rule_cases():
    out = []

    def add(name, a, b, noise_norm, penalty=None, safety=1.0, **more):
        out.append(dict(name=name, a=a, b=b, noise_norm=noise_norm, safety=safety,
                        penalty=penalty or identity(), **more))

    def noisy(a, x, r, level):
        e = [level * z for z in (r.cvector if isinstance(a[0][0], complex) else r.vector)(len(a))]
        return apply_float(a, x, e), float(norm([num(z) for z in e]))

    signs = [1.0 if i % 2 == 0 else -1.0 for i in range(10)]
    add('hilbert_10x8', hilbert(10, 8), signs, 2.5)

    r = Rng(201)
    a = r.matrix(20, 8)
    b, d = noisy(a, [1.0, -1.0, 0.5, 0.0, 0.0, 0.0, 2.0, 0.1], r, 1.5)
    add('random_tall_20x8', a, b, d, safety=1.1)

    a = r.matrix(10, 18)
    b, d = noisy(a, r.vector(18), r, 1.5)
    add('random_wide_10x18', a, b, d)

    a, x = shaw(20)
    b, d = noisy(a, x, r, 1e-3)
    add('shaw_20', a, b, d, safety=1.05)

    a, x = phillips_like(20)
    b, d = noisy(a, x, r, 1e-2)
    add('phillips_20', a, b, d)

    a = blur(24, 20, 0.07)
    x = [1.0 + 0.1 * j if j < 11 else 0.5 for j in range(20)]
    b, d = noisy(a, x, r, 2e-2)
    add('blur_24x20_second_difference', a, b, d, second())
    add('blur_24x20_first_difference', a, b, d, first(), prior=[0.5] * 20)
    add('blur_24x20_sum', a, b, d, total((0.05, identity()), (1.0, second())))

    a = r.matrix(18, 6)
    b, d = noisy(a, [3.0, 0.4, -0.5, 0.3, 2.0, 0.6], r, 1.0)
    add('unpenalised_columns_18x6', a, b, d, diagonal([0.0, 1.0, 2.0, 1.0, 0.0, 0.5]))

    a = r.matrix(15, 7)
    b, d = noisy(a, [0.2 * z for z in r.vector(7)], r, 1.0)
    add('weights_15x7', a, b, d, weights=[r.positive(0.2, 3) for _ in range(15)])
    a = [[z + 4 for z in row] for row in r.matrix(16, 6)]
    b, d = noisy(a, [0.3, -0.2, 0.1, 0.0, 0.2, -0.4], r, 1.0)
    add('intercept_weights_16x6', a, b, d, intercept=True, weights=[r.positive(0.2, 3) for _ in range(16)])
    a = r.matrix(8, 12)
    b, d = noisy(a, r.vector(12), r, 1.0)
    add('intercept_wide_8x12', a, [z + 5 for z in b], d, intercept=True)
    a = r.matrix(14, 6)
    b, d = noisy(a, [1.2, 0.8, 1.1, 0.9, 1.0, 1.0], r, 1.0)
    add('prior_mean_14x6', a, b, d, prior=[1.0] * 6)
    s = [r.positive(0.3, 2) for _ in range(16)]
    a = r.matrix(16, 5)
    e = [si * z for si, z in zip(s, r.vector(16))]
    add('noise_std_16x5', a, apply_float(a, [0.5, 0.2, -0.3, 0.1, 0.4], e), 4.0, noise_std=s)

    a = r.cmatrix(14, 9)
    b, d = noisy(a, [0.3 * z for z in r.cvector(9)], r, 1.0)
    add('complex_14x9', a, b, d)
    a = r.cmatrix(7, 10)
    b, d = noisy(a, [complex(1 + 0.2 * j, 2 - 0.3 * j) for j in range(10)], r, 1.0)
    add('complex_wide_7x10_first_difference', a, b, d, first())

    a = product(r.integers(14, 4, -3, 3), r.integers(4, 7, -3, 3))
    b, d = noisy(a, [0.05 * z for z in r.vector(7)], r, 1.0)
    add('rank4_14x7_weak_signal', a, b, d)
    b, d = noisy(a, [0.4 * z for z in r.vector(7)], r, 1.0)
    add('rank4_14x7', a, b, d)

    y, x = longley_r()
    z = rounded(standardise(x)[0])
    add('longley_standardised', z, [float(t) for t in y], 4.0, intercept=True)
    y, x = prostate_train()
    z = rounded(standardise(x)[0])
    add('prostate_train_standardised', z, [float(t) for t in y], 5.8, intercept=True)

    # No lambda satisfies the discrepancy principle: the residual stays below
    # |b| and above the part of b outside the range.
    r = Rng(203)
    a = r.matrix(12, 5)
    b = r.vector(12)
    add('discrepancy_too_large_12x5', a, b, 100.0)
    add('discrepancy_too_small_12x5', a, b, 0.01)

    # Two scales of signal with noise between: several local minima.
    r = Rng(202)
    n, m = 8, 14
    u = orthonormal(r.matrix(m, m))
    v = orthonormal(r.matrix(n, n))
    sig = [10 ** (-mpf(i)) for i in range(n)]
    a = rounded([[mp.fsum(u[k][i] * sig[k] * v[k][j] for k in range(n)) for j in range(n)]
                 for i in range(m)])
    coef = [5, 4, 1.0, 1.0, 1.2, 12.0, 1.0, 0.8] + [1.0, -0.9, 1.1, 0.8, -1.0, 1.2]
    b = [float(mp.fsum(mpf(coef[k]) * u[k][i] for k in range(m))) for i in range(m)]
    add('two_scales_14x8', a, b, 5.0)
    coef = [9, 0.3, 0.4, 6.0, 0.3, 0.4, 4.0, 0.3] + [0.4, -0.3, 0.4, 0.3, -0.4, 0.3]
    b = [float(mp.fsum(mpf(coef[k]) * u[k][i] for k in range(m))) for i in range(m)]
    add('three_scales_14x8', a, b, 3.0)
    return out


def orthonormal(rows):
    """Gram-Schmidt, twice."""
    q = []
    for row in to_mp(rows):
        for _ in range(2):
            for p in q:
                c = mp.fdot(p, row)
                row = [z - c * y for z, y in zip(row, p)]
        s = norm(row)
        q.append([z / s for z in row])
    return q


MODIFIED = 1.4
STRONG_GAMMA = 0.95
ROBUST_GAMMA = 0.3
CURVE = [-12, -9, -6, -4, -2, -1, 0, 2]


def rule_text(case):
    out, _ = problem_text(case, 'rule_case')
    p = Problem(case)
    g = Pencil(p)
    out.append('sigma1_squared = ' + fl(g.sigma1_squared))
    out.append('unpenalised = %d' % g.unpenalised)

    found = g.minima(lambda t: g.curve(t)['dlog'])
    out.append('gcv_minima = ' + arr(mp.exp(t) for t in found))
    out.append('gcv_values = ' + arr(g.curve(t)['gcv'] for t in found))
    gam = mpf(ROBUST_GAMMA)

    def robust(t):
        c = g.curve(t)
        f = gam + (1 - gam) * c['h2'] / g.m
        return c, f, c['dlog'] + (1 - gam) * c['dh2'] / g.m / f
    found_r = g.minima(lambda t: robust(t)[2])
    out.append('robust_gamma = ' + fl(gam))
    out.append('robust_gcv_minima = ' + arr(mp.exp(t) for t in found_r))
    out.append('robust_gcv_values = ' + arr(robust(t)[1] * robust(t)[0]['gcv'] for t in found_r))
    found_l = g.minima(lambda t: g.loo(t)[1])
    out.append('loo_minima = ' + arr(mp.exp(t) for t in found_l))
    out.append('loo_values = ' + arr(g.loo(t)[0] for t in found_l))
    found_v = g.minima(lambda t: g.curve(t)['dreml'])
    out.append('reml_minima = ' + arr(mp.exp(t) for t in found_v))
    out.append('reml_values = ' + arr(g.curve(t)['reml'] for t in found_v))

    target2 = (mpf(case['noise_norm']) * mpf(case['safety'])) ** 2
    ten = mp.log(10)
    base = mp.log(g.sigma1_squared)
    lo, hi = base - 30 * ten, base + 30 * ten
    out.append('noise_norm = ' + fl(case['noise_norm']))
    out.append('safety = ' + fl(case['safety']))
    if g.rho(lo) < target2 < g.rho(hi):
        out.append('discrepancy_lambda = ' + fl(mp.exp(bisect(lambda t: g.rho(t) - target2, lo, hi))))
    else:
        print('  no discrepancy solution:', case['name'])

    lams = [float(g.sigma1_squared * mpf(10) ** k) for k in CURVE]
    pts = [g.curve(mp.log(mpf(z))) for z in lams]
    # The sums of the pencil against the direct solution, once per case.
    direct = p.solve(lams[4])
    assert abs(direct['residual_norm'] ** 2 / pts[4]['rho'] - 1) < mpf(10) ** -30
    assert abs(direct['penalty_norm'] ** 2 / pts[4]['eta'] - 1) < mpf(10) ** -30
    assert abs(direct['dof'] / pts[4]['dof'] - 1) < mpf(10) ** -30
    # ... and the analytic derivatives against differences.
    t, h = mp.log(mpf(lams[5])), mpf(10) ** -30
    for value, slope in [(lambda s: mp.log(g.curve(s)['gcv']), pts[5]['dlog']),
                         (lambda s: mp.log(g.loo(s)[0]), g.loo(t)[1]),
                         (lambda s: g.curve(s)['reml'], pts[5]['dreml'])]:
        assert abs((value(t + h) - value(t - h)) / (2 * h) - slope) < mpf(10) ** -25
    out.append('curve_lambda = ' + arr(lams))
    out.append('curve_residual_norm = ' + arr(mp.sqrt(c['rho']) for c in pts))
    out.append('curve_penalty_norm = ' + arr(mp.sqrt(c['eta']) for c in pts))
    out.append('curve_dof = ' + arr(c['dof'] for c in pts))
    out.append('curve_trace_h_squared = ' + arr(c['h2'] for c in pts))
    out.append('curve_gcv = ' + arr(c['gcv'] for c in pts))
    out.append('curve_loo = ' + arr(g.loo(mp.log(mpf(z)))[0] for z in lams))
    out.append('curve_reml = ' + arr(c['reml'] for c in pts))
    out.append('curve_log_gcv_derivative = ' + arr(c['dlog'] for c in pts))
    print('  %-36s gcv %d robust %d loo %d reml %d' % (
        case['name'], len(found), len(found_r), len(found_l), len(found_v)), flush=True)
    out += more_rules(case, p, g)
    return '\n'.join(out) + '\n'


def more_rules(case, p, g):
    """Rules beyond GCV and leave-one-out: places of minima and values, from numerical slopes at 100 digits."""
    out = []
    m = mpf(g.m)
    h = mpf(10) ** -30
    gam = mpf(STRONG_GAMMA)

    def variance(t):
        # sum (phi/sigma)^2 over the penalised directions, sigma^2 = a/k
        _, phi, _ = g.filters(t)
        return mp.fsum(phi[i] ** 2 * g.k[i] / g.a[i] for i in g.penalised)

    def motion(t):
        _, phi, f = g.filters(t)
        return mp.fsum((phi[i] * f[i]) ** 2 * g.beta2[i] * g.k[i] / g.a[i] for i in g.penalised)

    noise2 = mpf(case['noise_norm']) ** 2 / m

    def modified(t):
        c = g.curve(t)
        rest = m - mpf(MODIFIED) * c['dof']
        return m * c['rho'] / rest ** 2 if rest > 0 else None

    def aicc(t):
        c = g.curve(t)
        rest = m - c['dof'] - 2
        return c['rho'] / m * mp.exp(2 * (c['dof'] + 1) / rest) if rest > 0 else None

    def bic(t):
        c = g.curve(t)
        return c['rho'] / m * mp.exp(mp.log(m) * c['dof'] / m)

    def strong(t):
        return (gam + (1 - gam) * g.sigma1_squared * variance(t) / m) * g.curve(t)['gcv']

    def risk(t):
        c = g.curve(t)
        return c['rho'] + 2 * noise2 * c['dof']

    def product(t):
        c = g.curve(t)
        return mp.sqrt(c['rho'] * c['eta'])

    def curvature(t):
        # of (log rho, log eta)/2 by differences: no closed form is trusted here
        d = mpf(10) ** -25
        u = [mp.log(g.curve(t + s * d)['rho']) / 2 for s in (-1, 0, 1)]
        v = [mp.log(g.curve(t + s * d)['eta']) / 2 for s in (-1, 0, 1)]
        u1, v1 = (u[2] - u[0]) / (2 * d), (v[2] - v[0]) / (2 * d)
        u2, v2 = (u[2] - 2 * u[1] + u[0]) / d ** 2, (v[2] - 2 * v[1] + v[0]) / d ** 2
        return (u1 * v2 - u2 * v1) / mp.sqrt(u1 ** 2 + v1 ** 2) ** 3

    def slope(value, sign=1, h=h):
        def at(t):
            high, low = value(t + h), value(t - h)
            if high is None or low is None:
                return mpf(-1)  # left of a pole at which the criterion is infinite
            return sign * (high - low) / (2 * h)
        return at

    def record(name, value, found):
        out.append('%s_minima = ' % name + arr(mp.exp(t) for t in found))
        out.append('%s_values = ' % name + arr(value(t) for t in found))
        return len(found)

    out.append('modified_factor = ' + fl(MODIFIED))
    out.append('strong_gamma = ' + fl(STRONG_GAMMA))
    counts = []
    for name, value in [('modified_gcv', modified), ('strong_robust_gcv', strong), ('aicc', aicc), ('bic', bic), ('risk', risk)]:
        counts.append(record(name, value, g.minima(slope(value))))
    # among the singular values only
    sigma2 = [g.a[i] / g.k[i] for i in g.penalised]
    low = min(sigma2) / max(sigma2)
    # the library's rank tolerance is wider than this floor, and so is its interval
    low = max(low, (16 * mpf(2) ** -52) ** 2)
    out.append('inside_low = ' + fl(low * max(sigma2)))
    for name, value, sign, step in [('quasi_optimality', motion, 1, h), ('reginska', product, 1, h),
                                    ('curvature', curvature, -1, mpf(10) ** -12)]:
        decades = mp.log10(low)
        if g.size < 2 or decades > -0.7:
            found = []
        else:
            found = g.minima(slope(value, sign, step), low=decades, high=0, per_decade=12)
        counts.append(record(name, value, found))

    # monotone error
    target = mpf(case['noise_norm']) * mpf(case['safety'])
    def monotone(t):
        _, _, f = g.filters(t)
        third = g.delta0 + mp.fsum(x ** 3 * b for x, b in zip(f, g.beta2))
        fourth = g.delta0 + mp.fsum(x ** 4 * b for x, b in zip(f, g.beta2))
        return third / mp.sqrt(fourth)
    ten = mp.log(10)
    base = mp.log(g.sigma1_squared)
    lo, hi = base - 30 * ten, base + 30 * ten
    if monotone(lo) < target < monotone(hi):
        out.append('monotone_error_lambda = ' + fl(mp.exp(bisect(lambda t: monotone(t) - target, lo, hi))))

    # closed formulas, where they apply
    r = len(g.penalised)
    spare = g.m - g.unpenalised - r
    if r >= 3 and spare > 0 and g.delta0 > 0 and r + g.unpenalised - g.intercept == g.p.n:
        s2 = g.delta0 / spare
        ls = mp.fsum(g.beta2[i] * g.k[i] / g.a[i] for i in g.penalised)
        fit = mp.fsum(g.beta2[i] for i in g.penalised)
        out.append('hkb_lambda = ' + fl((r - 2) * s2 / ls))
        out.append('lawless_wang_lambda = ' + fl((r - 2) * s2 * (mp.fsum(sigma2) / r) / fit))
    # half of the degrees of freedom that lambda moves
    half = g.unpenalised + mpf(r) / 2
    out.append('half_dof = ' + fl(half))
    half = mpf(float(half))
    out.append('half_dof_lambda = ' + fl(mp.exp(bisect(lambda t: half - g.curve(t)['dof'], lo, hi))))
    full = mp.fsum(g.beta2[i] * g.k[i] / g.a[i] for i in g.penalised)
    if full > 0:
        part = mpf('0.5')
        out.append('half_norm_lambda = ' + fl(mp.exp(bisect(lambda t: part ** 2 - g.curve(t)['eta'] / full, lo, hi))))
    print('      modified %d strong %d aicc %d bic %d risk %d quasi %d reginska %d corner %d' % tuple(counts), flush=True)
    return out


def bisect(f, lo, hi):
    """Increasing f: halve to a short bracket, then the secant iteration."""
    while hi - lo > mpf('0.01'):
        mid = (lo + hi) / 2
        if f(mid) < 0:
            lo = mid
        else:
            hi = mid
    return root(f, lo, hi)


# --------------------------------------------------------------------------
# Published numbers
# --------------------------------------------------------------------------

class Published:
    def __init__(self):
        self.text = []
        self.bad = []

    def add(self, name, value, printed, definition, excess=None):
        """Agreement means within one unit of the last printed digit, so that
        truncated digits pass.  For the place of a minimum, `excess` is the
        criterion at the printed place over its minimum, less one."""
        v = mpf(value)
        s = printed.lower().lstrip('-')
        mant, _, ex = s.partition('e')
        digits = len(mant.partition('.')[2])
        ulp = mpf(10) ** (int(ex or 0) - digits)
        agrees = abs(v - mpf(printed)) <= ulp
        rounded_ok = abs(v - mpf(printed)) <= ulp / 2
        if not agrees:
            self.bad.append((name, mp.nstr(v, 20), printed))
        same = 20 if v == mpf(printed) else min(mpf(20), -mp.log10(abs(v / mpf(printed) - 1)))
        lines = [
            '[[published]]', 'name = "%s"' % name, 'value = "%s"' % mp.nstr(v, 20, strip_zeros=False),
            'printed = "%s"' % printed,
            'agrees = %s' % ('true' if agrees else 'false'),
            'correctly_rounded = %s' % ('true' if rounded_ok else 'false'),
            'agreeing_digits = %.1f' % same]
        if excess is not None:
            lines.append('relative_excess = ' + fl(mpf(mp.nstr(excess, 6))))
        lines.append('definition = "%s"' % definition)
        self.text.append('\n'.join(lines) + '\n')


def lm_ridge(y, x):
    """MASS::lm.ridge's numbers: SVD quantities of the standardised matrix."""
    m, n = len(x), len(x[0])
    z, mean, sd = standardise(x)
    ym = mp.fsum(y) / m
    yc = [t - ym for t in y]
    e, v = eigh(gram(z, n))
    u = [[t / mp.sqrt(ek) for t in matvec(z, vk)] for ek, vk in zip(e, v)]
    rhs = [mp.fdot(uk, yc) for uk in u]
    rss = norm2(yc) - mp.fsum(t * t for t in rhs)
    s2 = rss / (m - n - 1)
    ls2 = mp.fsum(t * t / ek for t, ek in zip(rhs, e))
    hkb = (n - 2) * s2 / ls2
    lw = (n - 2) * s2 * m / mp.fsum(t * t for t in rhs)

    def gcv(lam):
        f = [lam / (ek + lam) for ek in e]
        r = rss + mp.fsum((t * s) ** 2 for t, s in zip(rhs, f))
        return r / (m - mp.fsum(1 - t for t in f)) ** 2

    def coef(lam):
        c = [mp.fsum(rhs[k] * mp.sqrt(e[k]) / (e[k] + lam) * v[k][j] for k in range(n)) / sd[j]
             for j in range(n)]
        return [ym - mp.fdot(c, mean)] + c, mp.fsum(ek / (ek + lam) for ek in e)
    return hkb, lw, gcv, coef


def published():
    out = Published()

    # Hilbert
    signs = [1.0 if i % 2 == 0 else -1.0 for i in range(10)]
    p = Problem(dict(a=hilbert(10, 8), b=signs, penalty=identity()))
    g = Pencil(p)
    d0 = 'A = 10x8 Hilbert in binary64, b = (1,-1,...); damping d, lambda = d^2; '
    # GCV falls monotonically to its limit 1 as lambda grows: there is no interior
    # minimum, and the printed d is the upper end of the searched range, sigma_1.
    assert not g.minima(lambda s: g.curve(s)['dlog'])
    t = mp.log(g.sigma1_squared)
    c = g.curve(t)
    out.add('hilbert_gcv_damping', mp.exp(t / 2), '1.72278',
            d0 + 'sigma_1, the upper end of the searched range: GCV has no interior minimum here')
    out.add('hilbert_gcv_residual_norm', mp.sqrt(c['rho']), '3.1375', d0 + 'residual norm at it')
    out.add('hilbert_gcv_solution_norm', mp.sqrt(c['eta']), '0.139357', d0 + 'solution norm at it')
    s = sorted(mp.sqrt(a / k) for a, k in zip(g.a, g.k))
    step = (s[-1] / s[0]) ** (mpf(1) / 199)
    k = int(mp.nint(mp.log(mpf('7.11407e-07') / s[0]) / mp.log(step)))
    d = s[0] * step ** k
    c = g.curve(2 * mp.log(d))
    out.add('hilbert_corner_damping', d, '7.11407e-07',
            d0 + 'grid point %d (from sigma_8, counted from 0) of 200 geometric points' % k)
    out.add('hilbert_corner_residual_norm', mp.sqrt(c['rho']), '2.60386', d0 + 'residual norm at it')
    out.add('hilbert_corner_solution_norm', mp.sqrt(c['eta']), '424507', d0 + 'solution norm at it')
    o = p.solve(0)
    out.add('hilbert_ls_residual_norm', o['residual_norm'], '2.15376', d0 + 'lambda = 0')
    out.add('hilbert_ls_solution_norm', norm(o['x']), '2.92217e+09', d0 + 'lambda = 0')
    out.add('hilbert_condition', o['condition'], '3.565873e+09', d0 + 'sigma_1/sigma_8')

    # Longley by lm.ridge
    y, x = longley_r()
    hkb, lw, gcv, coef = lm_ridge(y, x)
    d0 = ('GNP.deflator ~ GNP + Unemployed + Armed.Forces + Population + Year + Employed, R units; '
          'Z centred and divided by the 1/n standard deviation; lambda on |y - Zb|^2 + lambda |b|^2; ')
    out.add('longley_hkb', hkb, '0.00683698171262248', d0 + '(p-2) s2/|b_ols|^2, s2 = RSS/(n-p-1)')
    out.add('longley_lw', lw, '0.0526724650514204', d0 + '(p-2) s2 n/|fit|^2')
    grid = [mpf(i) / 10000 for i in range(1001)]
    best = min(grid, key=gcv)
    out.add('longley_mass_gcv_argmin', best, '0.0057', d0 + 'RSS/(n-df)^2, intercept not counted, grid 0:0.1 by 1e-4')
    out.add('longley_mass_gcv_value', gcv(best), '0.119561163884491', d0 + 'RSS/(n-df)^2 there')
    c, df = coef(mpf('0.1'))
    names = ['intercept', 'gnp', 'unemployed', 'armed_forces', 'population', 'year', 'employed']
    printed = ['-1354.00735664', '0.0545769950084', '0.0119843960634', '0.0126197793054',
               '-0.185604136542', '0.721805424207', '0.588488375155']
    for nm, v, pr in zip(names, c, printed):
        out.add('longley_coefficient_' + nm, v, pr, d0 + 'lambda = 0.1, coefficient on the raw scale')
    out.add('longley_dof', df, '3.90978478715', d0 + 'lambda = 0.1, sum d^2/(d^2+lambda), intercept not counted')
    # Longley, intercept counted
    z, _, _ = standardise(x)
    pr = Problem(dict(a=[[0.0] * 6] * 16, b=[0.0] * 16, penalty=identity(), intercept=True))
    pr.a, ym = z, mp.fsum(y) / 16
    pr.b = [t - ym for t in y]
    pr.ata, pr.atb = gram(z, 6), herm_matvec(z, pr.b, 6)
    g = Pencil(pr)
    d1 = d0 + 'intercept counted in dof; '

    def minimum(name, printed, which, value, slope, log, definition):
        t = g.minima(slope)[which]
        here, there = value(t), value(mp.log(mpf(printed)))
        out.add(name, mp.exp(t), printed, d1 + definition,
                excess=mp.expm1(there - here) if log else there / here - 1)

    def gcv_value(t):
        return g.curve(t)['gcv']

    def gcv_slope(t):
        return g.curve(t)['dlog']

    def loo_value(t):
        return g.loo(t)[0]

    def loo_slope(t):
        return g.loo(t)[1]

    text = 'n RSS/(n-1-sum f)^2, '
    minimum('longley_gcv_minimum', '0.0066924304008', 0, gcv_value, gcv_slope, False, text + 'global minimum')
    minimum('longley_gcv_second_minimum', '1.2399', 1, gcv_value, gcv_slope, False, text + 'second local minimum')
    text = 'sum (r_i/(1-h_i))^2, h_i including 1/n, '
    minimum('longley_loo_minimum', '0.00148837105807', 0, loo_value, loo_slope, False, text + 'global minimum')
    minimum('longley_loo_second_minimum', '1.6000', 1, loo_value, loo_slope, False, text + 'second local minimum')
    minimum('longley_reml_minimum', '0.250725708825', 0, lambda t: g.curve(t)['reml'],
            lambda t: g.curve(t)['dreml'], True,
            '(n-1) log(RSS + lambda |b|^2) - sum log(lambda/(d^2+lambda))')

    # Prostate
    y, x = prostate_train()
    hkb, lw, gcv, _ = lm_ridge(y, x)
    d0 = 'lpsa on eight regressors, 67 training rows, lm.ridge definitions as for Longley; '
    out.add('prostate_hkb', hkb, '3.355691', d0 + '(p-2) s2/|b_ols|^2')
    out.add('prostate_lw', lw, '3.050708', d0 + '(p-2) s2 n/|fit|^2')
    out.add('prostate_mass_gcv_argmin', min([mpf(i) / 10 for i in range(101)], key=gcv), '4.9',
            d0 + 'RSS/(n-df)^2, intercept not counted, grid 0:10 by 0.1')
    return out


# --------------------------------------------------------------------------

def main():
    only = set(sys.argv[1:])
    seen, count = set(), 0
    for file, cases in all_cases().items():
        if only and file not in only:
            continue
        texts = []
        for case in cases:
            assert case['name'] not in seen
            seen.add(case['name'])
            texts.append(case_text(case))
        write(file + '.toml', '\n'.join(texts))
        count += len(cases)
        print('%s.toml: %d cases' % (file, len(cases)), flush=True)
    print('cases:', count)
    if not only or 'published' in only:
        pub = published()
        write('published.toml', '\n'.join(pub.text))
        print('published.toml: %d numbers' % len(pub.text))
        for row in pub.bad:
            print('  disagrees:', *row)
    if not only or 'rules' in only:
        cases = rule_cases()
        write('rules.toml', '\n'.join(rule_text(c) for c in cases))
        print('rules.toml: %d cases' % len(cases))


if __name__ == '__main__':
    main()
