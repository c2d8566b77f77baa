# SPDX-License-Identifier: MIT
"""Data with known truth, the same numbers on every machine. docs/experiments.md says where each generator comes from.

Random numbers are counter-based (the finalizer of splitmix64, Steele, Lea, Flood 2014), 64 bits, modulo 2^64:

    mix(z): z ^= z >> 30; z *= 0xbf58476d1ce4e5b9; z ^= z >> 27; z *= 0x94d049bb133111eb; z ^= z >> 31
    G = 0x9E3779B97F4A7C15,  key = mix(seed G + stream)
    U_i = ((mix(key + (i + 1) G) >> 11) + 0.5) 2^-53                 uniform on (0, 1)
    N_i = sqrt(-2 ln U_2i) cos(2 pi U_2i+1)                          normal

Arrays are filled row by row. tests/check_generators.py holds the check values.
"""
import numpy as np

G = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def mix(z):
    """z: uint64 array, changed in place."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xbf58476d1ce4e5b9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94d049bb133111eb)
    z ^= z >> np.uint64(31)
    return z


class Draws:
    """The streams of one seed."""

    def __init__(self, seed):
        self.seed = seed

    def uniform(self, stream, *shape):
        key = mix(np.array([(self.seed * G + stream) & MASK], np.uint64))
        counter = np.arange(1, np.prod(shape, dtype=np.int64) + 1, dtype=np.uint64)
        counter *= np.uint64(G)  # arrays of uint64 wrap around without a warning
        counter += key
        return ((mix(counter) >> np.uint64(11)).astype(np.float64) + 0.5).reshape(shape) * 2.0 ** -53

    def normal(self, stream, *shape):
        u = self.uniform(stream, np.prod(shape, dtype=np.int64), 2)
        return (np.sqrt(-2 * np.log(u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).reshape(shape)


class Sample:
    """Two views and their truth. views: two float32 [n, p]; latents and labels: name -> [n, d] and [n];
    the first n_train rows are for training."""

    def __init__(self, views, n_train, latents, labels=None):
        self.views = [v.astype(np.float32) for v in views]
        self.n_train, self.latents, self.labels = n_train, latents, labels or {}

    def train(self, a):
        return a[:self.n_train]

    def test(self, a):
        return a[self.n_train:]


def linear_mixing(seed, n=30000, noise=0.0, nonlinear=False):
    """After DisentangledSSL (Wang et al. 2025), which draws n = 90,000 in the same way. Labels yc, y1, y2 by a random
    network from the shared and the two private latents. nonlinear: the tanh of a quarter of every column."""
    draw = Draws(seed)
    zs, z1, z2 = (np.sqrt(0.5) * draw.normal(stream, n, 50) for stream in range(3))
    views = []
    for m, z in enumerate((z1, z2)):
        x = np.hstack((z, zs)) @ (2 * draw.uniform(3 + m, 100, 100) - 1)
        if nonlinear:
            x = np.tanh(x / 4)
        views.append(x + noise * draw.normal(5 + m, n, 100) if noise else x)

    def label(z, stream):
        w1 = np.sqrt(6 / 150) * (2 * draw.uniform(stream, 50, 100) - 1)
        b = (2 * draw.uniform(stream + 1, 100) - 1) / np.sqrt(50)
        w2 = np.sqrt(6 / 101) * (2 * draw.uniform(stream + 2, 100) - 1)
        value = np.maximum(z @ w1 + b, 0) @ w2 + 0.1 * draw.normal(stream + 3, n)
        return (value >= np.median(value)).astype(int)

    return Sample(views, n * 4 // 5, {'zs': zs, 'z1': z1, 'z2': z2},
                  {'yc': label(zs, 10), 'y1': label(z1, 20), 'y2': label(z2, 30)})


def planted_dimensions(seed, n, p, shared, own, noise=0.2):
    """Linear: shared latents whose correlations fall from 0.9 to 0.3, own ones of standard deviations from 2 to 1, mixed by a
    random matrix, and noise. All rows are for training."""
    draw = Draws(seed)
    common = draw.normal(0, n, shared + 1)[:, :shared]
    rho, size = np.linspace(0.9, 0.3, shared), np.linspace(2, 1, own)
    views = []
    for m in range(2):
        z = draw.normal(3 + m, n, shared + own)
        z[:, :shared] = np.sqrt(rho) * common + np.sqrt(1 - rho) * z[:, :shared]
        z[:, shared:] *= size
        views.append(z @ draw.normal(1 + m, shared + own, p) / np.sqrt(p) + noise * draw.normal(5 + m, n, p))
    return Sample(views, n, {})


def hidden_latents(seed, n=25000):
    """Nonlinear mixing. View 2 holds cos(2 z) of the last four of eight shared latents, so that no linear method sees them.
    sA, sB: shared; z1, z2: private; sign: what cos removes, private to view 1."""
    draw = Draws(seed)
    zs, z1, z2 = (draw.normal(stream, n, 8) for stream in range(3))
    s2 = zs.copy()
    s2[:, 4:] = (np.cos(2 * zs[:, 4:]) - np.exp(-2)) / np.sqrt((1 + np.exp(-8)) / 2 - np.exp(-4))
    views = []
    for m, (s, z) in enumerate(((zs, z1), (s2, z2))):
        a, b = 1.5 * draw.normal(3 + m, 64, 16) / 4, draw.normal(5 + m, 64, 64) / 8
        views.append(np.tanh(np.hstack((s, z)) @ a.T) @ b.T + 0.2 * draw.normal(7 + m, n, 64))
    return Sample(views, n * 4 // 5, {'sA': s2[:, :4], 'sB': s2[:, 4:], 'z1': z1, 'z2': z2, 'sign': zs[:, 4:]})


def factorized(seed, n=30000, noise=0.0, nonlinear=False):
    """After FactorCL (Liang et al. 2023, as released): latents 12, 1, 2 of variance 0.5, 16 x 100 mixing from U(0, 1), label 1
    where the mean of all 22 latents is >= 0. nonlinear: the tanh of half of every column."""
    draw = Draws(seed)
    shared, own1, own2 = (np.sqrt(0.5) * draw.normal(stream, n, d) for stream, d in enumerate((10, 6, 6)))
    views = []
    for m, own in enumerate((own1, own2)):
        x = np.hstack((shared, own)) @ draw.uniform(3 + m, 16, 100)
        if nonlinear:
            x = np.tanh(x / 2)
        views.append(x + noise * draw.normal(5 + m, n, 100) if noise else x)
    label = (np.hstack((shared, own1, own2)).mean(1) >= 0).astype(int)
    return Sample(views, n * 4 // 5, {'shared': shared, 'own1': own1, 'own2': own2}, {'y': label})
