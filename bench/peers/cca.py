# SPDX-License-Identifier: MIT
"""Closed form CCA of two float32 .npy arrays by one of the peers. Prints one JSON object.

The clock runs from the arrays in memory to the weights, as in `mucmm bench closed-form`.
"""
import argparse
import json
import time

import numpy as np


def numpy_cca(x, y, k, ridge, dtype):
    """Covariance blocks by matrix products in dtype; factorizations in float64 (SciPy)."""
    from scipy import linalg as la

    def centred(a):
        # The mean is taken in float64 in either case.
        return np.subtract(a, a.mean(0, dtype=np.float64).astype(dtype), dtype=dtype)

    x, y = centred(x), centred(y)
    n = len(x) - 1

    def factor(a):
        s = (a.T @ a).astype(np.float64) / n
        s[np.diag_indices_from(s)] += ridge * np.trace(s) / len(s)
        return la.cholesky(s, lower=True, overwrite_a=True, check_finite=False)

    def solve(lower, b, trans=0):
        return la.solve_triangular(lower, b, trans=trans, lower=True, check_finite=False)

    lx, ly = factor(x), factor(y)
    t = solve(lx, (x.T @ y).astype(np.float64) / n)
    t = solve(ly, t.T).T
    u, rho, vt = la.svd(t, full_matrices=False, check_finite=False)
    weights = solve(lx, u[:, :k], "T"), solve(ly, vt[:k].T, "T")
    return rho[:k], weights


def textbook_cca(x, y, k):
    """As the formula is usually written down: np.cov, inverse square roots, SVD."""
    p = x.shape[1]
    s = np.cov(np.hstack((x, y)), rowvar=False)

    def inverse_root(a):
        values, vectors = np.linalg.eigh(a)
        return vectors / np.sqrt(values) @ vectors.T

    a, b = inverse_root(s[:p, :p]), inverse_root(s[p:, p:])
    u, rho, vt = np.linalg.svd(a @ s[:p, p:] @ b)
    return rho[:k], (a @ u[:, :k], b @ vt[:k].T)


def statsmodels_cca(x, y, k, ridge):
    from statsmodels.multivariate.cancorr import CanCorr
    fit = CanCorr(x.astype(np.float64), y.astype(np.float64))
    return fit.cancorr[:k], (fit.y_cancoef[:, :k], fit.x_cancoef[:, :k])


def sklearn_cca(x, y, k, ridge):
    from sklearn.cross_decomposition import CCA
    fit = CCA(n_components=k, scale=False).fit(x, y)
    a, b = fit.transform(x, y)
    rho = [np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(k)]
    return np.array(rho), (fit.x_rotations_, fit.y_rotations_)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("program", choices=["numpy-cov", "numpy-float64", "numpy-float32", "statsmodels",
                                       "sklearn"])
    a.add_argument("left")
    a.add_argument("right")
    a.add_argument("--common", type=int, default=50)
    a.add_argument("--ridge", type=float, default=0.0, help="NumPy: in units of the mean variance")
    a.add_argument("--repeats", type=int, default=1)
    a.add_argument("--rows", type=int, help="only the first rows")
    o = a.parse_args()

    x, y = np.load(o.left)[:o.rows], np.load(o.right)[:o.rows]
    best = np.inf
    for _ in range(o.repeats):
        start = time.perf_counter()
        if o.program == "numpy-cov":
            rho, _ = textbook_cca(x, y, o.common)
        elif o.program.startswith("numpy"):
            rho, _ = numpy_cca(x, y, o.common, o.ridge, np.dtype(o.program.split("-")[1]))
        elif o.program == "statsmodels":
            rho, _ = statsmodels_cca(x, y, o.common, o.ridge)
        else:
            rho, _ = sklearn_cca(x, y, o.common, o.ridge)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"seconds": best, "correlations": sorted(rho.tolist(), reverse=True)}))


if __name__ == "__main__":
    main()
