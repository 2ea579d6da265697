"""Fingerprints of the gallery's test problems, written to gallery.toml: python testdata/gallery_oracle.py [problems_n64.npz]

Needs numpy and mpmath.

`[[regtools]]`: made from the matrices that Regularization Tools 4.1 itself computes (run in GNU Octave at n = 64) if the
file is given, and kept as they are in gallery.toml otherwise. Per problem: the product with the vector (1, 2, …, n)/n, the product
of the transpose with the same, sums of squares, and all of x and b in the form of such checks.

`[[entry]]`: integrals of the published kernels over cells by mpmath's quadrature at 30 digits: no closed form, no
quadrature rule of the gallery is used.

`[[image]]`: problems whose definition is a program on images: a literal translation with matrices and loops in numpy.
"""
import sys, pathlib
import numpy as np
import mpmath as mp

mp.mp.dps = 30
HERE = pathlib.Path(__file__).parent
TARGET = HERE / "gallery.toml"
out = ["# Written by gallery_oracle.py. Arrays are binary64 numbers in full.\n"]


def numbers(v):
    return "[" + ", ".join(repr(float(t)) for t in np.atleast_1d(v)) + "]"


def ramp(n):
    return np.arange(1, n + 1) / n


def fingerprint(kind, name, size, A, b, x):
    A = np.asarray(A)
    m, n = A.shape
    lines = [f"[[{kind}]]", f'name = "{name}"', f"size = {size}", f"rows = {m}", f"columns = {n}"]
    lines.append(f"a_norm = {float(np.linalg.norm(A))!r}")
    lines.append(f"a_ramp = {numbers(A @ ramp(n))}")
    lines.append(f"at_ramp = {numbers(A.T @ ramp(m))}")
    lines.append(f"b = {numbers(b)}")
    if x is not None:
        lines.append(f"x = {numbers(x)}")
    out.append("\n".join(lines) + "\n")


# Regularization Tools at n = 64
NAMES = {
    "baart": "baart", "deriv2_1": "deriv2-linear", "deriv2_2": "deriv2-exponential", "deriv2_3": "deriv2-tent", "foxgood": "foxgood",
    "gravity_1": "gravity-sines", "gravity_2": "gravity-linear", "gravity_3": "gravity-constant", "heat_1": "heat", "heat_5": "heat-5",
    "i_laplace_1": "inverse-laplace-decay", "i_laplace_3": "inverse-laplace-peak", "phillips": "phillips", "shaw": "shaw",
    "spikes": "spikes", "ursell": "ursell", "wing": "wing",
}
if len(sys.argv) > 1:
    data = np.load(sys.argv[1])
    for key, name in NAMES.items():
        has_x = f"{key}.x" in data.files
        fingerprint("regtools", name, 64, data[f"{key}.A"], data[f"{key}.b"], data[f"{key}.x"] if has_x else None)
else:
    kept = TARGET.read_text().split("[[")
    out += ["[[" + block for block in kept if block.startswith("regtools]]")]

# entries as integrals over cells
pi, sqrt, exp, cos, sin, log = mp.pi, mp.sqrt, mp.exp, mp.cos, mp.sin, mp.log


def entry(name, size, i, j, value):
    out.append(f'[[entry]]\nname = "{name}"\nsize = {size}\ni = {i}\nj = {j}\nvalue = {float(value)!r}\n')


def cell(k, n, a, b):
    h = (mp.mpf(b) - a) / n
    return a + k * h, a + (k + 1) * h


def galerkin(kernel, n, i, j, s_range, t_range, breaks=()):
    (s0, s1), (t0, t1) = cell(i, n, *s_range), cell(j, n, *t_range)

    def inner(s):
        points = [t0] + sorted(p for p in (s + d for d in breaks) if t0 < p < t1) + [t1]
        return mp.quad(lambda t: kernel(s, t), points)

    # the inner integral has kinks in s where a break enters or leaves the cell
    kinks = sorted({p for d in breaks for p in (t0 - d, t1 - d) if s0 < p < s1})
    return mp.quad(inner, [s0] + kinks + [s1]) / sqrt((s1 - s0) * (t1 - t0))


green = lambda s, t: s * (t - 1) if s < t else t * (s - 1)
phi = lambda t: 1 + cos(pi * t / 3) if abs(t) < 3 else mp.mpf(0)
for i, j in [(0, 0), (3, 1), (2, 6), (7, 7)]:
    entry("deriv2-linear", 8, i, j, galerkin(green, 8, i, j, (0, 1), (0, 1), breaks=[0]))
    entry("ursell", 8, i, j, galerkin(lambda s, t: 1 / (s + t + 1), 8, i, j, (0, 1), (0, 1)))
for i, j in [(0, 0), (3, 1), (2, 6), (7, 5), (4, 7), (1, 3)]:
    entry("phillips", 8, i, j, galerkin(lambda s, t: phi(s - t), 8, i, j, (-6, 6), (-6, 6), breaks=[-3, 0, 3]))
# 26 cells of observations and n of unknowns: a product of Simpson's rules by its definition
sigma = mp.mpf("0.014234")
for i, j in [(0, 0), (8, 3), (25, 19), (13, 10)]:
    hs, ht = mp.mpf("0.130") / 26, mp.mpf("0.1") / 20
    value = mp.mpf(0)
    for p, wp in enumerate((1, 4, 1)):
        for q, wq in enumerate((1, 4, 1)):
            s, t = mp.mpf("-0.03") + (i + mp.mpf(p) / 2) * hs, (j + mp.mpf(q) / 2) * ht
            value += wp * wq * mp.npdf(s, t, sigma)
    entry("parallax", 20, i, j, sqrt(hs * ht) / 36 * value)
# Gauss–Laguerre nodes and weights as roots in 60 digits, where weights underflow binary64
with mp.workdps(60):
    n = 220
    J = np.diag(2.0 * np.arange(1, n + 1) - 1) - np.diag(np.arange(1.0, n), 1) - np.diag(np.arange(1.0, n), -1)
    start = np.sort(np.linalg.eigvalsh(J))

    def laguerre(t):
        a, b = mp.mpf(1), 1 - t
        for k in range(1, n + 1):
            a, b = b, ((2 * k + 1 - t) * b - k * a) / (k + 1)
            if k == n - 1:
                at_n, before = b, a
        return before, at_n, b

    for j in [0, 1, 100, 200, 219]:
        t = mp.mpf(float(start[j]))
        for _ in range(8):
            before, at_n, after = laguerre(t)
            t -= at_n * t / (n * (at_n - before))
        after = laguerre(t)[2]
        for i in [0, 9]:
            s = mp.mpf(10) * (i + 1) / n
            entry("inverse-laplace-decay", n, i, j, t / ((n + 1) * after) ** 2 * exp((1 - s) * t))


# images, from the definition
def rnd(v):
    return int(np.floor(v + 0.5))


def phantom(N):
    x = np.zeros((4 * N, 4 * N))
    N2, N3, N6, N12 = rnd(N / 2), rnd(N / 3), rnd(N / 6), rnd(N / 12)

    def ellipse(limit):
        quarter = np.array([[1.0 if (i / N6) ** 2 + (j / N3) ** 2 < limit else 0.0 for j in range(1, N3 + 1)] for i in range(1, N6 + 1)])
        upper = np.hstack([np.fliplr(quarter), quarter])
        return np.vstack([np.flipud(upper), upper])

    x[2 : 2 + 2 * N6, N3 - 1 : N3 - 1 + 2 * N3] = ellipse(1.0)
    x[N6 : N6 + 2 * N6, N3 - 1 : N3 - 1 + 2 * N3] += 2 * ellipse(0.6)
    x[x == 3] = 2
    x[N3 + N12 : N3 + N12 + N3, 1 : 1 + N3] = 3 * np.triu(np.ones((N3, N3)))
    T = np.zeros((2 * N6 + 1, 2 * N6 + 1))
    T[N6, :] = 1
    T[:, N6] = 1
    x[N2 + N12 : N2 + N12 + len(T), N2 : N2 + len(T)] = 4 * T
    return x[:N, :N].flatten(order="F")


for N in (4, 7, 12):
    T = np.array([[np.exp(-((i - j) ** 2) / (2 * 0.7**2)) if abs(i - j) < 3 else 0.0 for j in range(N)] for i in range(N)])
    A = np.kron(T, T) / (2 * np.pi * 0.7**2)
    x = phantom(N)
    fingerprint("image", "blur", N, A, A @ x, x)

# two-dimensional Laplace transform
n = 5
T = 10 ** ((lambda e: (e[:-1] + e[1:]) / 2)(np.linspace(-4, 1, n + 1)))
tau = np.logspace(-4, 1, 2 * n)
A1 = np.array([[(5 / n) * np.log(10) * (1 - 2 * np.exp(-ta / t)) * t for t in T] for ta in tau])
A2 = np.array([[(5 / n) * np.log(10) * np.exp(-ta / t) * t for t in T] for ta in tau])
e1, e2 = np.meshgrid(np.log10(T), np.log10(T), indexing="ij")
x = 1 / (0.1**2 * 2 * np.pi) * np.exp(-(((e1 + 1.5) / 0.1) ** 2 / 2 + ((e2 + 1.5) / 0.1) ** 2 / 2))
x[x < 1e-10] = 0
x = x.flatten(order="F")
A = np.kron(A2, A1)
fingerprint("image", "nmr", n, A, A @ x, x)

# diffusion: elements assembled one by one from the gradients of their basis functions, steps by a dense solve
n, time, steps = 6, 0.01, 100
X, Y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
X, Y = X.flatten(order="F"), Y.flatten(order="F")
K, C = np.zeros((n * n, n * n)), np.zeros((n * n, n * n))
for j in range(n - 1):
    for i in range(n - 1):
        k = i + j * n
        for tri in ([k, k + n + 1, k + n], [k + 1, k + 1 + n, k]):
            P = np.array([[1, X[v], Y[v]] for v in tri])
            area = abs(np.linalg.det(P)) / 2
            G = np.linalg.inv(P)[1:]
            K[np.ix_(tri, tri)] += area * G.T @ G
            C[np.ix_(tri, tri)] += area / 12 * (np.ones((3, 3)) + np.eye(3))
step = np.linalg.solve(C + 0.5 * time / steps * K, C - 0.5 * time / steps * K)
A = np.linalg.matrix_power(step, steps)
x = 0.7 * np.exp(-(((X - 0.4) / 0.12) ** 2) - ((Y - 0.5) / 0.15) ** 2) + np.exp(-(((X - 0.7) / 0.1) ** 2) - ((Y - 0.4) / 0.08) ** 2)
fingerprint("image", "diffusion", n, A, A @ x, x)

TARGET.write_text("\n".join(out))
