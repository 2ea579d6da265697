"""The package as a whole: docstrings, stubs, names."""

import doctest
import importlib
import pkgutil
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
