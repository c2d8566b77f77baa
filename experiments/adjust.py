# SPDX-License-Identifier: MIT
"""Taking out what is known: a batch effect in both views, with and without `--adjust`; p-values of independent views that share
only covariates."""
import csv
import os

import numpy as np

from common import OUT, accuracy, mucmm, r2

BATCHES = 4
ALPHA = 0.05


def batch_views(n, r, p=20, effect=3.0, noise=0.5):
    """Two shared latents and three private ones a view, and a batch that moves every column by `effect` standard deviations of
    what else there is."""
    s, batch = r.normal(size=(n, 2)), r.integers(0, BATCHES, n)
    views = []
    for _ in range(2):
        x = s @ r.normal(size=(2, p)) + r.normal(size=(n, 3)) @ r.normal(size=(3, p)) + noise * r.normal(size=(n, p))
        views.append(x + effect * x.std() * r.normal(size=(BATCHES, p))[batch])
    return views, s, batch


def null_views(n, r, p=6):
    """Views that are independent but for what age (not linearly) and a site with twelve levels do to both."""
    age, site = r.uniform(20, 80, n), r.integers(0, 12, n)
    curve = ((age - 50) / 20) ** 2
    views = [r.normal(size=(n, p)) + np.outer((age - 50) / 15, r.normal(size=p)) + np.outer(curve, r.normal(size=p))
             + r.normal(size=(12, p))[site] for _ in range(2)]
    return views, age, site


def write_table(path, head, *columns):
    with open(path, 'w', newline='') as f:
        w = csv.writer(f)
        w.writerow(head)
        w.writerows(zip(*columns))


def write_views(folder, part, views):
    options = []
    for name, x in zip('ab', views):
        file = os.path.join(folder, '%s.%s.npy' % (name, part))
        np.save(file, x.astype(np.float32))
        options += ['--view', '%s=%s' % (name, file)]
    return options


def batch_run(o, seed, folder, adjust):
    n = 300 if o.quick else 1000
    r = np.random.default_rng(seed)
    views, s, batch = batch_views(2 * n, r)
    given, c = {}, []
    for part, rows in (('train', slice(None, n)), ('test', slice(n, None))):
        table = os.path.join(folder, part + '.csv')
        write_table(table, ['batch'], ['b%d' % b for b in batch[rows]])
        given[part] = write_views(folder, part, [v[rows] for v in views]) + ['--covariates', table]
    model = os.path.join(folder, 'model.mucmm')
    options = ['--adjust', 'batch'] if adjust else []
    mucmm('fit', *given['train'], '--common', 2, '--individual', 3, '--head', 'linear', '--seed', seed, '--threads', o.threads,
          *options, *o.fit, '-o', model)
    for part in ('train', 'test'):
        mucmm('transform', model, *given[part], '--threads', o.threads, '-o', folder)
        c.append(np.load(os.path.join(folder, 'a.common.npy')))
    return {'R2 of the shared latents': r2(c, s, n, nonlinear=False), 'accuracy of the batch (chance %.2f)' % (1 / BATCHES):
            accuracy(c, batch, n)}


def null_share(o, seed, folder, options):
    """Of fits to views that share nothing but covariates: how many call a component significant on the held-out rows."""
    runs, n, found = (10, 300, 0) if o.quick else (50, 300, 0)
    for run in range(runs):
        r = np.random.default_rng([seed, run])
        views, age, site = null_views(n, r)
        table = os.path.join(folder, 'null.csv')
        write_table(table, ['age', 'site'], age, ['s%d' % i for i in site])
        found += min(mucmm('fit', *write_views(folder, 'null', views), '--covariates', table, '--common', 2, '--individual', 1,
                           '--head', 'linear', '--validation', 0.3, '--seed', run, '--threads', o.threads, '--json', *options,
                           '-o', os.path.join(folder, 'null.mucmm'))['held_out']['p_values']) <= ALPHA
    return {'fits with p <= %.2f' % ALPHA: found / runs}


def adjust(o, seed):
    folder = os.path.join(OUT, 'adjust')
    os.makedirs(folder, exist_ok=True)
    return {
        'c of new rows, a batch effect of three standard deviations in both views': {
            'as given': batch_run(o, seed, folder, False), '`--adjust batch`': batch_run(o, seed, folder, True)},
        'Independent views, 300 rows, both moved by age (not linearly) and by a site of twelve': {
            'as given': null_share(o, seed, folder, []),
            '`--adjust age,site`': null_share(o, seed, folder, ['--adjust', 'age,site']),
            '`--adjust age,site --adjust-nonlinear 4`':
                null_share(o, seed, folder, ['--adjust', 'age,site', '--adjust-nonlinear', '4'])}}
