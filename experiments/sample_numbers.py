# SPDX-License-Identifier: MIT
"""Numbers that are printed about components and about single samples, against known truth: which heads are kept, coverage of error bars, the
score of a mismatch, robustness. Random numbers: generators.Draws."""
import csv
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


# ---- numbers of one sample -----------------------------------------------------------------------

def planted(draw, mixing, n, kind):
    """Three shared latents, seen with correlations .9, .7, .5 (or through noise that grows with them), three own, ten columns."""
    if kind == 'binary latents':
        z = np.sign(draw.normal(0, n, 3))
    elif kind == 'exponential latents':
        z = -np.log(draw.uniform(0, n, 3)) - 1
    elif kind == 'heavy tails':
        z = draw.normal(0, n, 3) / np.sqrt((draw.normal(10, n, 15).reshape(n, 3, 5) ** 2).sum(2) / 3)
    else:
        z = draw.normal(0, n, 3)
    r, views = np.sqrt([.9, .7, .5]), []
    for m in range(2):
        e = draw.normal(1 + m, n, 3)
        seen = z + .8 * np.abs(z) * e if kind == 'noise grows with the latent' else r * z + np.sqrt(1 - r ** 2) * e
        own = draw.normal(3 + m, n, 3) * (1 if kind == 'noise grows with the latent' else 1.5)
        views.append(np.hstack((seen, own)) @ mixing[m] + .3 * draw.normal(5 + m, n, 10))
    return views


def area(high, low):
    """Share of pairs in which the first is larger."""
    rank = np.argsort(np.argsort(np.concatenate((high, low))))[:len(high)]
    return (rank.sum() - len(high) * (len(high) - 1) / 2) / len(high) / len(low)


def scored(o, where, model, name, views):
    table = os.path.join(where, name + '.csv')
    mucmm('score', model, *write(where, name, views), '--permutations', 0, '--threads', o.threads, '-o', table)
    with open(table) as f:
        rows = list(csv.DictReader(f))
    return {key: np.array([float(r[key]) for r in rows]) for key in ('common', 'match')}


CASES = ('Gaussian', 'binary latents', 'exponential latents', 'heavy tails', 'noise grows with the latent')


def samples(o, where, seed):
    """1,000 rows of fit, 2,000 others; k = 3, closed form: coverage of predicted +- 1.96 sd by tenths of sd; area under the curve
    of pairs against mismatched pairs."""
    coverage, match = {}, {}
    for kind in CASES:
        mixing = [Draws(seed).normal(40 + m, 6, 10) for m in range(2)]
        train, test = planted(Draws(1000 + seed), mixing, 1000, kind), planted(Draws(2000 + seed), mixing, 2000, kind)
        model, _ = fit(o, where, train, '--common', 3, '--individual', 1, '--head', 'linear', '--seed', seed)
        mucmm('transform', model, *write(where, 'test', test), '--threads', o.threads, '-o', where)
        true = np.load(os.path.join(where, 'b.common.npy'))
        mucmm('transform', model, *write(where, 'one', test[:1]), '--threads', o.threads, '-o', where)
        predicted, sd = (np.load(os.path.join(where, 'b.common-%s.npy' % s)) for s in ('predicted', 'sd'))
        inside = np.abs(true - predicted) <= 1.96 * sd
        tenths = np.mean([[part.mean() for part in np.array_split(inside[np.argsort(sd[:, j], kind='stable'), j], 10)]
                          for j in range(3)], 0)
        coverage[kind] = {'all': inside.mean(), **{'tenth %d' % (i + 1): t for i, t in enumerate(tenths)}}
        order = np.roll(np.arange(len(test[1])), 1)
        pairs, others = scored(o, where, model, 'pairs', test), scored(o, where, model, 'others', [test[0], test[1][order]])
        match[kind] = {'common score': area(pairs['common'], others['common']), 'match': area(pairs['match'], others['match'])}
    return {'Coverage of predicted +- 1.96 sd, by tenths of sd': coverage, 'Pairs against mismatched pairs: area under the curve': match}


# ---- robustness ----------------------------------------------------------------------------------

def heavy(draw, mixing, n):
    """Three latents, seen with correlations .9, .8, .7; noise of t with 1.5 degrees of freedom, and 1 % rows far out."""
    z, r, views = draw.normal(0, n, 3), np.sqrt([.9, .8, .7]), []
    for m in range(2):
        seen = np.hstack((r * z + np.sqrt(1 - r ** 2) * draw.normal(1 + m, n, 3), draw.normal(3 + m, n, 2)))
        # a gamma variable of shape .75 by three normal ones: chi-square with 1.5 degrees of freedom, nearly
        chi = (draw.normal(7 + m, n, 20).reshape(n, 10, 2) * [1, np.sqrt(.5)]) ** 2
        x = seen @ mixing[m] + .1 * draw.normal(5 + m, n, 10) / np.sqrt(chi.sum(2) / 1.5)
        out = draw.uniform(9 + m, n) < .01
        x[out] += 30 * draw.normal(11 + m, n, 10)[out]
        views.append(x)
    return views


def robust(o, where, seed):
    """Total correlation of three planted components on 2,000 new rows, fitted to 2,000; k = 3, closed form."""
    mixing = [Draws(seed).normal(40 + m, 5, 10) for m in range(2)]
    train, test = heavy(Draws(1000 + seed), mixing, 2000), heavy(Draws(2000 + seed), mixing, 2000)
    rows = {}
    for kind in ('none', 'winsor', 'rank'):
        model, _ = fit(o, where, train, '--common', 3, '--individual', 1, '--head', 'linear', '--robust', kind)
        said = mucmm('score', model, *write(where, 'test', test), '--permutations', 0, '--threads', o.threads, '--json')
        rows[kind] = {'total correlation, new rows': said['total_correlation']}
    return {'Noise with heavy tails and 1 % outliers': rows}
