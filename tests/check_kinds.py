#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same numbers in every kind of file give the same model: written by NumPy and h5py, read by mucmm.
Usage: check_kinds.py PROGRAM. Says so and leaves (77) where NumPy is missing."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print('skipped: no NumPy')
    sys.exit(77)
try:
    import h5py
except ImportError:
    h5py = None

PROGRAM, COUNT = os.path.abspath(sys.argv[1]), [0, 0]


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)


def model(path, other='y.npy'):
    done = run('fit', '--view', 'x=' + path, '--view', 'y=' + other, '--common', '2', '--individual', '0',
               '--head', 'linear', '--threads', '1', '-o', 'm.mucmm')
    if done.returncode:
        return (path + ': ' + done.stderr).encode()
    with open('m.mucmm', 'rb') as f:
        return f.read()


def check(what, good):
    COUNT[0] += 1
    COUNT[1] += not good
    print(('ok ' if good else 'not ok ') + str(COUNT[0]) + ' - ' + what)


def refused(path, *words):
    done = run('fit', '--view', 'x=' + path, '--view', 'y=y.npy', '--common', '1', '--individual', '0', '-o', 'no.mucmm')
    line = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ''
    check(f'{path} is refused: {line}', done.returncode > 0 and all(w in line for w in words))


def write_hdf5(x):
    with h5py.File('one.h5', 'w') as f:
        f['group/x'] = x
    with h5py.File('many.h5', 'w') as f:
        f['x'] = x[:, :2]
        f.create_dataset('deep/x', data=x, chunks=(7, 2), compression='gzip', shuffle=True)
        f['text'] = 'none'
        f['outside'] = h5py.ExternalLink('one.h5', '/group/x')
        f.create_dataset('huge', shape=(1 << 40, 4), chunks=(64, 4), dtype='f4')
    import_sparse(x)


def import_sparse(x):
    sparse = np.where(np.abs(x) > .5, x, 0).astype(np.float32)
    np.save('sparse.npy', sparse)
    for name, matrix in (('csr', sparse), ('csc', sparse.T)):
        with h5py.File(name + '.h5ad', 'w') as f:
            f.attrs['encoding-type'] = 'anndata'
            g = f.create_group('X')
            g.attrs['encoding-type'] = name + '_matrix'
            g.attrs['shape'] = sparse.shape
            g['data'] = matrix[matrix != 0]
            g['indices'] = np.nonzero(matrix)[1].astype(np.int32)
            g['indptr'] = np.concatenate([[0], np.cumsum((matrix != 0).sum(1))]).astype(np.int32)
            for part, n in (('obs', sparse.shape[0]), ('var', sparse.shape[1])):
                o = f.create_group(part)
                o.attrs['_index'] = 'id'
                o['id'] = [f'{part}{i}' for i in range(n)]


def main():
    r = np.random.default_rng(0)
    z = r.standard_normal((300, 3))
    x = (z @ r.standard_normal((3, 4)) + r.standard_normal((300, 4))).astype(np.float32)
    y = (z @ r.standard_normal((3, 5)) + r.standard_normal((300, 5))).astype(np.float32)
    np.save('x.npy', x)
    np.save('y.npy', y)
    want = model('x.npy')
    np.savez('one.npz', x)
    np.savez('many.npz', x=x, y=y, other=np.arange(3))
    np.savez_compressed('packed.npz', x=x, y=y)
    os.makedirs('shards')
    for i, part in enumerate(np.array_split(x, 12)):
        np.save(f'shards/part-{i}.npy', part)
    os.makedirs('halves')
    half = x.astype(np.float16)
    for i, part in enumerate(np.array_split(half, 3)):
        np.save(f'halves/h{i}.npy', np.asfortranarray(part))
    np.save('half.npy', half)
    np.save('a:b.npy', x)
    for path in ('one.npz', 'one.npz:arr_0', 'many.npz:x', 'packed.npz:x', 'shards', 'shards/part-*.npy',
                 'a:b.npy'):
        check(path, model(path) == want)
    check('halves', model('halves') == model('half.npy'))
    refused('many.npz', 'many.npz', "'x' (float32 300 x 4)", "'other' (int64 3)")
    refused('many.npz:no', "no array is named 'no'")
    refused('x.npy:no', 'by name')
    np.save('shards/part-99.npy', x[:, :3])
    refused('shards', 'part-99.npy')
    for name in ('a.parquet', 'a.pkl', 'a.xlsx', 'a.mat'):
        with open(name, 'wb') as f:
            f.write(b'PK\3\4 nothing' if name == 'a.xlsx' else b'PAR1 nothing')
        refused(name, 'not a kind this program reads')
    if not h5py:
        print('# no h5py: HDF5 is not compared')
        return
    write_hdf5(x)
    for path in ('one.h5', 'one.h5:/group/x', 'many.h5:deep/x'):
        check(path, model(path) == want)
    sparse = model('sparse.npy')
    for path in ('csr.h5ad', 'csc.h5ad'):
        got = model(path)
        check(path + ' has names', b'var0' in got and len(got) > len(sparse))
    refused('many.h5', "'deep/x' (float32 300 x 4)")
    refused('many.h5:outside', 'outside')
    refused('many.h5:huge', 'huge')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
    print(f'1..{COUNT[0]}')
    sys.exit(COUNT[1] > 0)
