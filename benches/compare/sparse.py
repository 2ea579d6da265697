"""Times the sparse and matrix-free engines against SciPy's lsqr and lsmr and against CHOLMOD, in turn, in one run, as ratios.

    python -m venv .venv && .venv/bin/pip install -r benches/compare/requirements.txt
    cargo build --release --example compare_sparse
    .venv/bin/python benches/compare/sparse.py [--threads 2] [--rounds 5] [--only PATTERN]

Three jobs: steps of LSQR and LSMR on a sparse 1 000 000 × 100 000 matrix with 10 entries a row; the same on a blur of 512×512
pixels by FFT; and Tikhonov with a gradient penalty on a 500×500 grid by one sparse Cholesky factorization, analysis included.
The time of a step is the difference between a long and a short run, divided by the steps between. Above 1, wellposed is faster.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

DAMPING = 1.0
SHORT, LONG = 5, 25


def seconds_of(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--driver", default="target/release/examples/compare_sparse")
    options = parser.parse_args()
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[variable] = str(options.threads)

    import numpy as np
    import scipy
    import scipy.fft
    import scipy.sparse as sparse
    from scipy.sparse.linalg import LinearOperator, lsmr, lsqr

    print(f"SciPy {scipy.__version__}, {options.threads} threads, medians of {options.rounds} rounds")
    peers = {"lsqr": lsqr, "lsmr": lsmr}

    def ours(job, folder, *arguments):
        command = [options.driver, job, folder, *map(str, arguments)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def limited(name, a, b, steps):
        """So many steps, with every tolerance out of the way."""
        limit = {"iter_lim": steps} if name == "lsqr" else {"maxiter": steps}
        return peers[name](a, b, damp=DAMPING, atol=0, btol=0, conlim=0, **limit)

    def steps(title, a, b, folder, job):
        for name in peers:
            if options.only and options.only not in f"{title} {name}":
                continue
            mine, theirs = [], []
            for _ in range(options.rounds):
                answer = ours(f"{job}:{name}", folder, DAMPING, SHORT, LONG)
                mine.append((answer["long"] - answer["short"]) / (LONG - SHORT))
                short, _ = seconds_of(lambda: limited(name, a, b, SHORT))
                long, result = seconds_of(lambda: limited(name, a, b, LONG))
                theirs.append((long - short) / (LONG - SHORT))
                norm = float(np.linalg.norm(result[0]))
                if abs(norm - answer["norm"]) > 1e-6 * norm:
                    sys.exit(f"{title}, {name}: after {LONG} steps |x| is {answer['norm']} here and {norm} by SciPy")
            mine, theirs = statistics.median(mine), statistics.median(theirs)
            extra = "".join(f", {key} {value:.1f} GB/s" for key, value in answer.get("bandwidth", {}).items())
            print(f"{title:24} {name}: a step {1e3 * mine:7.2f} ms | SciPy {1e3 * theirs:7.2f} ms, ratio {theirs / mine:5.2f}{extra}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        generator = np.random.default_rng(1)
        if not options.only or options.only in "sparse 1e6x1e5 lsqr lsmr":
            m, n, k = 1_000_000, 100_000, 10
            indices = np.sort(generator.integers(0, n, (m, k), dtype=np.int32), axis=1).ravel()
            values = generator.standard_normal(m * k)
            b = generator.standard_normal(m)
            indices.astype(np.uint32).tofile(f"{folder}/indices.bin")
            values.tofile(f"{folder}/values.bin")
            b.tofile(f"{folder}/b.bin")
            a = sparse.csr_array((values, indices, np.arange(0, m * k + 1, k, dtype=np.int32)), shape=(m, n))
            steps("sparse 1e6x1e5", a, b, folder, "sparse")

        if not options.only or options.only in "blur 512x512 lsqr lsmr":
            size, deviation = 512, 2.0
            reach = np.arange(-10, 11)
            line = np.exp(-0.5 * (reach / deviation) ** 2)
            kernel = np.outer(line, line)
            kernel /= kernel.sum()
            padded = np.zeros((size, size))
            padded[np.ix_(reach % size, reach % size)] = kernel
            transfer = scipy.fft.rfft2(padded)

            def product(factor):
                def apply(x):
                    spectrum = scipy.fft.rfft2(x.reshape(size, size), workers=options.threads)
                    return scipy.fft.irfft2(spectrum * factor, s=(size, size), workers=options.threads).ravel()

                return apply

            a = LinearOperator((size * size, size * size), matvec=product(transfer), rmatvec=product(transfer.conj()), dtype=float)
            b = generator.standard_normal(size * size)
            b.tofile(f"{folder}/b.bin")
            kernel.tofile(f"{folder}/kernel.bin")
            steps("blur 512x512", a, b, folder, "blur")

    if not options.only or options.only in "grid 500x500":
        import cvxopt
        import cvxopt.cholmod

        side = 500
        n = side * side
        diagonal = 1.0 + (np.arange(n) % 7) * 0.1
        b = np.sin(np.arange(n) * 0.01)
        difference = sparse.diags_array([-np.ones(side - 1), np.ones(side - 1)], offsets=[0, 1], shape=(side - 1, side))
        gradient = sparse.vstack([sparse.kron(sparse.eye_array(side), difference), sparse.kron(difference, sparse.eye_array(side))]).tocsr()
        with tempfile.TemporaryDirectory() as folder:
            diagonal.tofile(f"{folder}/values.bin")
            b.tofile(f"{folder}/b.bin")
            mine, solved, formed = [], [], []
            weighted = sparse.diags_array(diagonal).tocsr()
            for _ in range(options.rounds):
                answer = ours("grid", folder, 0.5, side)
                mine.append(answer["seconds"])

                def form():
                    return sparse.tril(weighted.T @ weighted + 0.5 * (gradient.T @ gradient)).tocoo()

                def solve():
                    factor = cvxopt.cholmod.symbolic(matrix)
                    cvxopt.cholmod.numeric(matrix, factor)
                    x = cvxopt.matrix(diagonal * b)
                    cvxopt.cholmod.solve(factor, x)
                    return np.array(x).ravel()

                # to hand the matrix over is no part of the peer's work
                forming, normal = seconds_of(form)
                matrix = cvxopt.spmatrix(normal.data.tolist(), normal.row.tolist(), normal.col.tolist(), (n, n))
                seconds, x = seconds_of(solve)
                formed.append(forming)
                solved.append(seconds)
                norm = float(np.linalg.norm(x))
                if abs(norm - answer["norm"]) > 1e-8 * norm:
                    sys.exit(f"grid: |x| is {answer['norm']} here and {norm} by CHOLMOD")
            mine, solved, formed = map(statistics.median, (mine, solved, formed))
            print(
                f"grid 500x500, one λ     {answer['method']} {mine:.3f} s, AᴴA + λLᴴL included | CHOLMOD {solved:.3f} s, "
                f"ratio {solved / mine:5.2f}; with {formed:.3f} s for that matrix by SciPy {(solved + formed) / mine:5.2f}"
            )


if __name__ == "__main__":
    main()
