# SPDX-License-Identifier: MIT
"""Seconds for the correlations of k pairs of columns under permutations of the rows of one side, in NumPy."""
import argparse
import json
import time

import numpy as np

a = argparse.ArgumentParser()
a.add_argument("--rows", type=int, required=True)
a.add_argument("--common", type=int, required=True)
a.add_argument("--permutations", type=int, required=True)
o = a.parse_args()

rng = np.random.default_rng(1)
left, right = (rng.random((o.rows, o.common)) for _ in range(2))
start = time.perf_counter()
left, right = (x - x.mean(0) for x in (left, right))
left, right = (x / np.sqrt((x * x).sum(0)) for x in (left, right))
correlations = np.array([np.einsum("ij,ij->j", left, right[rng.permutation(o.rows)]) for _ in range(o.permutations)])
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "largest": float(correlations.max())}))
