"""The package as a whole: docstrings, stubs, names."""

import doctest
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest

import wellposed as wp
from wellposed import _core


def documented():
    """Docstrings of the extension module, which doctest does not find."""
    for name, value in vars(_core).items():
        if name.startswith("_"):
            continue
        yield name, value
        if isinstance(value, type):
            yield from ((f"{name}.{key}", member) for key, member in vars(value).items() if not key.startswith("_"))


@pytest.mark.parametrize(("name", "value"), [pytest.param(*item, id=item[0]) for item in documented()])
def test_docstrings_of_the_extension(name, value):
    text = value.__doc__
    # attributes are described in the docstring of their class
    assert text or not callable(value) and "." in name, f"{name} has no docstring"
    examples = doctest.DocTestParser().get_doctest(text or "", {"wp": wp, "np": np}, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failures = []
    runner.run(examples, out=failures.append)
    assert not runner.summarize(verbose=False).failed, "".join(failures)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(wp.__path__) if not module.name.startswith("_core")])
def test_docstrings_of_modules(name):
    module = importlib.import_module(f"wellposed.{name}")
    assert module.__doc__
    assert not doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).failed


def test_docstring_of_the_package():
    assert not doctest.testmod(wp).failed


def test_examples_of_the_guide(tmp_path, monkeypatch):
    """The code of docs/PYTHON.md and of the README runs, in its order, on data of the kind that it speaks of."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    m, n, s = 60, 12, 0.3
    A = rng.standard_normal((m, n))
    b = A @ np.sin(np.arange(n)) + s * rng.standard_normal(m)
    names = {"A": A, "b": b, "Gamma": np.eye(n), "s": s, "n": n, "A_new": A[:3], "blocks": [(A[:20], b[:20]), (A[20:], b[20:])]}
    names |= {"X": A, "y": b, "X1": A[:20], "y1": b[:20], "X2": A[20:], "y2": b[20:]}
    names["operator"] = pytest.importorskip("scipy.sparse.linalg").aslinearoperator(A)
    root = pathlib.Path(__file__).parents[3]
    for text in [root / "docs/PYTHON.md", root / "crates/wellposed-py/README.md"]:
        blocks = re.findall(r"```python\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL)
        assert blocks
        for block in blocks:
            exec(block, names)
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_public_names_say_where_they_are():
    for name in ["Problem", "Factorization", "Solution", "Lambda", "Error"]:
        assert getattr(wp, name).__module__ == "wellposed"
    assert wp.__version__ == _core.__version__


def test_stubs():
    """The types of the extension module are those that its stubs promise."""
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "wellposed._core", "--concise"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_is_imported_that_is_not_asked_for():
    code = "import sys, wellposed; print([m for m in ('scipy', 'sklearn', 'pandas', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
