# SPDX-License-Identifier: MIT
"""Single cells that are missing at random: what they cost with `--missing allow`, beside means of the columns and complete rows."""
import os

import numpy as np

from common import mucmm

SHARES = (0.05, 0.2, 0.4)
N = {'train': 600, 'test': 1000}


def planted(r, n, p=12):
    """Three shared latents of falling strength and two private ones a view, noise of half their size."""
    shared, views = r.normal(size=(n, 3)), []
    strength = np.array([0.95, 0.85, 0.7])
    for _ in range(2):
        own = strength * shared + np.sqrt(1 - strength ** 2) * r.normal(size=(n, 3))
        x = own @ r.normal(size=(3, p)) + r.normal(size=(n, 2)) @ r.normal(size=(2, p))
        views.append(x + 0.5 * x.std() * r.normal(size=(n, p)))
    return views


def write(folder, part, views):
    options = []
    for name, x in zip('ab', views):
        file = os.path.join(folder, '%s.%s.npy' % (name, part))
        np.save(file, x.astype(np.float32))
        options += ['--view', '%s=%s' % (name, file)]
    return options


def means(views, means_of):
    return [np.where(np.isnan(x), np.nanmean(m, 0), x) for x, m in zip(views, means_of)]


def total(o, seed, folder, head, train, test, missing):
    """Held-out total correlation of new rows that have the same holes; None where too few rows are left to fit."""
    options = ['--missing', missing] if missing else []
    if missing == 'drop' and min(np.isfinite(np.hstack(rows)).all(1).sum() for rows in (train, test)) < 50:
        return None
    model = os.path.join(folder, 'model.mucmm')
    mucmm('fit', *write(folder, 'train', train), '--common', 3, '--individual', 2, '--head', head, '--seed', seed, '--threads',
          o.threads, *options, *o.fit, '-o', model)
    return mucmm('score', model, *write(folder, 'test', test), '--permutations', 0, '--threads', o.threads, '--json', *options)[
        'total_correlation']


def missing_cells(o, seed, folder):
    os.makedirs(folder, exist_ok=True)
    r = np.random.default_rng(seed)
    both = planted(r, sum(N.values()))
    holes = [r.uniform(size=x.shape) for x in both]
    result = {}
    for head in ('linear', 'mlp'):
        rows = {'complete': {}, '--missing allow': {}, 'column means': {}, '--missing drop': {}}
        whole = [[x[:N['train']] for x in both], [x[N['train']:] for x in both]]
        complete = total(o, seed, folder, head, *whole, None)
        for share in SHARES:
            cut = [np.where(h < share, np.nan, x) for x, h in zip(both, holes)]
            train, test = [x[:N['train']] for x in cut], [x[N['train']:] for x in cut]
            column = '%g %% missing' % (100 * share)
            rows['complete'][column] = complete
            rows['--missing allow'][column] = total(o, seed, folder, head, train, test, 'allow')
            rows['column means'][column] = total(o, seed, folder, head, means(train, train), means(test, train), None)
            dropped = total(o, seed, folder, head, train, test, 'drop')
            if dropped is not None:
                rows['--missing drop'][column] = dropped
        result['total correlation of new rows, head %s' % head] = rows
        result['loss against complete data, head %s' % head] = {
            way: {column: complete - value for column, value in of.items()} for way, of in rows.items() if way != 'complete'}
    return result
