"""Operators that are Python objects, their exceptions, Ctrl-C, observers, threads."""

import _thread
import threading
import time

import numpy as np
import pylops
import pytest
import scipy.sparse
import scipy.sparse.linalg
from numpy.testing import assert_allclose

import wellposed as wp

RNG = np.random.default_rng(3)
A = RNG.standard_normal((30, 6))
B = RNG.standard_normal(30)


class Plain:
    """The least that an operator is: shape and two products."""

    def __init__(self, a, fail_at=None, error=None, wrong=None):
        self.a, self.shape = a, a.shape
        self.calls, self.fail_at, self.error, self.wrong = 0, fail_at, error, wrong

    def matvec(self, x):
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error
        return self.wrong if self.wrong is not None else self.a @ x

    def rmatvec(self, y):
        return self.a.conj().T @ y


def expected(lam, a=A, b=B):
    return np.linalg.solve(a.conj().T @ a + lam * np.eye(a.shape[1]), a.conj().T @ b)


@pytest.mark.parametrize("make", [Plain, scipy.sparse.linalg.aslinearoperator, pylops.MatrixMult], ids=["plain", "scipy", "pylops"])
@pytest.mark.parametrize("method", ["auto", "cgls", "lsqr", "lsmr"])
def test_operators(make, method):
    assert_allclose(wp.Problem(make(A)).method(method).solve(B, 0.2).x, expected(0.2), rtol=1e-9)


def test_several_right_hand_sides_and_penalty_operator():
    b = RNG.standard_normal((30, 3))
    for make in [Plain, scipy.sparse.linalg.aslinearoperator]:
        fit = wp.Problem(make(A)).penalty(pylops.FirstDerivative(6, kind="forward")).method("lsmr").solve(b, 0.3)
        d = pylops.FirstDerivative(6, kind="forward").todense()
        assert_allclose(fit.x, np.linalg.solve(A.T @ A + 0.3 * d.T @ d, A.T @ b), rtol=1e-8)


def test_complex_operator():
    a = A + 1j * np.roll(A, 2, axis=0)
    operator = scipy.sparse.linalg.aslinearoperator(a)
    assert_allclose(wp.Problem(operator).method("lsmr").solve(B, 0.2).x, expected(0.2, a), rtol=1e-9)
    liar = Plain(a)
    with pytest.raises(TypeError, match="complex128"):
        wp.Problem(liar).method("lsmr").solve(B, 0.2)


def test_hybrid_and_probes_on_an_operator():
    for method in [wp.HybridLsqr(), wp.Probes(seed=5)]:
        assert wp.Problem(Plain(A)).method(method).solve(B, "gcv").lam > 0


def test_flexible_lsqr_on_an_operator():
    lasso = wp.Problem(Plain(A)).penalty(wp.Penalty.identity().l1()).method(wp.FlexibleLsqr(tolerance=1e-8))
    exact = wp.Problem(A).penalty(wp.Penalty.identity().l1()).solve(B, 0.2)
    np.testing.assert_allclose(lasso.solve(B, 0.2).x, exact.x, atol=1e-3)


class Mine(Exception):
    pass


@pytest.mark.parametrize("fail_at", [1, 2, 4])
@pytest.mark.parametrize("method", ["auto", "lsmr", "cgls", "hybrid_lsqr"])
def test_exceptions_come_out_as_themselves(fail_at, method):
    error = Mine("from within")
    choice = "gcv" if method == "hybrid_lsqr" else 1e-3
    with pytest.raises(Mine) as caught:
        wp.Problem(Plain(A, fail_at, error)).method(method).solve(B, choice)
    assert caught.value is error
    traceback = caught.value.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    assert traceback.tb_frame.f_code.co_name == "matvec"


def test_exceptions_stop_the_products():
    operator = Plain(RNG.standard_normal((400, 300)), 3, Mine())
    with pytest.raises(Mine):
        wp.Problem(operator).method("lsmr").solve(np.ones(400), 1e-6)
    assert operator.calls == 3


@pytest.mark.parametrize("wrong", [np.ones(7), np.ones((30, 2)), "text"])
def test_wrong_products(wrong):
    with pytest.raises((TypeError, ValueError), match="matvec"):
        wp.Problem(Plain(A, wrong=wrong)).method("lsmr").solve(B, 0.1)


def test_nan_products_are_an_error():
    with pytest.raises(ValueError, match="NaN"):
        wp.Problem(Plain(A, wrong=np.full(30, np.nan))).method("lsmr").solve(B, 0.1)


def test_half_an_operator():
    class Half:
        shape = (3, 3)

        def matvec(self, x):
            return x

    with pytest.raises(TypeError, match="rmatvec"):
        wp.Problem(Half())


def test_observer():
    steps = []
    wp.Problem(A).method("lsmr").solve(B, 1e-3, observer=steps.append)
    assert [step.index for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].normal_residual < steps[0].normal_residual
    fit = wp.Problem(A).method(wp.Lsmr(accept_partial=True)).solve(B, 1e-3, observer=lambda step: step.index == 2)
    assert fit.report.steps == 2 and not fit.report.converged

    def fails(step):
        raise Mine

    with pytest.raises(Mine):
        wp.Problem(A).method("lsmr").solve(B, 1e-3, observer=fails)


@pytest.mark.parametrize("threads", [None, 1])
@pytest.mark.parametrize("solve", ["native", "scipy", "path", "low rank", "dense path"])
def test_ctrl_c(solve, threads):
    """A long iteration which never enters Python by itself."""
    n = 400_000
    # values over six decades and data in all directions: no precision is reached in 50 steps
    a = scipy.sparse.diags_array([np.logspace(-6, 0, n), np.full(n - 1, 1e-7)], offsets=[0, 1]).tocsr()
    b = RNG.standard_normal(n)
    if solve == "dense path":
        n = 1000
        a, b = np.diag(np.logspace(-6, 0, n)), RNG.standard_normal(n)
    problem = wp.Problem(a) if threads is None else wp.Problem(a).threads(threads)
    endless = problem.method(wp.Lsmr(tolerance=0.0, max_steps=10**7))
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        if solve == "native":
            endless.solve(b, 0.0)
        elif solve.endswith("path"):
            # one sequence of products for all multipliers, which nobody observes
            endless.path(b, [0.0, 1e-14])
        elif solve == "low rank":
            problem.method(wp.Lsmr(max_steps=10**7)).noise_std(1.0).posterior(b, 1e-13, rank=400)
        else:
            wp.lsqr(a, b, atol=0, btol=0, conlim=0, iter_lim=10**7)
    assert time.perf_counter() - begin < 5
    timer.join()


def test_other_threads_run_meanwhile():
    a, b = RNG.standard_normal((3000, 400)), RNG.standard_normal(3000)
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.3:
        wp.Problem(a).method("svd").solve(b, "gcv")
    end = time.perf_counter()
    stop.set()
    thread.join()
    # without the lock the other thread is never kept waiting for a whole solve
    assert len([t for t in ticks if begin < t < end]) > 20
