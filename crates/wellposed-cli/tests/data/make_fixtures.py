"""Writes the .npy, .npz, .mtx and .png files of this folder with NumPy, SciPy and zlib: what the readers are compared with.

Every file holds the same numbers, M[i, j] = (i + 1) + (j + 1)/8 for 3x4 and V = (1.5, -2.25, 4), complex ones with i + j/4
as the imaginary part, booleans M > 2, integers floor(M) with alternating signs where there are signs. Run it here:
python make_fixtures.py
"""
import struct
import zlib

import numpy as np
import scipy.io
import scipy.sparse

i, j = np.mgrid[0:3, 0:4]
M = (i + 1.0) + (j + 1.0) / 8
V = np.array([1.5, -2.25, 4.0])
C = M + 1j * (i + j / 4)
I = np.floor(M) * (-1.0) ** (i + j)

for kind in ["f4", "f8"]:
    for order in "<>":
        name = {"<": "little", ">": "big"}[order]
        np.save(f"{kind}_{name}_c.npy", M.astype(order + kind))
        np.save(f"{kind}_{name}_fortran.npy", np.asfortranarray(M.astype(order + kind)))
for kind in ["c8", "c16"]:
    np.save(f"{kind}_little_c.npy", C.astype("<" + kind))
    np.save(f"{kind}_big_fortran.npy", np.asfortranarray(C.astype(">" + kind)))
for kind in ["i1", "i2", "i4", "i8"]:
    np.save(f"{kind}_little_c.npy", I.astype("<" + kind))
    np.save(f"{kind}_big_fortran.npy", np.asfortranarray(I.astype(">" + kind)))
for kind in ["u1", "u2", "u4", "u8"]:
    np.save(f"{kind}_little_c.npy", np.floor(M).astype("<" + kind))
    np.save(f"{kind}_big_fortran.npy", np.asfortranarray(np.floor(M).astype(">" + kind)))
np.save("bool.npy", M > 2)
np.save("vector.npy", V)
for version in [(2, 0), (3, 0)]:
    with open(f"version{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, M, version=version)
np.savez("stored.npz", A=M, b=V)
np.savez_compressed("compressed.npz", A=M, b=V)
np.savez("single.npz", C)
np.savetxt("savetxt.txt", M)

scipy.io.mmwrite("array_real.mtx", M, precision=17)
scipy.io.mmwrite("array_complex.mtx", C, precision=17)
scipy.io.mmwrite("array_integer.mtx", I.astype(int))
scipy.io.mmwrite("coordinate_real.mtx", scipy.sparse.coo_array(M), precision=17)
S = M[:, :3] + M[:, :3].T
K = M[:, :3] - M[:, :3].T
H = C[:, :3] + C[:, :3].conj().T
for name, matrix, symmetry in [("symmetric", S, "symmetric"), ("skew", K, "skew-symmetric"), ("hermitian", H, "hermitian")]:
    scipy.io.mmwrite(f"array_{name}.mtx", matrix, precision=17, symmetry=symmetry)
    scipy.io.mmwrite(f"coordinate_{name}.mtx", scipy.sparse.coo_array(matrix), precision=17, symmetry=symmetry)
np.savez("symmetric.npz", symmetric=S, skew=K, hermitian=H)


def png(name, color, depth, rows):
    """Filter 0 only: this writes, it does not compress well."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width = len(rows), rows[0][1]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row, _ in rows))
    with open(name, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


# 2x3 pixels: 0, 51, 102 / 153, 204, 255
grey = [[0, 51, 102], [153, 204, 255]]
png("grey8.png", 0, 8, [(bytes(row), 3) for row in grey])
png("grey16.png", 0, 16, [(b"".join(struct.pack(">H", 257 * v) for v in row), 3) for row in grey])
png("rgb8.png", 2, 8, [(bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]), 3), (bytes([51] * 3 + [0] * 3 + [255] * 3), 3)])
png("rgba_clear.png", 6, 8, [(bytes([1, 2, 3, 4]), 1)])
