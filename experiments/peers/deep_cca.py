# SPDX-License-Identifier: MIT
"""Deep CCA (Andrew et al. 2013) in PyTorch, with what is known to help it: BatchNorm and GELU, a linear skip, input noise, AdamW
with a one-cycle schedule, and early stopping on held-out rows by the correlations of fixed projections.

The head and the objective are those of bench/peers/torch_train.py, which is measured there for speed."""
import copy
import os
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', '..', 'bench', 'peers'))
from cca import numpy_cca  # noqa: E402
from torch_train import Head, loss_of  # noqa: E402


def outputs(heads, views):
    heads.eval()
    with torch.no_grad():
        return [torch.cat([h(x) for x in torch.split(v, 5000)]).double().numpy() for h, v in zip(heads, views)]


def project(fitted, k):
    """The linear canonical form of outputs: (mean, weights) of every view."""
    _, weights = numpy_cca(*fitted, k, 1e-8, np.dtype('float64'))
    return [(f.mean(0), w) for f, w in zip(fitted, weights)]


def variates(projections, out):
    return [(o - mean) @ w for o, (mean, w) in zip(out, projections)]


def total(c):
    return float(sum(np.corrcoef(c[0][:, j], c[1][:, j])[0, 1] for j in range(c[0].shape[1])))


def deep_cca(views, n_train, k, hidden=(512, 512), epochs=40, batch=2000, noise=0.3, rate=2e-3, seed=1):
    """views: two float32 [n, p]; the rows from n_train on are the test rows. Returns [(training, test) variates]."""
    torch.manual_seed(seed)
    scaled = []
    for v in views:
        mean = v[:n_train].mean(0)
        scale = np.sqrt(v[:n_train].var(0).mean())
        scaled.append(torch.from_numpy(((v - mean) / scale).astype(np.float32)))
    order = torch.randperm(n_train)
    held, rest = order[:n_train // 10], order[n_train // 10:]
    batch = min(batch, len(rest))
    heads = nn.ModuleList(Head(v.shape[1], hidden, k) for v in scaled)
    adam = torch.optim.AdamW(heads.parameters(), lr=rate, weight_decay=1e-4)
    steps = len(rest) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=epochs * steps)
    best, kept = -np.inf, None
    for _ in range(epochs):
        heads.train()
        for rows in rest[torch.randperm(len(rest))].split(batch)[:steps]:
            x = [v[rows] for v in scaled]
            loss = loss_of(*(h(a + noise * torch.randn_like(a)) for h, a in zip(heads, x)))
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            schedule.step()
        fixed = project(outputs(heads, [v[rest[:5000]] for v in scaled]), k)
        value = total(variates(fixed, outputs(heads, [v[held] for v in scaled])))
        if value > best:
            best, kept = value, copy.deepcopy(heads.state_dict())
    heads.load_state_dict(kept)
    out = outputs(heads, scaled)
    c = variates(project([o[:n_train] for o in out], k), out)
    return [(a[:n_train], a[n_train:]) for a in c]
