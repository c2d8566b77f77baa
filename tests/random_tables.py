#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""random_tables.py MUCMM [--tables N] [--first SEED] [--jobs J] [--keep DIR]

Random small tables (types, separators, names, missing cells, keys, sizes) through every command. What comes out is right by NumPy alone,
from the numbers as they were drawn, or one clear line says why not and nothing is written. Prints TAP, and the seeds of what was
not so: the same seed makes the same files again (--first SEED --tables 1 --keep DIR)."""
import argparse
import concurrent.futures
import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

TIMEOUT = 300
LETTERS = 'abcdefghijklmnopqrstuvwxyz'
COMMANDS = ()


class Wrong(Exception):
    pass


# ---- tables ------------------------------------------------------------------------------------

def column_names(r, p, view):
    kind = r.choice(['plain', 'words', 'odd', 'dots', 'years'], p=[.5, .2, .15, .1, .05])
    if kind == 'plain':
        return ['%s%d' % (view, j) for j in range(p)]
    if kind == 'words':
        return ['%s %s %d' % (view, LETTERS[j % 26] * 3, j) for j in range(p)]
    if kind == 'dots':
        return ['%s.%d.x' % (view, j) for j in range(p)]
    if kind == 'years':
        return ['%s %d' % (view, 1990 + j) for j in range(p)]
    odd = ['a,b', 'say "x"', 'ä ö', 'x;y', '%d', '<b>', "it's", 'tab\there', 'Größe (µm)']
    return ['%s %s %d' % (view, odd[j % len(odd)], j) for j in range(p)]


def distort(r, x):
    """A column of another kind of number that says (nearly) the same."""
    kind = r.choice(['plain', 'offset', 'int', 'tiny', 'huge', 'skew', 'binary'], p=[.5, .12, .12, .06, .06, .08, .06])
    if kind == 'offset':
        base, unit = [(1.7e9, 60.), (5.33e6, .5), (2459800.5, .01), (-3e7, 4.)][r.integers(4)]
        return base + unit * x
    if kind == 'int':
        return np.round(20 * x)
    if kind == 'tiny':
        return 1e-12 * x
    if kind == 'huge':
        return 1e12 * x
    if kind == 'skew':
        return np.exp(x)
    if kind == 'binary':
        return (x > 0) * 1.
    return x


class View:
    def __init__(self, name, x, columns):
        self.name, self.x, self.columns = name, x, columns


def draw_views(r, n):
    count = 3 if r.random() < .2 else 2
    d = int(r.integers(1, 4))
    z = r.normal(size=(n, d))
    views = []
    for v in range(count):
        p = int(r.integers(1, 8))
        x = z @ r.normal(size=(d, p)) * r.choice([0, .5, 1.5]) + r.normal(size=(n, p))
        views.append(View('v%d' % v, np.column_stack([distort(r, x[:, j]) for j in range(p)]), column_names(r, p, 'v%d' % v)))
    return views


# ---- files -------------------------------------------------------------------------------------

def number(x, comma):
    text = '' if np.isnan(x) else '%d' % x if float(x).is_integer() and abs(x) < 1e15 else '%.17g' % x
    return text.replace('.', ',') if comma else text


def write_text(path, header, rows, sep, crlf, bom):
    out = io.StringIO()
    quotes = csv.QUOTE_ALL if len(rows) and len(rows[0]) == 1 else csv.QUOTE_MINIMAL  # a,b alone could be two names
    w = csv.writer(out, delimiter=sep, lineterminator='\r\n' if crlf else '\n', quoting=quotes)
    if header:
        w.writerow(header)
    w.writerows(rows)
    data = (b'\xef\xbb\xbf' if bom else b'') + out.getvalue().encode()
    with (gzip.open if path.endswith('.gz') else open)(path, 'wb') as f:
        f.write(data)


class Files:
    """Views written in one form each; args(): how a command reads them."""

    def __init__(self, r, folder, views, keys, arrays=True, text=False):
        self.paths, self.views, self.keyed = [], [], keys is not None
        os.makedirs(folder, exist_ok=True)
        for v in views:
            kind = 'text' if self.keyed or text or not arrays or r.random() < .6 else 'array'
            self.paths.append((v.name, (self.text if kind == 'text' else self.array)(r, folder, v, keys)))

    def text(self, r, folder, v, keys):
        sep, end = [(',', '.csv'), (';', '.csv'), ('\t', '.tsv')][r.choice(3, p=[.6, .2, .2])]
        comma = sep == ';' and len(v.columns) + self.keyed > 1 and r.random() < .7  # one column has no separator to tell it
        path = os.path.join(folder, v.name + end + ('.gz' if r.random() < .1 else ''))
        rows = [[number(x, comma) for x in row] for row in v.x]
        header = list(v.columns)
        if keys is not None:
            order = r.permutation(len(keys))
            at = int(r.integers(0, len(header) + 1))
            rows = [rows[i][:at] + [keys[i]] + rows[i][at:] for i in order]
            header.insert(at, 'sample')
        write_text(path, header, rows, sep, r.random() < .3, r.random() < .2)
        self.views.append(v)
        return path

    def array(self, r, folder, v, keys):
        x = v.x
        if np.isfinite(x).all() and (x == np.round(x)).all() and np.abs(x).max() < 1e9:
            x = x.astype(r.choice(['i4', 'i8', '>i4', 'f4', 'f8']))
        else:
            x = x.astype(r.choice(['f8', '>f8', 'f8', 'f4']) if np.abs(x).max() < 1e5 and np.abs(x).max(0).min() > 1e-3 else 'f8')
        if r.random() < .2:
            x = np.asfortranarray(x)
        self.views.append(View(v.name, x.astype(float), None))
        if 'npz' in COMMANDS and r.random() < .3:
            path = os.path.join(folder, v.name + '.npz')
            (np.savez if r.random() < .5 else np.savez_compressed)(path, **{v.name: x, 'other': np.zeros(3)})
            return path + ':' + v.name
        path = os.path.join(folder, v.name + '.npy')
        np.save(path, x)
        return path

    def args(self):
        args = [a for name, path in self.paths for a in ('--view', '%s=%s' % (name, path))]
        return args + (['--key', 'sample'] if self.keyed else [])


# ---- the truth ---------------------------------------------------------------------------------

def basis(x):
    x = x - x.mean(0)
    x = x / x.std(0)
    return np.linalg.qr(x)[0], np.linalg.cond(x)


def cancor(a, b):
    (qa, ca), (qb, cb) = basis(a), basis(b)
    return np.linalg.svd(qa.T @ qb, compute_uv=False), max(ca, cb)


# ---- running -----------------------------------------------------------------------------------

class Run:
    def __init__(self, mucmm, folder, seed):
        self.mucmm, self.folder, self.seed, self.said = mucmm, folder, seed, []

    def __call__(self, *args, out=None):
        """Its standard output, or None if it refused."""
        command = [self.mucmm, *map(str, args)] + (['-o', out] if out else [])
        if args[0] not in ('loadings', 'cite', 'info'):
            command += ['--threads', '1']
        self.said.append(' '.join(command))
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, env=dict(os.environ, OMP_WAIT_POLICY='passive'))
        error = done.stderr.decode(errors='replace')
        if done.returncode == 0:
            if out and not os.path.exists(out):
                raise Wrong('nothing was written, and nothing said')
            return done.stdout.decode()
        lines = [line for line in error.splitlines() if line.startswith('mucmm: ') and not line.startswith('mucmm: warning')]
        self.line = lines[-1] if lines else ''
        if done.returncode not in (1, 2) or len(lines) != 1:
            raise Wrong('exit status %d, %d lines: %s' % (done.returncode, len(lines), error[-600:]))
        if out and os.path.exists(out):
            raise Wrong('refused (%s), but %s was written' % (lines[0], out))
        return None


def close(a, b, tolerance, what):
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or not (np.abs(a - b) <= tolerance).all():
        raise Wrong('%s: %s, right is %s' % (what, np.array_str(a.ravel()[:6], precision=7), np.array_str(b.ravel()[:6], precision=7)))


def variates(run, model, files, name):
    out = os.path.join(run.folder, name)
    if run('transform', model, *files.args(), out=out) is None:
        return None
    return [np.load(os.path.join(out, v.name + '.common.npy')) for v in files.views]


def by_key(keys, rows, order):
    """Rows that stand in some order of the keys, in the order of `order`."""
    at = {k: i for i, k in enumerate(keys)}
    return [rows[at[k]] for k in order]


def first_keys(files):
    """Keys in the order of the first view's file, which is the order of the results."""
    path = files.paths[0][1]
    with (gzip.open if path.endswith('.gz') else open)(path, 'rt', encoding='utf-8-sig', newline='') as f:
        text = f.read()
    sep = '\t' if '.tsv' in path else ';' if ';' in text.splitlines()[0].replace('x;y', '') else ','
    rows = list(csv.reader(io.StringIO(text), delimiter=sep))
    at = rows[0].index('sample')
    return [row[at] for row in rows[1:]]


# ---- one table ---------------------------------------------------------------------------------

def sane(run, r, n):
    """Tables as they should be: right in every form."""
    views = draw_views(r, n)
    keys = None
    if r.random() < .4:
        keys = ['%s%03d' % (r.choice(['s', 'P-', 'id ']), i) for i in r.permutation(n)]
    files = Files(r, os.path.join(run.folder, 'a'), views, keys)
    for v in files.views:  # what cannot be compared: no spread, or a column that is another's sum
        if v.x.std(0).min() == 0 or np.linalg.cond((v.x - v.x.mean(0)) / v.x.std(0)) > 1e3:
            return 'skipped'
    order = None if keys is None else first_keys(files)
    total = sum(v.x.shape[1] for v in files.views)
    k = int(r.integers(1, min(v.x.shape[1] for v in files.views) + 1))
    model = os.path.join(run.folder, 'm.mucmm')
    if n <= total + 3:
        run('fit', *files.args(), '--common', k, '--individual', 0, '--head', 'linear', '--scale', 'column', '--validation', 0, out=model)
        return 'few'
    said = run('fit', *files.args(), '--common', k, '--individual', 1 if r.random() < .5 else 0, '--head', 'linear', '--scale',
               'column', '--validation', 0, '--json', out=model)
    if said is None:
        if n > 3 * total + 20:
            raise Wrong('refused: ' + run.line)
        return 'refused'
    x = [v.x if order is None else np.array(by_key(keys, v.x, order)) for v in files.views]
    c = variates(run, model, files, 'c')
    if c is None:
        raise Wrong('transform refused: ' + run.line)
    if len(x) == 2:
        rho, cond = cancor(*x)
        got = json.loads(said)['train']['correlations']
        close(got, rho[:k], 1e-5, 'canonical correlations')
        close([abs(np.corrcoef(c[0][:, j], c[1][:, j])[0, 1]) for j in range(k)], rho[:k], 1e-4, 'correlations of the variates')
    others(run, r, model, files, c, k, order)
    again(run, r, model, files, x, c, order)
    return 'right'


def again(run, r, model, files, x, c, order):
    """The same rows in another form: other kinds of files, columns shuffled where they have names."""
    views = []
    for v, rows in zip(files.views, x):
        swap = r.permutation(rows.shape[1]) if v.columns else np.arange(rows.shape[1])
        names = [v.columns[j] for j in swap] if v.columns else ['c%d' % j for j in swap]
        views.append(View(v.name, rows[:, swap], names))
    shuffled = any(v.columns and list(w.columns) != list(v.columns) for v, w in zip(files.views, views))
    other = Files(r, os.path.join(run.folder, 'b'), views, order, arrays=not shuffled)
    if any(w.columns is None for w in other.views) != any(v.columns is None for v in files.views):
        return  # names against none: by position
    c2 = variates(run, model, other, 'c2')
    if c2 is None:
        if any((v.columns is None) != (w.columns is None) for v, w in zip(files.views, other.views)):
            return
        raise Wrong('the same rows, written in another way, are refused: ' + run.line)
    now = first_keys(other) if order else None
    for a, b in zip(c, c2):
        b = np.array(by_key(now, b, order)) if order else b
        close(b, a, 1e-4 * max(1, np.abs(a).max()), 'variates of the same rows in other files')


def others(run, r, model, files, c, k, order):
    """Every other command."""
    args, n = files.args(), len(c[0])
    out = os.path.join(run.folder, 's.csv')
    said = run('score', model, *args, '--permutations', 20, '--json', out=out)
    if said is None:
        raise Wrong('score refused: ' + run.line)
    rows = list(csv.DictReader(open(out, newline='')))
    if len(rows) != n:
        raise Wrong('score wrote %d of %d rows' % (len(rows), n))
    if order and [row['sample'] for row in rows] != order:
        raise Wrong('score wrote other samples, or in another order')
    out = os.path.join(run.folder, 'e')
    if run('explain', model, *args, '--samples', '0-1', out=out) is None:
        raise Wrong('explain refused: ' + run.line)
    for v in files.views:
        e = np.load(os.path.join(out, v.name + '.common.npy'))
        if e.shape != (2, v.x.shape[1]) or not np.isfinite(e).all():
            raise Wrong('the map of %s is %s' % (v.name, e.shape))
    out = os.path.join(run.folder, 'r.html')
    if run('report', model, *args, out=out) is None:
        raise Wrong('report refused: ' + run.line)
    if '</html>' not in open(out, encoding='utf-8').read()[-200:]:
        raise Wrong('the page has no end')
    if 'loadings' in COMMANDS:
        check_loadings(run, model, files, c, order)


def check_loadings(run, model, files, c, order):
    out = os.path.join(run.folder, 'l.csv')
    if run('loadings', model, out=out) is None:
        raise Wrong('loadings refused: ' + run.line)
    for row in csv.DictReader(open(out, newline='')):
        loading = float(row['loading'])
        if not -1 <= loading <= 1:
            raise Wrong('a loading of %g' % loading)


# ---- tables with something wrong ---------------------------------------------------------------

def text_file(folder, v, rows, name=None):
    path = os.path.join(folder, v + '.csv')
    write_text(path, rows[0], rows[1:], ',', False, False)
    return path


def spoil(r, rows, kind):
    """rows with a header; changes them. True: must be refused."""
    n, p = len(rows) - 1, len(rows[0])
    i, j = int(r.integers(1, n + 1)), int(r.integers(0, p))
    if kind == 'ragged':
        rows[i].pop()
    elif kind == 'long':
        rows[i].append('1')
    elif kind in ('abc', '1e400', '0x10', '1_000', '--5', '1 2', 'inf', '1.2.3', '１'):
        rows[i][j] = kind
    elif kind == 'empty cell':
        rows[i][j] = str(r.choice(['', 'NA', 'nan', ' ']))
    elif kind == 'no header':
        rows.pop(0)
    elif kind == 'only header':
        del rows[1:]
    elif kind == 'twice':
        if p < 2:
            return False
        rows[0][0] = rows[0][1]
    return True


KINDS = ['ragged', 'long', 'abc', '1e400', '0x10', '1_000', '--5', '1 2', 'inf', '1.2.3', '１', 'empty cell', 'no header', 'only header']


def spoiled(run, r, n):
    """One fault in one file: refused in one line by fit and by score, with the name of the file."""
    n = max(n, 40)
    views = draw_views(r, n)[:2]
    folder = os.path.join(run.folder, 'a')
    os.makedirs(folder)
    tables = [[list(v.columns)] + [[number(x, False) for x in row] for row in v.x] for v in views]
    good = [text_file(folder, v.name, t) for v, t in zip(views, tables)]
    args = [a for v, path in zip(views, good) for a in ('--view', '%s=%s' % (v.name, path))]
    model = os.path.join(run.folder, 'm.mucmm')
    options = ('--common', 1, '--individual', 0, '--head', 'linear', '--scale', 'column', '--validation', 0)
    fitted = run('fit', *args, *options, out=model)
    at, kind = int(r.integers(2)), str(r.choice(KINDS))
    must = spoil(r, tables[at], kind)
    bad = text_file(folder, 'bad', tables[at])
    args[2 * at + 1] = '%s=%s' % (views[at].name, bad)
    for command in (('fit', *args, *options), ('score', model, *args)):
        if command[0] == 'score' and fitted is None:
            continue
        said = run(*command, out=os.path.join(run.folder, 'x'))
        if said is not None and must:
            raise Wrong('%s: taken without a word' % kind)
        if said is None and os.path.basename(bad) not in run.line and views[at].name not in run.line:
            raise Wrong('%s: the line does not name the file: %s' % (kind, run.line))
    return 'spoiled'


def lacking(run, r, n):
    """Cells that are missing: refused, the complete rows by 'drop', anything finite by 'allow'."""
    n = max(n, 60)
    views = [v for v in draw_views(r, n)[:2]]
    if min(v.x.std(0).min() for v in views) == 0:
        return 'skipped'
    for v in views:
        v.x[r.random(v.x.shape) < r.choice([.01, .05, .2])] = np.nan
    keys = ['k%d' % i for i in range(n)] if r.random() < .5 else None
    files = Files(r, os.path.join(run.folder, 'a'), views, keys, arrays=False)
    model = os.path.join(run.folder, 'm.mucmm')
    options = ('--common', 1, '--individual', 0, '--head', 'linear', '--scale', 'column', '--validation', 0, '--json')
    whole = np.isfinite(np.hstack([v.x for v in views])).all(1)
    if not whole.all() and run('fit', *files.args(), *options, out=model) is not None:
        raise Wrong('missing cells are taken without a word')
    if 'drop' in COMMANDS and whole.sum() > 40:
        said = run('fit', *files.args(), *options, '--missing', 'drop', out=model)
        x = [v.x[whole] for v in views]
        if min(a.std(0).min() for a in x) > 0:
            rho, cond = cancor(*x)
            if said is None and cond < 1e3:
                raise Wrong('drop refused: ' + run.line)
            if said is not None and cond < 1e3:
                close(json.loads(said)['train']['correlations'], rho[:1], 1e-5, 'canonical correlations of complete rows')
    if 'drop' in COMMANDS:
        model = os.path.join(run.folder, 'allow.mucmm')
        said = run('fit', *files.args(), *options, '--missing', 'allow', out=model)
        if said is not None:
            c = run('transform', model, *files.args(), '--missing', 'allow', out=os.path.join(run.folder, 'c'))
            if c is None:
                raise Wrong('transform refuses what fit allowed: ' + run.line)
    return 'missing'


def one(mucmm, keep, seed):
    r = np.random.default_rng(seed)
    folder = os.path.join(keep, str(seed))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    run = Run(mucmm, folder, seed)
    n = int(r.choice([5, 12, 40, 90, 310, 700], p=[.05, .1, .3, .25, .2, .1]))
    what = (sane, sane, sane, spoiled, lacking)[r.integers(5)]
    try:
        return seed, what(run, r, n), None
    except Wrong as wrong:
        return seed, 'wrong', '%s\n    %s' % (run.said[-1], wrong)
    except subprocess.TimeoutExpired:
        return seed, 'wrong', '%s\n    took more than %d s' % (run.said[-1], TIMEOUT)


def abilities(mucmm):
    """Commands, and what else the program has."""
    words = subprocess.run([mucmm, 'help'], capture_output=True, text=True).stdout.split()
    fit = subprocess.run([mucmm, 'help', 'fit'], capture_output=True, text=True).stdout
    return tuple(words) + (('drop',) if '|drop' in fit else ()) + (('npz',) if 'npz' in fit else ())


def main():
    global COMMANDS
    p = argparse.ArgumentParser()
    p.add_argument('mucmm')
    p.add_argument('--tables', type=int, default=40)
    p.add_argument('--first', type=int, default=1)
    p.add_argument('--jobs', type=int, default=2)
    p.add_argument('--keep', help='the files stay there')
    o = p.parse_args()
    COMMANDS = abilities(o.mucmm)
    keep = o.keep or tempfile.mkdtemp()
    counts, wrong = {}, []
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for seed, what, why in pool.map(lambda s: one(o.mucmm, keep, s), range(o.first, o.first + o.tables)):
            counts[what] = counts.get(what, 0) + 1
            if why:
                wrong.append(seed)
                print('# seed %d: %s' % (seed, why), flush=True)
            if not o.keep:
                shutil.rmtree(os.path.join(keep, str(seed)), ignore_errors=True)
    print('# ' + ', '.join('%s %d' % item for item in sorted(counts.items())))
    print('1..1\n%sok 1 - random tables are right, or refused in one line' % ('not ' if wrong else ''))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
