"""What is no plain array, made into what the extension module reads. Nothing is copied that need not be."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._errors import Error

_DEVICES = "copy it to the host first (.cpu() in PyTorch, .get() in CuPy)"


def array(data: Any, what: str) -> np.ndarray:
    """An ndarray (no subclass) of lists, frames, series, masked arrays without masked entries, and DLPack arrays."""
    if isinstance(data, np.ma.MaskedArray):
        if np.ma.is_masked(data):
            raise Error(f"{what} has masked entries: fill them or leave their rows out")
        return np.asarray(data.data)
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    if _is_sparse(data):
        raise TypeError(f"{what} is a sparse matrix, but a dense array is needed: {what}.toarray()")
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, (pandas.DataFrame, pandas.Series)):
        return _of_frame(data, what)
    if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
        return _of_dlpack(data, what)
    if hasattr(data, "__dlpack_device__") and data.__dlpack_device__()[0] not in (1, 3, 11):
        raise TypeError(f"{what} is in the memory of a device: {_DEVICES}")
    try:
        return np.asarray(data)
    except ValueError as error:
        raise Error(f"{what} is no rectangular array of numbers ({error}): give all its rows the same length") from None


def matrix(data: Any, what: str) -> tuple[Any, ...]:
    """(array, names) of what is dense, (by rows, shape, starts, indices, values) of what is sparse, (object, shape, sample) of
    what has products."""
    if _is_sparse(data):
        return _of_sparse(data, what)
    if hasattr(data, "matvec") and hasattr(data, "shape"):
        return _of_products(data, what)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        sparse = [isinstance(dtype, pandas.SparseDtype) for dtype in data.dtypes]
        if sparse and all(sparse):
            return _of_sparse(data.sparse.to_coo(), what)
        return _of_frame(data, what), list(data.columns)
    return array(data, what), None


def _is_sparse(data: Any) -> bool:
    # without importing scipy: what is sparse has imported it
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(data)


def _of_frame(data: Any, what: str) -> np.ndarray:
    values = data.to_numpy()
    if values.dtype == object:
        # a frame of mixed columns, or of pandas' own types with missing values
        missing = data.isna().to_numpy()
        if missing.any():
            place = ", ".join(str(index) for index in np.argwhere(missing)[0])
            raise Error(f"{what} has a missing value at {place}: drop its row or impute it before the call")
        try:
            return data.to_numpy(dtype=float)
        except (TypeError, ValueError):
            raise TypeError(f"{what} has columns that are no numbers: encode them first (pandas.get_dummies)") from None
    return np.asarray(values)


def _of_dlpack(data: Any, what: str) -> np.ndarray:
    try:
        return np.from_dlpack(data)
    except (BufferError, RuntimeError, TypeError) as error:
        raise TypeError(f"{what} cannot be read through DLPack ({error}): {_DEVICES}") from None


def _of_sparse(data: Any, what: str) -> tuple[Any, ...]:
    if data.ndim != 2:
        raise Error(f"{what} is a sparse array of {data.ndim} dimensions, but 2 are needed")
    if data.format not in ("csr", "csc"):
        data = data.tocsr()
    rows, columns = data.shape
    values = np.ascontiguousarray(data.data)
    if values.dtype == bool or values.dtype.kind in "iu":
        values = values.astype(float)
    return data.format == "csr", (rows, columns), np.asarray(data.indptr), np.asarray(data.indices), values


def _of_products(data: Any, what: str) -> tuple[Any, ...]:
    if not hasattr(data, "rmatvec"):
        raise TypeError(f"{what} has matvec and no rmatvec: both products are needed, A x and the one with the conjugate transpose")
    try:
        rows, columns = (int(length) for length in data.shape)
    except (TypeError, ValueError):
        raise Error(f"{what}.shape is {data.shape!r}, but (rows, columns) is needed") from None
    dtype = np.dtype(getattr(data, "dtype", None) or float)
    return data, (rows, columns), np.empty(0, dtype)
