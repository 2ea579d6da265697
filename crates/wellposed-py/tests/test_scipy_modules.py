"""SciPy's own tests of lsqr and lsmr, as SciPy installs them, with the names of ours in place of SciPy's."""

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest

PACKAGE = "scipy.sparse.linalg._isolve.tests"


def substituted(name):
    """The tests of SciPy's module, which call ``wellposed.linalg``."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    if spec is None or spec.origin is None:
        pytest.skip("this SciPy was installed without its tests", allow_module_level=True)
    source = Path(spec.origin).read_text()
    function = name.removeprefix("test_")
    theirs, ours = f"from scipy.sparse.linalg import {function}", f"from wellposed.linalg import {function}"
    assert source.count(theirs) == 1
    source = source.replace(theirs, ours).replace("from .test_lsqr import", f"from {PACKAGE}.test_lsqr import")
    module = types.ModuleType(name)
    # their data are random without a seed
    np.random.seed(1)
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    assert getattr(module, function).__module__ == "wellposed.linalg"
    found = {key: value for key, value in vars(module).items() if key.lower().startswith("test")}
    assert found
    return {f"{key}_{name}" if key.startswith("test") else f"{key}{name}": value for key, value in found.items()}


globals().update(substituted("test_lsqr"))
globals().update(substituted("test_lsmr"))
