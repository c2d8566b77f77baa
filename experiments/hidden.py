# SPDX-License-Identifier: MIT
"""What experiments/hidden.sh says. Numbers are drawn by counters, so that every machine has the same data."""
import argparse
import os
import subprocess

import numpy as np
import torch

ROWS, TRAIN, LATENTS, COLUMNS = 25000, 20000, 8, 64
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
CHECK = {0: (1.686999682211, -.786795440498, .658614500366), 1: (-.995972442428, -.772658542636, -1.529645846092)}


def mix(z):
    z = z ^ (z >> np.uint64(30))
    z = z * np.uint64(0xbf58476d1ce4e5b9)
    z = z ^ (z >> np.uint64(27))
    z = z * np.uint64(0x94d049bb133111eb)
    return z ^ (z >> np.uint64(31))


def uniform(seed, stream, n):
    with np.errstate(over='ignore'):
        key = mix(np.array([np.uint64(seed) * GOLDEN + np.uint64(stream)]))[0]
        counter = np.arange(1, n + 1, dtype=np.uint64)
        return ((mix(key + counter * GOLDEN) >> np.uint64(11)).astype(float) + .5) * 2. ** -53


def normal(seed, stream, *shape):
    u = uniform(seed, stream, 2 * int(np.prod(shape)))
    return (np.sqrt(-2 * np.log(u[::2])) * np.cos(2 * np.pi * u[1::2])).reshape(shape)


def generate(seed):
    """The two views, and the truth by name."""
    shared, *private = (normal(seed, stream, ROWS, LATENTS) for stream in range(3))
    seen = shared.copy()
    seen[:, 4:] = (np.cos(2 * shared[:, 4:]) - np.exp(-2)) / np.sqrt((1 + np.exp(-8)) / 2 - np.exp(-4))
    views = []
    for m, latents in enumerate((shared, seen)):
        inner = 1.5 * normal(seed, 3 + m, COLUMNS, 2 * LATENTS) / 4
        outer = normal(seed, 5 + m, COLUMNS, COLUMNS) / 8
        views.append(np.tanh(np.hstack([latents, private[m]]) @ inner.T) @ outer.T
                     + .2 * normal(seed, 7 + m, ROWS, COLUMNS))
    if seed == 1:
        for m, view in enumerate(views):
            assert np.allclose(view[0, :3], CHECK[m], atol=1e-9), 'the generator is not the one that is documented'
    return views, {'linear shared': seen[:, :4], 'hidden shared': seen[:, 4:], 'private of 1': private[0],
                   'private of 2': private[1]}


def read(x, y, epochs=30):
    """R2 on the test rows of a network trained on the training rows, stopped where its last tenth is read best."""
    torch.manual_seed(0)
    fitted = slice(0, TRAIN * 9 // 10)
    x, y = ((a - a[fitted].mean(0)) / (a[fitted].std(0) + 1e-9) for a in (x, y))
    x, y = (torch.tensor(a, dtype=torch.float32) for a in (x, y))
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 256), torch.nn.ReLU(), torch.nn.Linear(256, 256),
                              torch.nn.ReLU(), torch.nn.Linear(256, y.shape[1]))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)
    held_out, best = slice(TRAIN * 9 // 10, TRAIN), np.inf
    for _ in range(epochs):
        for rows in torch.randperm(fitted.stop).split(500):
            loss = ((net(x[rows]) - y[rows]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            value = ((net(x[held_out]) - y[held_out]) ** 2).mean().item()
            if value < best:
                best, rebuilt = value, net(x[TRAIN:])
    truth = y[TRAIN:]
    return 1 - (((rebuilt - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()).item()


QUESTIONS = (('c of view 1', 'linear shared'), ('c of view 1', 'hidden shared'), ('u of view 1', 'linear shared'),
             ('u of view 1', 'hidden shared'), ('u of view 2', 'hidden shared'), ('u of view 1', 'private of 1'),
             ('u of view 2', 'private of 2'))


def one_seed(o, seed):
    """R2 by question, of the raw columns, the closed form and the heads."""
    folder = os.path.join(o.output, str(seed))
    os.makedirs(folder, exist_ok=True)
    views, truth = generate(seed)
    threads = ['--threads', str(o.threads)] if o.threads else []
    files = {}
    for part, rows in (('train', slice(0, TRAIN)), ('all', slice(0, ROWS))):
        files[part] = []
        for m, view in enumerate(views):
            path = os.path.join(folder, f'{m + 1}.{part}.npy')
            np.save(path, view[rows].astype(np.float32))
            files[part] += ['--view', f'view{m + 1}={path}']
    model = os.path.join(folder, 'model.mucmm')
    run = lambda *a: subprocess.run([o.mucmm, *a, *threads], check=True, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
    run('fit', *files['train'], '--common', '8', '--individual', '8', '--stages', '5', '-o', model,
        *o.fit)
    results = {'raw columns': [read(views[int(what[-1]) - 1], truth[latent]) for what, latent in QUESTIONS]}
    for name, representation in (('closed form', 'linear'), ('trained heads', 'heads')):
        out = os.path.join(folder, representation)
        run('transform', model, *files['all'], '--method', representation, '-o', out)
        parts = {'c': 'common', 'u': 'individual'}
        results[name] = [read(np.load(os.path.join(out, f'view{what[-1]}.{parts[what[0]]}.npy')), truth[latent])
                         for what, latent in QUESTIONS]
    return results


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--mucmm', required=True)
    a.add_argument('-o', '--output', required=True)
    a.add_argument('--seeds', default='1,2,3,4,5')
    a.add_argument('--threads', type=int)
    o, o.fit = a.parse_known_args()
    o.output = os.path.abspath(o.output)
    torch.set_num_threads(o.threads or os.cpu_count())
    seeds = [int(s) for s in o.seeds.split(',')]
    results = [one_seed(o, s) for s in seeds]
    commit = subprocess.run(['git', '-C', os.path.dirname(os.path.abspath(__file__)), 'rev-parse', '--short', 'HEAD'],
                            capture_output=True, text=True).stdout.strip()
    print(f'R2 on {ROWS - TRAIN} rows that were not fitted, mean and range over seeds {o.seeds}; commit {commit}'
          + (f'; fit options {" ".join(o.fit)}' if o.fit else '') + '\n')
    names = list(results[0])
    print('| read from | latent | ' + ' | '.join(names) + ' |\n|---|---|' + '---|' * len(names))
    for i, (what, latent) in enumerate(QUESTIONS):
        cells = []
        for name in names:
            values = [r[name][i] for r in results]
            cells.append(f'{np.mean(values):.3f}' + (f' ({min(values):.3f} to {max(values):.3f})' if len(values) > 1 else ''))
        print(f'| {what} | {latent} | ' + ' | '.join(cells) + ' |')


if __name__ == '__main__':
    main()
