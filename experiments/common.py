# SPDX-License-Identifier: MIT
"""What the experiments share: running the program as a user would, probes, tables, result files."""
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MUCMM = os.path.join(ROOT, 'build', 'cli', 'mucmm')
OUT = os.path.join(ROOT, 'build', 'experiments')
METHODS = ('heads', 'linear')


def log(text):
    print(text, file=sys.stderr, flush=True)


def mucmm(*args):
    """What a command prints as JSON (None if nothing)."""
    command = [MUCMM, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith('mucmm: ')]
        sys.exit('%s\nfailed: %s' % (' '.join(command), said[-1] if said else done.stderr[-400:]))
    return json.loads(done.stdout) if done.stdout.strip() and '--json' in args else None


class Learned:
    """A model fitted on the training rows, and what it makes of both sets.

    c[method][view], u[method][view]: (training, test) variates; total[method]: held-out total correlation of fixed
    projections; seconds: of the fit alone."""

    def __init__(self, folder, views, n_train, common, individual, options, threads, methods=METHODS):
        os.makedirs(folder, exist_ok=True)
        names = 'abcdefgh'[:len(views)]
        path = {part: [] for part in ('train', 'test')}
        for name, rows in zip(names, views):
            for part, some in (('train', rows[:n_train]), ('test', rows[n_train:])):
                file = os.path.join(folder, '%s.%s.npy' % (name, part))
                np.save(file, np.ascontiguousarray(some, np.float32))
                path[part] += ['--view', '%s=%s' % (name, file)]
        model = os.path.join(folder, 'model.mucmm')
        start = time.perf_counter()
        mucmm('fit', *path['train'], '--common', common, '--individual', individual, '--threads', threads, *options,
              '-o', model)
        self.seconds = time.perf_counter() - start
        scores = mucmm('score', model, *path['test'], '--permutations', 0, '--threads', threads, '--json')
        self.total = {'heads': scores['total_correlation'],
                      'linear': scores.get('linear', scores)['total_correlation']}
        self.c, self.u = ({m: [[] for _ in views] for m in methods} for _ in range(2))
        for method in methods:
            for part in ('train', 'test'):
                mucmm('transform', model, *path[part], '--representation', method, '--threads', threads, '-o', folder)
                for v, name in enumerate(names):
                    for where, what in ((self.c, 'common'), (self.u, 'individual')):
                        file = os.path.join(folder, '%s.%s.npy' % (name, what))
                        if os.path.exists(file):
                            where[method][v].append(np.load(file))


# ---- probes ------------------------------------------------------------------------------------

def accuracy(pair, labels, n_train):
    """Share of test rows read right by logistic regression on standardized columns. pair: (training, test)."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(pair[0], labels[:n_train])
    return probe.score(pair[1], labels[n_train:])


def network_accuracy(pair, labels, n_train):
    """The same by a network: two layers of 256, early stopping on a tenth of the training rows."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        network = MLPClassifier((256, 256), early_stopping=True, n_iter_no_change=6, max_iter=60, random_state=1)
        probe = make_pipeline(StandardScaler(), network).fit(pair[0], labels[:n_train])
    return probe.score(pair[1], labels[n_train:])


def r2(pair, target, n_train, nonlinear=True):
    """R2 on the test rows, the mean over the target's columns, by a network (two layers of 256, early stopping on a tenth of
    the training rows) or by least squares, from standardized columns."""
    if nonlinear:
        probe = MLPRegressor((256, 256), batch_size=500, early_stopping=True, n_iter_no_change=6, max_iter=60,
                             random_state=1)
    else:
        probe = LinearRegression()
    scale = StandardScaler().fit(pair[0])
    y = np.asarray(target, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        probe.fit(scale.transform(pair[0]).astype(np.float32), y[:n_train])
    error = (probe.predict(scale.transform(pair[1]).astype(np.float32)).reshape(y[n_train:].shape) - y[n_train:])
    return float(np.mean(1 - (error ** 2).mean(0) / y[n_train:].var(0)))


def together(*pairs):
    return tuple(np.hstack(parts) for parts in zip(*pairs))


# ---- results -----------------------------------------------------------------------------------

def commit():
    """The commit of the checkout, with a + if files that matter differ from it."""
    def git(*args):
        return subprocess.run(['git', '-C', ROOT, *args], capture_output=True, text=True).stdout.strip()
    changed = git('status', '--porcelain', '--', 'src', 'cli', 'include', 'experiments')
    return git('rev-parse', '--short', 'HEAD') + ('+' if changed else '')


def cell(values, digits=3):
    """Mean, and the standard deviation over seeds where there are several; of yes and no, how many."""
    values = [v for v in values if v is not None]
    if not values:
        return '-'
    if all(isinstance(v, bool) for v in values):
        return '%d of %d' % (sum(values), len(values))
    if isinstance(values[0], str):
        return values[0]
    text = '%.*f' % (digits, np.mean(values))
    return text + (' ± %.*f' % (digits, np.std(values, ddof=1)) if len(values) > 1 else '')


def table(header, rows):
    widths = [max(len(r[i]) for r in [header] + rows) for i in range(len(header))]
    lines = []
    for r in [header, ['-' * w for w in widths]] + rows:
        lines.append('| ' + ' | '.join([r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])]) + ' |')
    return '\n'.join(lines)


def table_of(runs, title='measure'):
    """runs: for every seed {row: {column: number}}. A table of means and spreads over seeds."""
    rows = list(dict.fromkeys(r for run in runs for r in run))
    columns = list(dict.fromkeys(c for run in runs for r in run.values() for c in r))
    return table([title] + columns, [[r] + [cell([run.get(r, {}).get(c) for run in runs]) for c in columns] for r in rows])


def save(name, command, seeds, runs, tables):
    """build/experiments/NAME.json, which `experiments/run.sh collect` pastes into docs/experiments.md."""
    os.makedirs(OUT, exist_ok=True)
    result = {'experiment': name, 'command': command, 'commit': commit(), 'seeds': seeds, 'runs': runs,
              'tables': [list(t) for t in tables]}
    with open(os.path.join(OUT, name + '.json'), 'w') as f:
        json.dump(result, f, indent=1)
    for title, text in tables:
        print('%s\n\n%s\n' % (title, text), flush=True)
