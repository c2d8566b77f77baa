# SPDX-License-Identifier: MIT
"""Repeated measures: rows of a subject that are alike, views that share nothing or the subjects' level."""
import os

import numpy as np

from common import mucmm

COLUMNS = 6
ALPHA = 0.05

# name: subjects, rows of a subject (least and most)
DESIGNS = {'60 subjects x 20 rows': (60, 20, 20), '200 subjects x 5 rows': (200, 5, 5),
           '60 subjects x 5 to 35 rows': (60, 5, 35)}
# name: how many of the 6 columns have levels that correlate by .5 between the views
SIGNALS = {'nothing is shared': 0, 'levels of all columns correlate .5': COLUMNS, 'levels of 2 columns correlate .5': 2}


def subjects_of(r, design):
    """The subject of each row."""
    subjects, least, most = DESIGNS[design]
    return np.repeat(np.arange(subjects), r.integers(least, most + 1, subjects))


def views(r, subject, shared, correlation=0.5):
    """Half the variance of every column is the subject's level."""
    n = subject.max() + 1
    common = r.normal(size=(n, COLUMNS))
    weight = np.sqrt(correlation) * (np.arange(COLUMNS) < shared)
    return [(weight * common + np.sqrt(1 - weight ** 2) * r.normal(size=(n, COLUMNS)))[subject]
            + r.normal(size=(len(subject), COLUMNS)) for _ in range(2)]


def write(folder, part, rows, subject):
    """--view options and, apart, --group options of these rows."""
    os.makedirs(folder, exist_ok=True)
    files = []
    for name, x in zip('xy', rows):
        path = os.path.join(folder, '%s.%s.npy' % (name, part))
        np.save(path, x.astype(np.float32))
        files += ['--view', '%s=%s' % (name, path)]
    table = os.path.join(folder, part + '.csv')
    with open(table, 'w') as f:
        f.write('subject\n' + ''.join('%s-%d\n' % (part, s) for s in subject))
    return files, ['--metadata', table, '--group', 'subject']


def least_p(summary):
    p = [v for v in summary['p_values'] if v is not None]
    return min(p, default=1.0)


def run(folder, design, shared, seed, options, grouped=True):
    """The least p-values of fit on one set of subjects and of score on another."""
    r = np.random.default_rng(seed)
    (train, by), (test, test_by) = (
        write(folder, part, views(r, subject, shared), subject)
        for part, subject in (('train', subjects_of(r, design)), ('test', subjects_of(r, design))))
    model = os.path.join(folder, 'model.mucmm')
    by, test_by = (by, test_by) if grouped else ([], [])
    fitted = mucmm('fit', *train, *by, '--common', 2, '--individual', 1, '--seed', seed + 1, *options, '-o', model, '--json')
    scored = mucmm('score', model, *test, *test_by, '--permutations', 299, '--seed', seed + 1, '--json')
    return least_p(fitted['held_out']), least_p(scored)


def cells():
    """(title, design, how many columns' levels are shared, are groups given)"""
    for signal, shared in SIGNALS.items():
        for grouped in (True, False) if shared == 0 else (True,):
            for design in DESIGNS:
                yield signal + ('' if grouped else ' (rows taken for independent)'), design, shared, grouped


def tables(folder, seed, options, wanted=lambda title, design: True):
    """{title: {row: {column: is any p <= .05}}}"""
    found = {}
    for title, design, shared, grouped in cells():
        if not wanted(title, design):
            continue
        p = run(folder, design, shared, seed * 10000, options, grouped)
        found.setdefault('Runs in which anything is significant: ' + title, {})[design] = \
            {'fit': p[0] <= ALPHA, 'score, new subjects': p[1] <= ALPHA}
    return found
