# SPDX-License-Identifier: MIT
"""Views that share nothing, and views that share one correlation: how often `fit` finds something on its held-out rows."""
import json
import os
import subprocess
import sys

import numpy as np

from common import MUCMM

COLUMNS, ALPHA = 8, 0.05
SMALL = ('--hidden', '24', '--individual', '1')
HEADS = {'linear': ('--head', 'linear', '--common', '2'), 'mlp': ('--head', 'mlp', '--common', '2'),
         'auto': ('--head', 'auto', '--common', '2'), 'linear, --common auto': ('--head', 'linear', '--common', 'auto'),
         'mlp, --common auto': ('--head', 'mlp', '--common', 'auto'), 'auto, --common auto': ('--head', 'auto', '--common', 'auto')}
ROWS = (300, 800, 3000)
CORRELATIONS = (0.3, 0.5, 0.7)


def write(folder, seed, n, correlation):
    """Independent columns, but for one pair."""
    r = np.random.default_rng(seed)
    x = [r.normal(size=(n, COLUMNS)) for _ in range(2)]
    x[1][:, 0] = correlation * x[0][:, 0] + np.sqrt(1 - correlation ** 2) * x[1][:, 0]
    os.makedirs(folder, exist_ok=True)
    files = []
    for name, rows in zip('xy', x):
        path = os.path.join(folder, name + '.npy')
        np.save(path, (rows @ np.linalg.qr(r.normal(size=(COLUMNS, COLUMNS)))[0]).astype(np.float32))
        files += ['--view', '%s=%s' % (name, path)]
    return files


def found(program, files, folder, options, seed, threads):
    """Is any held-out p-value that is printed at most .05? A run that fails ends the experiment: left out it would bias."""
    command = [program, 'fit', *files, *options, *SMALL, '--seed', str(seed), '--threads', str(threads), '--json', '-o',
               os.path.join(folder, 'model.mucmm')]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit('%s\nfailed: %s' % (' '.join(command), done.stderr[-400:]))
    held_out = json.loads(done.stdout)['held_out']
    return min(v for v in held_out['p_values'] if v is not None) <= ALPHA


def tables(folder, seed, threads, quick):
    """{title: {row: {column: was anything found}}}. MUCMM_BASELINE: another program, whose power is told beside."""
    null, power = {}, {}
    programs = {'': MUCMM}
    if os.environ.get('MUCMM_BASELINE'):
        programs[', baseline'] = os.environ['MUCMM_BASELINE']
    for n in ROWS[:1] if quick else ROWS:
        files = write(folder, 1000 * seed + n, n, 0)
        for name, options in HEADS.items():
            null.setdefault(name, {})['%d rows' % n] = found(MUCMM, files, folder, options, seed, threads)
        for correlation in CORRELATIONS:
            files = write(folder, 1000 * seed + n + 1, n, correlation)
            for which, program in programs.items():
                power.setdefault('correlation %g%s' % (correlation, which), {})['%d rows' % n] = \
                    found(program, files, folder, HEADS['linear'], seed, threads)
    return {'Nothing is shared: runs with a held-out p <= .05': null,
            'One correlation is shared, linear heads: runs with a held-out p <= .05': power}
