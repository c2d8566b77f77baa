# SPDX-License-Identifier: MIT
"""Steps of training the common heads of two views in PyTorch (Deep CCA).

The network and the step of `mucmm bench train`: MLP with BatchNorm and exact GELU plus a linear
skip, input noise, the sum of the canonical correlations of a batch in float64, AdamW.
Prints one JSON object: rows (pairs) per second over all timed steps.
"""
import argparse
import json
import time

import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, features, hidden, common):
        super().__init__()
        layers, width = [], features
        for h in hidden:
            layers += [nn.Linear(width, h), nn.BatchNorm1d(h), nn.GELU()]
            width = h
        self.mlp = nn.Sequential(*layers, nn.Linear(width, common))
        self.skip = nn.Linear(features, common, bias=False)

    def forward(self, x):
        return self.mlp(x) + self.skip(x)


def loss_of(f, g, ridge=1e-4):
    """Minus the sum of the canonical correlations: the trace norm of the whitened cross covariance."""
    f, g = f.double(), g.double()
    f, g = f - f.mean(0), g - g.mean(0)
    n, eye = len(f), torch.eye(f.shape[1], dtype=torch.float64)
    sff, sgg, sfg = (f.T @ f) / (n - 1), (g.T @ g) / (n - 1), (f.T @ g) / (n - 1)
    lf = torch.linalg.cholesky(sff + ridge * eye)
    lg = torch.linalg.cholesky(sgg + ridge * eye)
    t = torch.linalg.solve_triangular(lf, sfg, upper=False)
    t = torch.linalg.solve_triangular(lg, t.T, upper=False)
    return -torch.linalg.svdvals(t).sum()


def best_product(o):
    """GFLOP/s of the fastest of the hidden layers' matrix products, best of 5."""
    best, width = 0.0, o.features
    for h in o.hidden:
        for m, n, k in ((o.batch, h, width), (width, h, o.batch)):
            a, b, c = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
            for _ in range(5):
                start = time.perf_counter()
                torch.mm(a, b, out=c)
                best = max(best, 2e-9 * m * n * k / (time.perf_counter() - start))
        width = h
    return best


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--steps", type=int, default=20)
    a.add_argument("--warmup", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rows", type=int, default=20000, help="rows the batches are drawn from")
    a.add_argument("--batch", type=int, default=2000)
    a.add_argument("--features", type=int, default=768)
    a.add_argument("--hidden", type=int, nargs="*", default=[1024, 1024])
    a.add_argument("--common", type=int, default=64)
    a.add_argument("--noise", type=float, default=0.1)
    o = a.parse_args()

    torch.set_num_threads(o.threads)
    torch.set_flush_denormal(True)
    torch.backends.mkldnn.flags(enabled=True)  # oneDNN where PyTorch has it: not for float32 products
    torch.manual_seed(1)
    shared = torch.randn(o.rows, o.common)
    views = [shared @ torch.randn(o.common, o.features) / o.common ** 0.5
             + torch.randn(o.rows, o.features) for _ in range(2)]
    heads = nn.ModuleList(Head(o.features, o.hidden, o.common) for _ in views)
    adam = torch.optim.AdamW(heads.parameters(), lr=1e-3, weight_decay=1e-4, foreach=True)

    start = None
    for step in range(o.warmup + o.steps):
        if step == o.warmup:
            start = time.perf_counter()
        rows = torch.randint(o.rows, (o.batch,))
        out = []
        for head, view in zip(heads, views):
            x = view[rows]
            x += o.noise * torch.randn(o.batch, o.features)
            out.append(head(x))
        loss = loss_of(*out)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    seconds = time.perf_counter() - start

    print(json.dumps({"rows_per_second": o.steps * o.batch / seconds,
                      "best_gemm_gflops": best_product(o), "correlation": -loss.item()}))


if __name__ == "__main__":
    main()
