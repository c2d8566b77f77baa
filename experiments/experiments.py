# SPDX-License-Identifier: MIT
"""experiments.py NAME [OPTION ...] - one experiment; its results go to build/experiments/NAME.json.

Every model is fitted by `mucmm fit` on the training rows; everything is measured on test rows that fit never saw, beside the
linear yardstick and the ceiling, which is the same probe on the true latents or on the raw view."""
import argparse
import csv
import fcntl
import functools
import gzip
import json
import os
import re
import signal
import sys
import time

import numpy as np
import threadpoolctl

import adjust as covariates
import generators
import groups as repeated
import missing_cells as cells
import moving as scenes
import null as nothing_shared
import sample_numbers
import small as few_rows
import spoken
from common import MUCMM, OUT, ROOT, Learned, accuracy, commit, log, mucmm, network_accuracy, r2, save, table_of, together

FASHION = '/usr/share/datasets/fashion-mnist'
EXPERIMENTS = {}


def experiment(seeds, common=None, individual=None):
    """Registers fn(o, seed) -> {table title: {row: {column: number}}}."""
    def add(function):
        if function.__name__ in globals():
            sys.exit('experiment %s hides an import or another one of this name' % function.__name__)
        EXPERIMENTS[function.__name__] = (function, seeds, common, individual)
        return function
    return add


def folder(o, *parts):
    return os.path.join(OUT, o.name, *map(str, parts))


def fit(o, seed, sample, *where):
    options = ['--seed', seed, *o.fit]
    return Learned(folder(o, seed, *where), sample.views, sample.n_train, o.common, o.individual, options, o.threads)


def raw(sample, view):
    return sample.train(sample.views[view]), sample.test(sample.views[view])


# ---- the experiments ---------------------------------------------------------------------------

@experiment([1, 2, 3, 4, 5])
def missing_cells(o, seed):
    """Cells missing at random. The seed varies data, holes and splits."""
    return cells.missing_cells(o, seed, folder(o, seed))


@experiment([1, 2, 3, 4, 5])
def adjust(o, seed):
    """Covariates taken out with --adjust. The seed varies data and splits."""
    return covariates.adjust(o, seed)


@experiment([1, 2, 3, 4, 5])
def composite(o, seed):
    """Planted composite of Fashion-MNIST: `mucmm demo fashion`. The seed varies data, common and individual heads."""
    size = ['--pairs', 3000, '--epochs', 2] if o.quick else []
    r = mucmm('demo', 'fashion', '--seed', seed, '--threads', o.threads, *size, '-o', folder(o, seed), '--json')
    rows = {}
    for m in ('heads', 'linear'):
        d = r[m]
        rows.setdefault('total correlation, test pairs (at most 9)', {})[m] = d['total_correlation_test']
        for cls, name in (('shared', 'shared class'), ('own', 'private class')):
            for part in ('common', 'individual'):
                for reader, value in d['%s_class_from_%s' % (cls, part)].items():
                    rows.setdefault('%s from %s, %s probe' % (name, 'c' if part == 'common' else 'u', reader), {})[m] = \
                        value['mean']
        for part, half in (('common', 'left'), ('individual', 'right')):
            for kind, value in d['%s_map_energy_in_%s_half' % (part, half)].items():
                rows.setdefault('%s score, %s: energy in the %s half' % (part, kind, half), {})[m] = value['mean']
    return {'Mean of both views (chance of a class: 0.10)': rows}


def linear_mixing_rows(o, seed, **settings):
    s = generators.linear_mixing(seed, **settings)
    name = '_'.join('%s=%s' % i for i in settings.items())
    model = fit(o, seed, s, name)
    rows = {}

    def read(label, of, pair, column):
        rows.setdefault('%s to %s' % (of, label), {})[column] = accuracy(pair, s.labels[label], s.n_train)

    for column in ('heads', 'linear'):
        c, u = model.c[column], model.u[column]
        for label in ('yc', 'y1', 'y2'):
            read(label, 'c1', c[0], column)
            read(label, '[c1, c2]', together(*c), column)
        for label in ('yc', 'y1'):
            read(label, 'u1', u[0], column)
        for label in ('yc', 'y2'):
            read(label, 'u2', u[1], column)
    for label, latent in (('yc', 'zs'), ('y1', 'z1'), ('y2', 'z2')):
        value = accuracy((s.train(s.latents[latent]), s.test(s.latents[latent])), s.labels[label], s.n_train)
        for row in rows:
            if row.endswith(' to ' + label):
                rows[row]['true latents'] = value
    return rows


# Wang et al. 2025, read off their figure: n = 90,000, no noise, draws of their own.
PUBLISHED_A = {'[c1, c2] to yc': .783, '[c1, c2] to y1': .674, 'u1 to y1': .738, 'u1 to yc': .574}


@experiment([1, 2], 50, 50)
def disentangled(o, seed):
    """Generator of DisentangledSSL: linear mixing, labels by a random network, logistic regression."""
    n = 3000 if o.quick else 30000
    return {'No noise': linear_mixing_rows(o, seed, n=n),
            'Unit noise': linear_mixing_rows(o, seed, n=n, noise=1.0),
            'Nonlinear (tanh of a quarter of every column), noise 0.1':
                linear_mixing_rows(o, seed, n=n, noise=0.1, nonlinear=True)}


@experiment([1], 50, 50)
def published(o, seed):
    """The setting of DisentangledSSL with as many rows as published."""
    rows = linear_mixing_rows(o, seed, n=3000 if o.quick else 90000)
    for row, value in PUBLISHED_A.items():
        rows[row]['published'] = value
    return {'As published: no noise, n = 90,000': rows}


@experiment([1, 2, 3, 4, 5], 24, 16)
def hidden(o, seed):
    """Half of the shared latents hidden from linear methods; R2 of a network."""
    s = generators.hidden_latents(seed, 4000 if o.quick else 25000)
    model = fit(o, seed, s)
    rows = {}
    reads = [('c1', 0, 'sA'), ('c1', 0, 'sB'), ('c1', 0, 'z1'), ('c2', 1, 'sB'), ('c2', 1, 'z2'), ('u1', 0, 'sA'), ('u1', 0, 'sB'),
             ('u2', 1, 'sA'), ('u2', 1, 'sB'), ('u1', 0, 'z1'), ('u2', 1, 'z2'), ('c1', 0, 'sign'), ('u1', 0, 'sign')]
    for of, view, latent in reads:
        row = rows.setdefault('%s to %s' % (of, latent), {})
        for method in ('heads', 'linear'):
            pair = (model.c if of[0] == 'c' else model.u)[method][view]
            row[method] = r2(pair, s.latents[latent], s.n_train)
    for view, latent in ((0, 'sA'), (0, 'sB'), (1, 'sA'), (1, 'sB'), (0, 'z1'), (1, 'z2'), (0, 'sign')):
        value = r2(raw(s, view), s.latents[latent], s.n_train)
        for of, v, l in reads:
            if v == view and l == latent:
                rows['%s to %s' % (of, l)]['raw view'] = value
    rows['total correlation, test rows'] = dict(model.total)
    return {'R2 of a network on test rows': rows}


def factorcl_rows(o, seed, **settings):
    s = generators.factorized(seed, **settings)
    model = fit(o, seed, s, '_'.join('%s=%s' % i for i in settings.items()))
    rows, y = {}, s.labels['y']
    for column in ('heads', 'linear'):
        c, u = model.c[column], model.u[column]
        for of, pair in (('all representations', together(*c, *u)), ('c1', c[0]), ('[c1, c2]', together(*c)), ('u1', u[0]),
                         ('u2', u[1])):
            rows.setdefault(of, {})[column] = accuracy(pair, y, s.n_train)
    truth = {k: (s.train(a), s.test(a)) for k, a in s.latents.items()}
    for of, pair in (('all representations', together(*truth.values())), ('c1', truth['shared']),
                     ('[c1, c2]', truth['shared']), ('u1', truth['own1']), ('u2', truth['own2'])):
        rows[of]['true latents'] = accuracy(pair, y, s.n_train)
    return rows


@experiment([1, 2, 3, 4, 5], 10, 6)
def factorcl(o, seed):
    """Generator of FactorCL: label from the mean of all latents, logistic regression."""
    n = 3000 if o.quick else 30000
    return {'As released: no noise (published, all representations: supervised .986, self-supervised .972, SimCLR .956)':
                factorcl_rows(o, seed, n=n),
            'Unit noise': factorcl_rows(o, seed, n=n, noise=1.0),
            'Nonlinear (tanh of half of every column), noise 0.1': factorcl_rows(o, seed, n=n, noise=0.1, nonlinear=True)}


def fashion_halves(quick):
    """Left and right halves, 28 x 14, of the 60,000 training and then the 10,000 test images, pixels / 255."""
    images = []
    for part in ('train', 't10k'):
        with gzip.open(os.path.join(FASHION, part + '-images-idx3-ubyte.gz')) as f:
            images.append(np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28))
    if quick:
        images = [images[0][:20000], images[1][:3000]]  # fewer: constant columns, which CanCorr refuses
    pixels = np.concatenate(images).astype(np.float32) / 255
    return [np.ascontiguousarray(pixels[:, :, half]).reshape(len(pixels), -1)
            for half in (slice(0, 14), slice(14, 28))], len(images[0])


def peer_variates(program, views, n_train, k, quick, seed):
    """[(training, test) variates] of a peer, every mean that of the training rows."""
    sys.path.insert(0, os.path.join(ROOT, 'experiments', 'peers'))
    import deep_cca
    if program == 'PyTorch Deep CCA':
        return deep_cca.deep_cca(views, n_train, k, epochs=2 if quick else 40, seed=seed)
    import cca
    call = {'scikit-learn CCA': cca.sklearn_cca, 'statsmodels CanCorr': cca.statsmodels_cca}[program]
    train = [v[:n_train].astype(np.float64) for v in views]
    _, weights = call(*train, k, 0.0)
    return [((t - t.mean(0)) @ w, (v[n_train:] - t.mean(0)) @ w) for t, v, w in zip(train, views, weights)]


def total_correlation(pairs):
    a, b = pairs[0][1], pairs[1][1]
    return float(sum(np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(a.shape[1])))


@experiment([1], 50, 0)
def halves(o, seed):
    """Left and right halves of Fashion-MNIST, 60,000 and 10,000: held-out total correlation of fixed projections, of 50."""
    views, n_train = fashion_halves(o.quick)
    model = Learned(folder(o, seed), views, n_train, o.common, o.individual, ['--seed', seed, *o.fit], o.threads,
                    methods=())
    rows = {'mucmm': {'total correlation': model.total['heads'], 'seconds': model.seconds},
            'mucmm, linear': {'total correlation': model.total['linear']}}
    start = time.perf_counter()
    Learned(folder(o, seed, 'linear'), views, n_train, o.common, o.individual, ['--head', 'linear'], o.threads, methods=())
    rows['mucmm, linear']['seconds'] = time.perf_counter() - start
    for program in ('statsmodels CanCorr', 'PyTorch Deep CCA'):
        start = time.perf_counter()
        pairs = peer_variates(program, views, n_train, int(o.common), o.quick, seed)
        rows[program] = {'total correlation': total_correlation(pairs), 'seconds': time.perf_counter() - start}
    return {'Test rows': rows}


def residual_components(x, c, n_train, q):
    """What a user of a peer can do for an individual part: the leading principal components of what c does not explain linearly."""
    rows = x.astype(np.float64) - x[:n_train].mean(0)
    c = np.vstack(c)
    rest = rows - c @ np.linalg.lstsq(c[:n_train], rows[:n_train], rcond=None)[0]
    _, vectors = np.linalg.eigh(np.cov(rest[:n_train], rowvar=False))
    u = rest @ vectors[:, ::-1][:, :q]
    return u[:n_train], u[n_train:]


@experiment([1], 24, 16)
def peers(o, seed):
    """Peers on the data of `hidden`: held-out total correlation, recovery, linear and nonlinear leakage, time."""
    s = generators.hidden_latents(seed, 4000 if o.quick else 25000)
    k, q = int(o.common), int(o.individual)
    learned = {}
    for name, options in (('mucmm', []), ('mucmm, linear', ['--head', 'linear'])):
        m = Learned(folder(o, seed, name.replace(', ', '-')), s.views, s.n_train, k, q,
                    ['--seed', seed, *options, *o.fit], o.threads, methods=('heads',))
        learned[name] = m.c['heads'], m.u['heads'][0], m.seconds
    for program in ('scikit-learn CCA', 'statsmodels CanCorr', 'PyTorch Deep CCA'):
        start = time.perf_counter()
        c = peer_variates(program, s.views, s.n_train, k, o.quick, seed)
        seconds = time.perf_counter() - start
        learned[program] = c, residual_components(s.views[0], c[0], s.n_train, q), seconds
    rows = {}
    shared = np.hstack((s.latents['sA'], s.latents['sB']))
    for name, (c, u, seconds) in learned.items():
        log('  probes of %s' % name)
        rows[name] = {'total correlation': total_correlation(c),
                      'c1 to sA': r2(c[0], s.latents['sA'], s.n_train), 'c1 to sB': r2(c[0], s.latents['sB'], s.n_train),
                      'u1 to z1': r2(u, s.latents['z1'], s.n_train),
                      'linear leakage': r2(u, shared, s.n_train, nonlinear=False),
                      'nonlinear leakage': r2(u, shared, s.n_train), 'seconds': seconds}
    return {'Test rows; R2; leakage: sA and sB from u1': rows}


OMICS = os.path.join(os.environ.get('MUCMM_SHARED', os.path.join(ROOT, '..', 'shared')), 'data', 'omics')
TABLES = ('mrna', 'mirna', 'protein')


def breast(part, name):
    """(rows as numbers, or the subtypes; names of the columns) of the breast cancer tables of mixOmics."""
    path = os.path.join(OMICS, 'breastTCGA_data.%s_%s.csv' % (part, name))
    if not os.path.exists(path):
        sys.exit('there is no %s; set MUCMM_SHARED to the folder that holds data/omics' % path)
    with open(path) as f:
        header, *rows = csv.reader(f)
    if name == 'subtype':
        return np.array([r[1] for r in rows]), header[1:]
    return np.array([r[1:] for r in rows], float), header[1:]


def mean_of(pairs):
    return tuple(sum(part) / len(pairs) for part in zip(*pairs))


def omics_fold(where, views, labels, n_train, seed, o):
    """Of one fold {row: {column: number}}; the training rows come first."""
    rows = {'table %s' % name: {'subtype': accuracy((v[:n_train], v[n_train:]), labels, n_train)}
            for name, v in zip(TABLES, views)}
    side = np.hstack(views)
    rows['three tables side by side'] = {'subtype': accuracy((side[:n_train], side[n_train:]), labels, n_train)}
    for ridge in ('auto', 'lw'):
        for k in (5,) if o.quick else (5, 10, 20):
            m = Learned(os.path.join(where, ridge), views, n_train, k, 0,
                        ['--head', 'linear', '--scale', 'column', '--validation', 0.02, '--ridge', ridge, '--seed', seed, *o.fit],
                        o.threads, methods=('heads',))
            c = m.c['heads']
            rows['mean of c, k = %d, --ridge %s' % (k, ridge)] = {
                'subtype': accuracy(mean_of(c), labels, n_train), 'total correlation': m.total['heads']}
            rows['[c1, c2, c3], k = %d, --ridge %s' % (k, ridge)] = {'subtype': accuracy(together(*c), labels, n_train)}
    return rows


def omics_test_set(where, views, labels, seed, o):
    """The 70 patients of the test set, for whom there is no protein table."""
    test = [breast('test', name)[0] for name in TABLES[:2]]
    truth = np.concatenate((labels, breast('test', 'subtype')[0]))
    both = [np.vstack(pair) for pair in zip(views, test)]
    rows = {'table %s' % name: {'subtype': accuracy((v[:150], v[150:]), truth, 150)} for name, v in zip(TABLES, both)}
    options, path = [], {}
    for name, v in zip(TABLES, views):
        path[name] = os.path.join(where, name + '.npy')
        np.save(path[name], v.astype(np.float32))
        options += ['--view', '%s=%s' % (name, path[name])]
    model = os.path.join(where, 'model.mucmm')
    mucmm('fit', *options, '--common', 5, '--individual', 0, '--head', 'linear', '--scale', 'column', '--validation', 0.02,
          '--seed', seed, '--threads', o.threads, '-o', model)
    c = []
    for v, name in zip(both, TABLES):
        np.save(os.path.join(where, 'both.npy'), v.astype(np.float32))
        mucmm('transform', model, '--view', '%s=%s' % (name, os.path.join(where, 'both.npy')), '--threads', o.threads, '-o', where)
        z = np.load(os.path.join(where, name + '.common.npy'))
        c.append((z[:150], z[150:]))
    rows['mean of c of mrna and mirna, k = 5'] = {'subtype': accuracy(mean_of(c), truth, 150)}
    return rows, model, options


def omics_names(where, model, options, views, o):
    """The columns that the pattern of a component names: the strongest ones, in units of the column's deviation. As a
    variate has variance 1, that is the correlation of the column with it, up to the ridge."""
    rows = {}
    for j in range(3):
        mucmm('explain', model, *options, '--samples', 0, '--score', 'common:%d' % j, '--threads', o.threads, '-o', where)
        row = rows.setdefault('component %d' % j, {})
        for v, name in zip(views, TABLES):
            pattern = np.load(os.path.join(where, '%s.common-%d.npy' % (name, j)))[0] / v.std(0)
            order = np.argsort(-abs(pattern))[:8 if name == 'mrna' else 4]
            columns = breast('train', name)[1]
            row[name] = ', '.join('%s %+.2f' % (columns[i], pattern[i]) for i in order)
    return rows


@experiment([1, 2, 3])
def omics(o, seed):
    """Three tables of 150 breast tumours, more columns than rows: the subtype read from what they have in common."""
    from sklearn.model_selection import StratifiedKFold
    views, labels = [breast('train', name)[0] for name in TABLES], breast('train', 'subtype')[0]
    folds = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(views[0], labels):
        order = np.concatenate((train, test))
        folds.append(omics_fold(folder(o, seed), [v[order] for v in views], labels[order], len(train), seed, o))
    mean = {row: {c: float(np.mean([f[row][c] for f in folds])) for c in folds[0][row]} for row in folds[0]}
    where = folder(o, seed)
    test_set, model, options = omics_test_set(where, views, labels, seed, o)
    tables = {'Five-fold, 150 patients: accuracy of the subtype; sum of the k correlations on the rows left out': mean,
              'The 70 patients of the test set, without proteins': test_set}
    if seed == 1:
        tables['Strongest columns of the pattern of a component, all 150 patients'] = omics_names(where, model, options, views, o)
    return tables


@experiment([1])
def dimensions(o, seed):
    """Planted numbers of dimensions, found by `fit --common auto --individual auto`: in how many of 100 runs."""
    rows, runs = {}, 10 if o.quick else 100
    for n, p, shared, own, validation in ((300, 5, 0, 2, 0.2), (5000, 20, 0, 5, 0.1), (5000, 20, 6, 5, 0.1), (1000, 12, 2, 3, 0.1)):
        k, q = [], []
        for run in range(runs):
            s = generators.planted_dimensions(1000 * seed + run, n, p, shared, own)
            views = []
            for name, rows_of in zip('ab', s.views):
                file = folder(o, seed, name + '.npy')
                os.makedirs(os.path.dirname(file), exist_ok=True)
                np.save(file, rows_of)
                views += ['--view', '%s=%s' % (name, file)]
            found = mucmm('fit', *views, '--common', 'auto', '--individual', 'auto', '--head', 'linear', '--validation', validation,
                          '--seed', run + 1, '--threads', o.threads, '-o', folder(o, seed, 'model.mucmm'), '--json')['dimensions']
            k.append(found['common']['found'])
            q += [v['found'] for v in found['individual']]
        name = '%s rows, %d columns: %d shared, %d private' % (format(n, ','), p, shared, own)
        rows[name] = {'k found': np.mean(np.equal(k, shared)), 'more': np.mean(np.greater(k, shared)),
                      'fewer': np.mean(np.less(k, shared)), 'q found': np.mean(np.equal(q, own)),
                      'q more': np.mean(np.greater(q, own)), 'q fewer': np.mean(np.less(q, own))}
    return {'Share of %d runs' % runs: rows}


ACC = (('genes', 'RNASeq2GeneNorm', True), ('micro-RNAs', 'miRNASeqGene', True), ('copy numbers', 'gistict', False),
       ('proteins', 'RPPAArray', False))


def adrenal():
    """[92, columns] of every assay of the adrenal tumours, NaN rows where a patient lacks it; counts as log2(1 + x); columns that are
    constant are left out."""
    tables, patients = [], set()
    for _, file, counts in ACC:
        path = os.path.join(OMICS, 'miniacc', file + '.csv')
        if not os.path.exists(path):
            sys.exit('there is no %s; set MUCMM_SHARED to the folder that holds data/omics' % path)
        with open(path) as f:
            rows = list(csv.reader(f))[1:]
        x = np.array([r[1:] for r in rows], float)
        x = np.log2(1 + x) if counts else x
        tables.append((['-'.join(r[0].split('-')[:3]) for r in rows], x[:, x.std(0) > 1e-6]))
        patients.update(tables[-1][0])
    patients = sorted(patients)
    views = []
    for names, x in tables:
        v = np.full((len(patients), x.shape[1]), np.nan)
        v[[patients.index(n) for n in names]] = x
        views.append(v)
    return views


@experiment([1, 2, 3])
def miniacc(o, seed):
    """Four assays of 92 adrenal tumours, of which 45 have all: what the rows that lack some are worth."""
    from sklearn.model_selection import KFold
    views = adrenal()
    lacking = np.any([np.isnan(v[:, 0]) for v in views], axis=0)
    whole, part = np.flatnonzero(~lacking), np.flatnonzero(lacking)
    rows = {}
    for train, test in KFold(3, shuffle=True, random_state=seed).split(whole):
        for name, order, options in (('complete rows alone', (), []), ('and those that lack views', part, ['--missing', 'allow'])):
            order = np.concatenate((whole[train], order, whole[test])).astype(int)
            for k in (2,) if o.quick else (2, 3, 5):
                m = Learned(folder(o, seed), [v[order] for v in views], len(order) - len(test), k, 0,
                            ['--head', 'linear', '--scale', 'column', '--validation', 0.07, '--seed', seed, *options, *o.fit],
                            o.threads, methods=())
                rows.setdefault(name, {}).setdefault('k = %d' % k, []).append(m.total['heads'])
    return {'Sum of the k correlations on the complete rows left out (mean of six pairs of views, three folds of 15 rows)':
            {r: {k: float(np.mean(v)) for k, v in row.items()} for r, row in rows.items()}}


MOBILENET = os.path.join(os.path.dirname(os.path.dirname(OMICS)), 'data', 'encoders', 'mobilenetv1_025_96.onnx')


MOBILENET_LAYER = 'Conv2d_5_pointwise_relu6'


def moving_encoder(where, scene, name, seed):
    """What a study says of the encoder. Of MobileNet an inner layer, whose cells are no larger than a glyph."""
    net = os.path.join(where, 'net.onnx')
    if name == 'CNN':
        scenes.write_onnx(net, scenes.small_cnn(scene, seed), scene.side)
        return {'encoder': 'net.onnx'}
    scenes.write_enlarging(net, scene.side)
    return {'encoder': [{'file': 'net.onnx'}, {'file': MOBILENET, 'tensor': MOBILENET_LAYER}], 'pool': '1x1'}


def moving_study(where, x, y, encoder, n_test):
    """A study whose test part are so many rows; of both parts (rows, features of the pictures)."""
    for name, rows in (('x', x), ('y', y[:, None])):  # of two axes: what can be blurred
        np.save(os.path.join(where, name + '.npy'), rows)
    views = {'picture': {'kind': 'features', 'file': 'x.npy', **encoder}, 'numbers': {'kind': 'features', 'file': 'y.npy'}}
    study, parts = os.path.join(where, 'study.json'), {}
    with open(study, 'w') as f:
        json.dump({'split': {'test': n_test / len(x)}, 'views': views}, f)
    for part in ('train', 'test'):
        mucmm('encode', study, '--part', part, '-o', os.path.join(where, part))
        rows, features = (np.load(os.path.join(where, part, name + '.npy')) for name in ('rows', 'picture'))
        parts[part] = rows, features.reshape(len(rows), -1)
    return study, parts


def moving_maps(o, where, model, study, samples, score, *options):
    """[n, side, side], of the picture's view."""
    mucmm('explain', model, study, '--samples', samples, '--score', score, *options, '--threads', o.threads, '-o', where)
    return np.load(os.path.join(where, 'picture.%s.npy' % score.replace(':', '-')))[:, 0]


def moving_probe(o, where, model, study, h, labels, truth, baseline):
    """Integrated gradients of a logistic regression's weights of the true class: they are put in the place of the individual
    head of the closed form, whose component is a class then."""
    weights = np.zeros(scenes.tensor(model, 'linear.picture.individual.skip').shape)
    weights[:scenes.CLASSES] = scenes.probe_weights(model, 'picture', h, labels)
    probe = os.path.join(where, 'probe.mucmm')
    scenes.with_weights(model, probe, {'linear.picture.individual.skip': weights})
    maps = None
    for k in range(scenes.CLASSES):
        rows = np.flatnonzero(truth == k)
        found = moving_maps(o, where, probe, study, ','.join(map(str, rows)), 'individual:%d' % k, '--representation', 'linear',
                            '--method', 'integrated-gradients', '--baseline', baseline, '--steps', 8)
        maps = np.zeros((len(truth), *found.shape[1:])) if maps is None else maps
        maps[rows] = found
    return maps


def moving_told(o, where, model, study, samples, h, labels):
    """Default maps of an individual score whose u is the private class: what the map does with the best u there is."""
    weights, loadings = scenes.class_variates(model, 'picture', h, labels)
    name = 'linear.picture.%s'
    told = {name % part: scenes.tensor(model, name % part).copy() for part in ('individual.skip', 'loadings')}
    told[name % 'individual.skip'][:] = 0
    told[name % 'individual.skip'][:len(weights)] = weights
    told[name % 'loadings'][:, int(o.common):] = 0
    told[name % 'loadings'][:, int(o.common):int(o.common) + len(weights)] = loadings
    path = os.path.join(where, 'told.mucmm')
    scenes.with_weights(model, path, told)
    return moving_maps(o, where, path, study, samples, 'individual', '--representation', 'linear')


def moving_rows(o, seed, glyphs, encoder):
    """{row: {column: share of the pictures}}"""
    scene, where = scenes.Scene(glyphs, seed), folder(o, seed, glyphs, encoder)
    os.makedirs(where, exist_ok=True)
    n, n_maps = (1000, 25) if o.quick else (6000 if encoder == 'CNN' else 3000, 150 if encoder == 'CNN' else 60)
    x, y, classes, places = scene.draw(n + n_maps, 0)
    study, parts = moving_study(where, x, y, moving_encoder(where, scene, encoder, seed), n_maps)
    (train, h), (test, _) = parts['train'], parts['test']
    model, box, last = os.path.join(where, 'model.mucmm'), scene.boxes(places[test]), '0-%d' % (len(test) - 1)
    mucmm('fit', study, '--common', o.common, '--individual', o.individual, '--threads', o.threads, '--seed', seed, *o.fit,
          '-o', model)
    rows = {}

    def judge(row, maps, local=True):
        shared, private = scenes.pointing(scenes.local_sums(maps, scene.side) if local else maps, box)
        rows[row] = {'on the private glyph': private, 'on the shared glyph': shared}
        log('    %s: shared %.3f, private %.3f' % (row, shared, private))

    judge('the picture itself', x[test, 0], False)
    for kind, part in ((scenes.SHARED, 'shared'), (scenes.PRIVATE, 'private')):
        for baseline in ('mean', 'blurred'):
            judge('probe of the %s class, from the %s picture' % (part, baseline),
                  moving_probe(o, where, model, study, h, classes[train, kind], classes[test, kind], baseline))
    judge('common score', moving_maps(o, where, model, study, last, 'common'))
    judge('individual score', moving_maps(o, where, model, study, last, 'individual'))
    judge('individual score, if u were the private class',
          moving_told(o, where, model, study, last, h, classes[train, scenes.PRIVATE]))
    for baseline in ('mean', 'blurred'):
        judge('individual score, integrated gradients from the %s picture' % baseline,
              moving_maps(o, where, model, study, last, 'individual', '--method', 'integrated-gradients', '--baseline', baseline,
                          '--steps', 8))
    return rows


@experiment(list(range(1, 101)))
def groups(o, seed):
    """Repeated measures, linear heads: how often something is significant where nothing is shared, and where subjects' levels
    are."""
    return repeated.tables(folder(o, seed), seed, ['--head', 'linear', '--threads', o.threads, *o.fit],
                           lambda title, design: re.search(o.only, title + ': ' + design))


@experiment([1, 2, 3], 4, 6)
def moving(o, seed):
    """A shared and a private glyph at random places, all equally bright, behind an encoder: where maps have their maximum."""
    tables = {}
    for encoder in ('CNN', 'MobileNet'):
        if encoder == 'MobileNet' and not os.path.exists(MOBILENET):
            log('there is no %s; set MUCMM_SHARED: without MobileNet' % MOBILENET)
            continue
        for glyphs in scenes.SETS if encoder == 'CNN' else list(scenes.SETS)[:2]:
            log('  %s, %s' % (encoder, glyphs))
            for row, cells in moving_rows(o, seed, glyphs, encoder).items():
                for place, share in cells.items():
                    title = '%s: share of the pictures whose smoothed maximum lies %s' % (encoder, place)
                    tables.setdefault(title, {}).setdefault(row, {})[glyphs] = share
    return tables


ENCODERS = os.path.dirname(MOBILENET)


@functools.lru_cache
def spoken_features(where, threads, step):
    """[prompts, languages, 96], and of every prompt its kind; of every `step`th prompt."""
    found = dict(list(spoken.prompts().items())[::step])
    owners = spoken.write_windows(where, found)
    mucmm('encode', spoken.write_study(where, ENCODERS), '--threads', threads, '-o', where)
    features, windows = spoken.means(np.load(os.path.join(where, 'speech.npy')).reshape(len(owners), -1), owners, len(found))
    return features, spoken.kinds(list(found), windows)


def majority(s, labels):
    return float(np.bincount(s.test(labels)).max() / len(s.test(labels)))


def spoken_rows(s, kind, of):
    """{row: {column: value}} of a view. of: {column: (training, test)}"""
    tables = {}
    for view in (0, 1):
        for row, labels in (('language', s.languages[view]), ('kind of prompt', kind[s.prompt])):
            for probe, read in (('network', network_accuracy), ('linear', accuracy)):
                cells = tables.setdefault('view %d: %s, %s' % (view + 1, row, probe), {})
                cells['chance'] = majority(s, labels)
                for column, pairs in of.items():
                    cells[column] = read(pairs[view], labels, s.n_train)
    cells = tables.setdefault('the prompt found in view 2', {})
    cells['chance'] = 1 / len(np.unique(s.test(s.prompt)))
    for column, pairs in of.items():
        if column[0] != 'u':  # the axes of u1 and u2 have nothing to do with each other
            cells[column] = spoken.retrieval(pairs, s.test(s.prompt), s.test(s.languages.T).T)
    return tables


@experiment([1, 2, 3], 20, 20)
def prompts(o, seed):
    """The same telephone prompts in two languages, through a speech embedding: language and voice are private."""
    if not spoken.there() or not os.path.exists(os.path.join(ENCODERS, 'embedding_model.onnx')):
        sys.exit('the prompts (tools/install_packages.sh prompts) or %s/embedding_model.onnx are not there; set MUCMM_SHARED' %
                 ENCODERS)
    features, kind = spoken_features(folder(o, 'encoded'), o.threads, 5 if o.quick else 1)
    s = spoken.Pairs(features, seed)
    model = fit(o, seed, s)
    of = {'raw view': [raw(s, view) for view in (0, 1)]}
    for method in ('heads', 'linear'):
        of['c, ' + method], of['u, ' + method] = model.c[method], model.u[method]
    return {'Share of the test rows read right; the prompt found among those of the test part': spoken_rows(s, kind, of)}


def word_maps(o, study, model, representation, rows, where, *options):
    """What `explain --score coupling` says of these test rows: its JSON, and the arrays of each sample by their end."""
    said = mucmm('explain', model, study, '--score', 'coupling', '--samples', '0-%d' % (rows - 1), '--check', '--json',
                 '--representation', representation, '--threads', o.threads, *options, '-o', where)['couplings'][0]

    def arrays(end):
        return [np.load(os.path.join(where, 'picture+words.coupling.%d.%s' % (i, end))) for i in range(rows)]
    return said, arrays


@experiment([1, 2, 3, 4, 5], common='8', individual='0')
def coupling(o, seed):
    """Words that name objects in a picture: does the map of a word fall on the object it names? Do masks err?"""
    import torch
    import coupling as planted
    rows, masked, n_train = (10, 5, 600) if o.quick else (60, 20, 3000)
    p = planted.Planted(torch, folder(o, seed), seed, n_train, 300, 2 if o.quick else 12)
    ceiling = p.ceiling(n_train + np.arange(rows))
    named, masks = {}, ('--mask', 1, '--null-models', 19, '--steps', 8)
    for representation in ('heads', 'linear'):
        model = p.path('%s.mucmm' % ('related' if representation == 'heads' else 'closed'))
        head = ['--head', 'linear'] if representation == 'linear' else []
        mucmm('fit', p.study, '--common', o.common, '--individual', o.individual, '--seed', seed, '--threads', o.threads,
              *head, *o.fit, '-o', model)
        said, arrays = word_maps(o, p.study, model, representation, rows, p.path(representation))
        hits = {'the map': [], 'ceiling': []}
        for i, c in enumerate(arrays('npy')):
            cells = planted.boxes(p.place[n_train + i])
            for t, word in enumerate(p.texts[n_train + i].split()):
                if word not in planted.NAMES:
                    continue
                k = planted.NAMES.index(word)
                which = list(p.held[n_train + i]).index(k)
                hits['the map'].append(planted.right_object(c[..., t], which, cells))
                hits['ceiling'].append(planted.right_object(ceiling[i, k], which, cells))
        for row, values in hits.items():
            for j, what in enumerate(('right object', 'maximum on it')):
                where = 'ceiling: supervised logit, ' if row == 'ceiling' else ''
                named.setdefault(where + what, {})[representation] = float(np.mean([v[j] for v in values]))
        named.setdefault('words that name an object', {})[representation] = len(hits['the map'])
        named.setdefault('sum less score, thousandths of its range', {})[representation] = 1000 * said['sum']
        named.setdefault('the same before completion', {})[representation] = 1000 * said['gap']
    lit = {'on the named object': [], 'elsewhere': []}
    _, arrays = word_maps(o, p.study, p.path('closed.mucmm'), 'linear', masked, p.path('masked'), *masks)
    for i, small in enumerate(x <= .05 for x in arrays('p.npy')):
        for t, word in enumerate(p.texts[n_train + i].split()):
            if word in planted.NAMES:
                which = list(p.held[n_train + i]).index(planted.NAMES.index(word))
                on = planted.boxes(p.place[n_train + i])[which]
                lit['on the named object'].append(small[on, t].mean())
                lit['elsewhere'].append(small[~on, t].mean())
    for where, values in lit.items():
        named['cells with p <= 0.05 ' + where] = {'linear': float(np.mean(values))}
    model = p.path('unrelated.mucmm')
    mucmm('fit', p.unrelated, '--common', o.common, '--individual', o.individual, '--seed', seed, '--threads', o.threads,
          '--head', 'linear', *o.fit, '-o', model)
    _, arrays = word_maps(o, p.unrelated, model, 'linear', masked, p.path('none'), *masks)
    pooled = np.concatenate([x.ravel() for x in arrays('p.npy')])
    null = {'p <= %g' % a: {'share of the cells': float((pooled <= a).mean())} for a in (.05, .1, .2)}
    return {'Word-object pairs': named, 'Training captions shuffled: nothing is shared': null}


@experiment(list(range(1, 21)))
def nats(o, seed):
    """Uncorrelated harmonics are no information: which heads are kept where the truth is linear, and where it is not."""
    return sample_numbers.kept(o, folder(o, seed), seed)


@experiment(list(range(1, 13)))
def samples(o, seed):
    """Numbers of one sample: coverage of the error bars of predicted variates, and the score of a mismatch."""
    return sample_numbers.samples(o, folder(o, seed), seed)


@experiment(list(range(1, 11)))
def robust(o, seed):
    """Outliers: what is found with and without maps of the columns."""
    return sample_numbers.robust(o, folder(o, seed), seed)


@experiment([1])
def fitted_rows(o, seed):
    """Independent tables: how often score and report call something significant on the fit's own rows, and on others."""
    runs, n, r, where = 5 if o.quick else 100, 60, np.random.default_rng(seed), folder(o, seed)
    model, page = os.path.join(where, 'm.mucmm'), os.path.join(where, 'page.html')
    found = {}
    os.makedirs(where, exist_ok=True)
    for _ in range(runs):
        own, new = ([r.normal(size=(rows, 8)).astype(np.float32) for _ in 'xy'] for rows in (n, 40))
        order = r.permutation(n)
        given = {'the same files': own, 'other files, reordered': [x[order] for x in own],
                 'half of them among new rows': [np.r_[x[order[:n // 2]], y] for x, y in zip(own, new)], 'new rows': new}
        for k, (title, views) in enumerate(given.items()):
            files = []
            for name, x in zip('xy', views):
                np.save(os.path.join(where, '%s%d.npy' % (name, k)), x)
                files += ['--view', '%s=%s' % (name, os.path.join(where, '%s%d.npy' % (name, k)))]
            if k == 0:
                mucmm('fit', *files, '--common', 2, '--individual', 0, '--head', 'linear', '--ridge', 1e-8, '--threads', o.threads,
                      '-o', model)
            said = mucmm('score', model, *files, '--permutations', 199, '--threads', o.threads, '--json')
            mucmm('report', model, *files, '--permutations', 199, '--samples-shown', 1, '--threads', o.threads, '-o', page)
            with open(page, encoding='utf-8') as f:
                shared = 'Nothing shared was found' not in f.read()
            row = found.setdefault(title, {'score': 0, 'report': 0, 'share fitted': 0})
            row['score'] += (said['significant'] > 0) / runs
            row['report'] += shared / runs
            row['share fitted'] += said['rows']['fitted'] / said['rows']['given'] / runs
    return {'Share of %d runs in which anything is significant: 60 rows of noise' % runs: found}


@experiment(list(range(1, 41)))
def null(o, seed):
    """Views that share nothing: how often fit's held-out rows say otherwise, and how often they find one correlation."""
    return nothing_shared.tables(folder(o, seed), seed, o.threads, o.quick)


# ---- the program -------------------------------------------------------------------------------

PAGES = ('experiments.md', 'explain.md')


def collect():
    """Pastes the tables of build/experiments/*.json between the marks of the pages."""
    for page in PAGES:
        path = os.path.join(ROOT, 'docs', page)
        with open(path) as f:
            text = f.read()
        for name in EXPERIMENTS:
            text = paste(name, text)
        with open(path, 'w') as f:
            f.write(text)


def paste(name, text):
    file, marks = os.path.join(OUT, name + '.json'), '<!-- begin %s -->' % name
    if not os.path.exists(file) or marks not in text:
        return text
    with open(file) as f:
        r = json.load(f)
    block = '`%s`, commit %s, seeds %s\n' % (r['command'], r['commit'], ', '.join(map(str, r['seeds'])))
    block += ''.join('\n%s\n\n%s\n' % tuple(t) for t in r['tables'])
    log('%s: pasted' % name)
    return re.sub(r'(%s\n).*?(<!-- end %s -->)' % (marks, name), lambda m: m[1] + block + m[2], text, flags=re.S)


def small_fit(where, given, options, threads):
    """`mucmm fit` on views: its JSON, and the model's path."""
    os.makedirs(where, exist_ok=True)
    args, model = [], os.path.join(where, 'model.mucmm')
    for name, x in zip('ab', given):
        np.save(os.path.join(where, name + '.npy'), x)
        args += ['--view', '%s=%s' % (name, os.path.join(where, name + '.npy'))]
    return mucmm('fit', *args, *options, '--threads', threads, '--json', '-o', model), model


def small_score(where, model, given, threads):
    args = []
    for name, x in zip('ab', given):
        np.save(os.path.join(where, name + '.new.npy'), x)
        args += ['--view', '%s=%s' % (name, os.path.join(where, name + '.new.npy'))]
    return mucmm('score', model, *args, '--permutations', 0, '--threads', threads, '--json')['correlations']


def small_row(kind, n, p):
    return '%s, %d rows, %d columns' % (kind, n, p)


@experiment(list(range(1, 201)), common=2, individual=0)
def small(o, seed):
    """How often p <= .05 of the first and of the second component: nothing planted, and one component. Few rows."""
    tables = {}
    options = ['--common', o.common, '--individual', o.individual, '--repeats', 1, *o.fit]
    sizes = [(54, 5)] if o.quick else [(n, p) for n in (54, 100, 200) for p in (5, 20, 60)]
    for kind in few_rows.KINDS:
        for planted in ((), (.5,), (.7,)):
            title = '%s, %s' % (kind, 'planted %s' % planted[0] if planted else 'nothing planted')
            rows = tables.setdefault(title, {})
            for n, p in sizes:
                if not re.search(o.only, small_row(kind, n, p)):
                    continue
                r, _ = small_fit(folder(o), few_rows.views(kind, n, p, planted, seed), options, o.threads)
                found = r['cross_fit']['p_values']
                rows['%d rows, %d columns' % (n, p)] = {'first': found[0] <= .05, 'second': found[1] <= .05,
                                                        'held-out, first': r['cross_fit']['correlations'][0]}
    return tables


@experiment(list(range(1, 101)), common=2, individual=0)
def small_intervals(o, seed):
    """Coverage of the 95 % intervals: the correlations of the kept model on 20,000 new rows. Two components are planted."""
    rows = {}
    for kind in few_rows.KINDS:
        for n, p in [(54, 5)] if o.quick else [(54, 5), (54, 60), (100, 20), (200, 20), (200, 60)]:
            if not re.search(o.only, small_row(kind, n, p)):
                continue
            known, new = few_rows.split(kind, n, 20000, p, (.8, .6), seed)
            r, model = small_fit(folder(o), known, ['--common', o.common, '--individual', o.individual, *o.fit], o.threads)
            true, of = small_score(folder(o), model, new, o.threads), r['cross_fit']
            row = rows.setdefault(small_row(kind, n, p), {})
            for j, name in enumerate(('first', 'second')):
                row[name + ' covered'] = of['low'][j] <= true[j] <= of['high'][j]
                row[name + ', error'] = of['correlations'][j] - true[j]
            row['width'] = of['high'][0] - of['low'][0]
    return {'coverage': rows}


def alone(name):
    """A file that is locked while it is open: two runs of an experiment would overwrite each other's data."""
    os.makedirs(OUT, exist_ok=True)
    lock = open(os.path.join(OUT, name + '.lock'), 'w')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit('another run of %s is going on' % name)
    return lock


def main():
    if sys.argv[1:] == ['collect']:
        return collect()
    a = argparse.ArgumentParser(prog='experiments/run.sh', description=__doc__.split('\n')[0])
    a.add_argument('name', choices=EXPERIMENTS, metavar='|'.join([*EXPERIMENTS, 'collect']))
    a.add_argument('--seeds', help='for instance 1,2,3')
    a.add_argument('--common', help='dimensions')
    a.add_argument('--individual', help='dimensions of every view')
    a.add_argument('--threads', type=int, default=2)
    a.add_argument('--only', default='', help='groups, small, small_intervals: rows of the table that match this expression')
    a.add_argument('--quick', action='store_true', help='few rows and epochs: does it run?')
    a.add_argument('--fit', default='', help='more options of mucmm fit, in one argument')
    o = a.parse_args()
    function, seeds, common, individual = EXPERIMENTS[o.name]
    seeds = [int(s) for s in o.seeds.split(',')] if o.seeds else seeds
    o.common, o.individual = o.common or common, o.individual or individual
    if not os.path.exists(MUCMM):
        sys.exit('there is no %s; run make all' % MUCMM)
    o.fit = o.fit.split()
    # Peers and probes use as many threads as the program.
    threadpoolctl.threadpool_limits(o.threads)
    try:
        import torch
        torch.set_num_threads(o.threads)
    except ImportError:
        pass  # only halves and peers need it, and say so
    lock = alone(o.name)
    runs = []
    before = commit()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background too
    try:
        for seed in seeds:
            log('%s, seed %d' % (o.name, seed))
            runs.append(function(o, seed))
    except KeyboardInterrupt:  # Ctrl-C: the seeds that are complete count
        if not runs:
            raise
        seeds = seeds[:len(runs)]
    tables = [(title, table_of([run[title] for run in runs if title in run])) for title in runs[0]]
    if commit() != before:
        log('the checkout moved during the run, from %s: these results belong to no commit' % before)
    command = ' '.join(['experiments/run.sh'] + ["'%s'" % w if ' ' in w else w for w in sys.argv[1:]])
    save(o.name + ('.quick' if o.quick else ''), command, seeds, runs, tables)
    lock.close()


if __name__ == '__main__':
    main()
