"""lsqr and lsmr beside SciPy's: the same numbers for the same arguments, and variances that are right."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from numpy.testing import assert_allclose

import wellposed as wp

RNG = np.random.default_rng(11)
TALL = RNG.standard_normal((40, 9))
WIDE = RNG.standard_normal((7, 15))


@pytest.mark.parametrize("a", [TALL, WIDE, scipy.sparse.csc_array(TALL), TALL + 1j * np.roll(TALL, 1)], ids=["tall", "wide", "csc", "complex"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"damp": 0.5},
        {"damp": 0.5, "start": True},
        {"start": True},
        {"atol": 1e-12, "btol": 1e-12},
        {"atol": 0, "btol": 0, "conlim": 0},
        {"conlim": 1.5},
        {"limit": 2},
        {"damp": 1e3},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["lsqr", "lsmr"])
def test_the_same_as_scipy(a, options, name):
    m, n = a.shape
    # SciPy's lsmr fails for a complex A with a real b
    b = np.cos(np.arange(m)).astype(a.dtype)
    options = dict(options)
    if options.pop("start", False):
        options["x0"] = np.sin(np.arange(n)).astype(np.result_type(a.dtype, float))
    if (limit := options.pop("limit", None)) is not None:
        options["iter_lim" if name == "lsqr" else "maxiter"] = limit
    if options.get("atol") == 0:
        # at rounding level the two may part by a step
        options["iter_lim" if name == "lsqr" else "maxiter"] = min(m, n) - 1
    ours, theirs = getattr(wp.linalg, name)(a, b, **options), getattr(scipy.sparse.linalg, name)(a, b, **options)
    assert len(ours) == len(theirs)
    assert ours[1:3] == theirs[1:3]
    for mine, other in zip(ours, theirs):
        assert_allclose(mine, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("b", [np.zeros(40), np.ones((40, 1)), list(range(40))])
def test_shapes_of_b(b):
    for name in ["lsqr", "lsmr"]:
        assert_allclose(getattr(wp, name)(TALL, b)[0], getattr(scipy.sparse.linalg, name)(TALL, np.asarray(b))[0], atol=1e-9)


@pytest.mark.parametrize("damp", [0.0, 0.3])
@pytest.mark.parametrize(
    "a",
    [
        np.eye(8),
        np.diag([1.0, 1.0, 2.0, 2.0]),
        TALL,
        scipy.linalg.hilbert(6)[:, :5],
        scipy.sparse.random_array((50, 12), density=0.4, rng=RNG),
        scipy.sparse.linalg.aslinearoperator(TALL),
        TALL + 1j * np.roll(TALL, 1),
    ],
    ids=["identity", "diagonal", "tall", "hilbert", "sparse", "operator", "complex"],
)
def test_variances_are_the_diagonal_of_the_inverse(a, damp):
    """SciPy's are not, where the iteration ends before n steps: for the identity after one."""
    dense = a @ np.eye(a.shape[1]) if not scipy.sparse.issparse(a) else a.toarray()
    inverse = np.linalg.inv(dense.conj().T @ dense + damp**2 * np.eye(dense.shape[1]))
    var = wp.lsqr(a, np.ones(a.shape[0]), damp=damp, calc_var=True)[-1]
    assert_allclose(var, np.diag(inverse).real, rtol=1e-6)


def test_variances_where_a_does_not_determine_x():
    var = wp.lsqr(WIDE, np.ones(7), damp=0.5, calc_var=True)[-1]
    assert_allclose(var, np.diag(np.linalg.inv(WIDE.T @ WIDE + 0.25 * np.eye(15))), rtol=1e-9)
    var = wp.lsqr(np.diag([2.0, 0.0, 1.0]), np.ones(3), calc_var=True)[-1]
    assert_allclose(var, [0.25, np.inf, 1.0])


def test_variances_of_many_unknowns_say_what_they_are():
    a = scipy.sparse.eye_array(2001).tocsr()
    with pytest.warns(UserWarning, match="lower bounds"):
        wp.lsqr(a, np.ones(2001), calc_var=True)


def test_show_prints_the_steps(capsys):
    itn = wp.lsqr(TALL, np.ones(40), show=True)[2]
    out = capsys.readouterr().out
    assert len(out.splitlines()) == itn + 3 and "good enough" in out
    wp.lsmr(TALL, np.ones(40), show=True)
    assert "LSMR finished" in capsys.readouterr().out


def test_nothing_is_changed():
    b, x0 = np.ones(40), np.ones(9)
    wp.lsqr(TALL, b, x0=x0)
    wp.lsmr(TALL, b, x0=x0)
    assert (b == 1).all() and (x0 == 1).all()


@pytest.mark.parametrize("function", [wp.lsqr, wp.lsmr])
def test_bad_input(function):
    with pytest.raises(ValueError, match="length 40"):
        function(TALL, np.ones(39))
    with pytest.raises(ValueError, match="length 9"):
        function(TALL, np.ones(40), x0=np.ones(8))
    with pytest.raises(ValueError, match="entry 0"):
        function(TALL, np.full(40, np.nan))
    with pytest.raises(ValueError, match="NaN or infinite"):
        function(np.where(TALL == TALL[1, 1], np.nan, TALL), np.ones(40))
    with pytest.raises(ValueError, match="damp"):
        function(TALL, np.ones(40), damp=-1.0)


class Broken(scipy.sparse.linalg.LinearOperator):
    def __init__(self):
        super().__init__(float, (3, 3))

    def _matvec(self, x):
        raise LookupError("mine")

    def _rmatvec(self, y):
        return y


@pytest.mark.parametrize("function", [wp.lsqr, wp.lsmr])
def test_exceptions_come_out(function):
    with pytest.raises(LookupError, match="mine"):
        function(Broken(), np.ones(3))
