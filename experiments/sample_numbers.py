# SPDX-License-Identifier: MIT
"""Numbers that are printed about components and about single samples, against known truth: which heads are kept, coverage of error bars, the
score of a mismatch, robustness. Random numbers: generators.Draws."""
import os

import numpy as np

from common import mucmm
from generators import Draws


def write(where, name, views):
    """Files of the views; the options that name them."""
    os.makedirs(where, exist_ok=True)
    options = []
    for letter, x in zip('abc', views):
        file = os.path.join(where, '%s.%s.npy' % (letter, name))
        np.save(file, np.ascontiguousarray(x, np.float32))
        options += ['--view', '%s=%s' % (letter, file)]
    return options


def fit(o, where, views, *options):
    """(model, what fit says) of all rows of the views."""
    model = os.path.join(where, 'model.mucmm')
    said = mucmm('fit', *write(where, 'train', views), '--threads', o.threads, *options, *o.fit, '-o', model, '--json')
    return model, said


# ---- which heads are kept ------------------------------------------------------------------------

def gaussian(draw, n, shared=2):
    """Jointly Gaussian views of ten columns, two shared latents that each view sees with a correlation of .97: 2.1 nats."""
    z = draw.normal(0, n, shared)
    views = []
    for m in range(2):
        own = draw.normal(1 + m, n, 5)
        own[:, :shared] = .97 * z + np.sqrt(1 - .97 ** 2) * own[:, :shared]
        views.append(own @ draw.normal(3 + m, 5, 10) + .1 * draw.normal(5 + m, n, 10))
    return views


def xor(draw, n):
    """Two signs a view, its own but for their product."""
    s = np.sign(draw.normal(0, n, 1))
    return [np.hstack((np.sign(z[:, :1]) * s, np.sign(z[:, :1]), z[:, 1:])) + .15 * draw.normal(5 + m, n, 5)
            for m, z in ((m, draw.normal(1 + m, n, 4)) for m in range(2))]


def phase(draw, n):
    """One view knows an angle, the other its double."""
    t = 2 * np.pi * draw.uniform(0, n)
    return [np.hstack((1.4 * np.cos(f * t)[:, None], 1.4 * np.sin(f * t)[:, None], draw.normal(f, n, 3))) + .15 * draw.normal(5 + f, n, 5)
            for f in (1, 2)]


def gain(draw, n):
    """Noise of a size that is shared."""
    s = draw.normal(0, n, 1)
    return [np.hstack((np.exp(.7 * s) * draw.normal(1 + m, n, 4), draw.normal(3 + m, n, 2))) for m in range(2)]


NONLINEAR = {'product of two signs': (xor, 1), 'phase': (phase, 2), 'gain': (gain, 1)}


def kept(o, where, seed):
    """Is the closed form kept (`--head auto`)? 4,000 rows; networks of two layers of 64."""
    options = ['--individual', 1, '--individual-epochs', 1, '--hidden', '64,64', '--batch', 1000, '--seed', seed]
    rows = {}
    for k in range(2, 7):
        _, said = fit(o, where, gaussian(Draws(seed), 4000), '--common', k, *options)
        rows['jointly Gaussian, k = %d' % k] = {'closed form kept': float('common' in said['closed_form_kept'])}
    for name, (make, k) in NONLINEAR.items():
        draw = Draws(seed)
        views = make(draw, 4000)
        views = [x @ draw.normal(20 + m, x.shape[1], 16) / 2 + .05 * draw.normal(30 + m, len(x), 16) for m, x in enumerate(views)]
        _, said = fit(o, where, views, '--common', k, *options)
        rows[name] = {'closed form kept': float('common' in said['closed_form_kept'])}
    return {'Heads that `--head auto` keeps': rows}
