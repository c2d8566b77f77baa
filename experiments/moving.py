# SPDX-License-Identifier: MIT
"""Pictures with two glyphs at random places, of which the other view knows one: data, encoders, probes and what is measured
about maps of the private and of the shared glyph."""
import json
import os
import struct

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression

CLASSES = 5
SHARED, PRIVATE = 0, 1

# ---- glyphs: ten a set, all with the same sum and the same sum of squares -----------------------


def strokes(r, side=9, lit=17):
    """Two or three straight strokes of `lit` pixels altogether."""
    while True:
        z = np.zeros((side, side))
        for _ in range(20):
            (y0, x0), (y1, x1) = r.integers(0, side, (2, 2))
            t = np.linspace(0, 1, 2 * side)
            before = z.copy()
            z[np.round(y0 + t * (y1 - y0)).astype(int), np.round(x0 + t * (x1 - x0)).astype(int)] = 1
            if z.sum() > lit:
                z = before
            if z.sum() == lit:
                return z


def blots(r, side=8, lit=26):
    """The `lit` largest values of a smooth random field."""
    z = gaussian_filter(r.normal(size=(side, side)), 1.3, mode='constant')
    return (z >= np.sort(z.ravel())[-lit]).astype(float)


def petals(r, side=11):
    """Grey discs: waves around the middle and along the radius, of the same mean and variance."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    disc = radius <= side / 2
    w = np.cos(r.integers(0, 6) * angle + 2 * np.pi * r.random()) * np.cos(r.uniform(0, 1.6) * radius + 2 * np.pi * r.random())
    w = w + 1e-3 * r.normal(size=w.shape)
    w = (w - w[disc].mean()) / w[disc].std()
    return np.where(disc, 1 + w, 0)


def segments(r, length=4):
    """Four of the seven bars of a numeral display, of `length` pixels each; two wide."""
    z = np.zeros((2 * length + 6, length + 4))
    bars = [(slice(0, 2), slice(2, length + 2)), (slice(length + 2, length + 4), slice(2, length + 2)),
            (slice(2 * length + 4, 2 * length + 6), slice(2, length + 2))]
    for x in (slice(0, 2), slice(length + 2, length + 4)):
        bars += [(slice(2, length + 2), x), (slice(length + 4, 2 * length + 4), x)]
    for i in r.permutation(7)[:4]:
        z[bars[i]] = 1
    return z


# name: glyph, side of the picture, standard deviation of the noise
SETS = {'strokes': (strokes, 26, .15), 'blots': (blots, 24, .2), 'petals': (petals, 32, .2), 'segments': (segments, 36, .15)}


def glyphs(name, seed):
    """[10, h, w] of energy 16, no two alike (correlation of the lit pixels below .8)."""
    r = np.random.default_rng([seed, 1, *name.encode()])
    found = []
    while len(found) < 2 * CLASSES:
        z = SETS[name][0](r)
        z = 4 * z / np.sqrt((z ** 2).sum())
        if all((z * other).sum() < .8 * 16 for other in found):
            found.append(z)
    return np.array(found)


class Scene:
    """Pictures x [n, 1, side, side] of a shared glyph (one of the first five) and a private one (one of the last five) at places
    that do not overlap; view 2 y [n, 10] is made of the shared class and of numbers of its own."""

    def __init__(self, name, seed):
        self.glyphs, self.seed = glyphs(name, seed), seed
        self.side, self.noise = SETS[name][1:]
        r = np.random.default_rng([seed, 2])
        self.code, self.turn = r.normal(size=(CLASSES, 5)), np.linalg.qr(r.normal(size=(10, 10)))[0]

    def draw(self, n, part):
        """x, y, classes [n, 2], places [n, 2, 2]"""
        r = np.random.default_rng([self.seed, 3, part])
        h, w = self.glyphs.shape[1:]
        x = self.noise * r.normal(size=(n, self.side, self.side))
        classes = r.integers(0, CLASSES, (n, 2))
        places = np.zeros((n, 2, 2), int)
        for i in range(n):
            apart = False
            while not apart:
                at = np.stack([r.integers(0, self.side - h + 1, 2), r.integers(0, self.side - w + 1, 2)], 1)
                apart = abs(at[0] - at[1])[0] >= h or abs(at[0] - at[1])[1] >= w
            places[i] = at
            for kind in (SHARED, PRIVATE):
                v, u = at[kind]
                x[i, v:v + h, u:u + w] += self.glyphs[CLASSES * kind + classes[i, kind]]
        own = r.normal(size=(n, 5))
        y = np.hstack([2 * self.code[classes[:, SHARED]] + .3 * r.normal(size=(n, 5)), own]) @ self.turn
        return x[:, None].astype(np.float32), y.astype(np.float32), classes, places

    def boxes(self, places):
        """[n, 2, side, side]: where the shared and the private glyph are."""
        h, w = self.glyphs.shape[1:]
        box = np.zeros((len(places), 2, self.side, self.side), bool)
        for i, at in enumerate(places):
            for kind in (SHARED, PRIVATE):
                v, u = at[kind]
                box[i, kind, v:v + h, u:u + w] = True
        return box


# ---- encoders ----------------------------------------------------------------------------------

def small_cnn(scene, seed):
    """Weights of a small network that tells both classes of other pictures: [(weight, bias)] of three convolutions."""
    import torch
    nn = torch.nn
    torch.manual_seed(seed)
    x, _, classes, _ = scene.draw(5000, 99)
    body = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
                         nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
    heads = [nn.Linear(32, CLASSES) for _ in range(2)]
    optimizer = torch.optim.Adam([*body.parameters(), *heads[0].parameters(), *heads[1].parameters()], 3e-3)
    x, classes = torch.tensor(x), torch.tensor(classes)
    for _ in range(12):
        order = torch.randperm(len(x))
        for i in range(0, len(x), 100):
            j = order[i:i + 100]
            f = body(x[j]).mean((2, 3))
            loss = sum(nn.functional.cross_entropy(head(f), classes[j, kind]) for kind, head in enumerate(heads))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in body if isinstance(m, nn.Conv2d)]


def varint(n):
    out = b''
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    """A field of a protocol buffer: an integer, text or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx_node(op, inputs, output, **attributes):
    """Attributes are lists of integers, or integers."""
    body = b''.join(field(1, i) for i in inputs) + field(2, output) + field(4, op)
    for name, value in attributes.items():
        a = field(1, name)
        a += b''.join(field(8, i) for i in value) + field(20, 7) if isinstance(value, list) else field(3, value) + field(20, 2)
        body += field(5, a)
    return field(1, body)


def onnx_value(number, name, shape):
    dims = b''.join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in shape)
    return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, dims))))


def write_onnx(path, weights, side):
    """The network of small_cnn, averaged over places, as an ONNX file."""
    graph, now = b'', 'x'
    for i, (weight, bias) in enumerate(weights):
        pad = weight.shape[2] // 2
        graph += onnx_node('Conv', [now, 'w%d' % i, 'b%d' % i], 'c%d' % i, kernel_shape=list(weight.shape[2:]), pads=[pad] * 4)
        graph += onnx_node('Relu', ['c%d' % i], 'r%d' % i)
        now = 'r%d' % i
        if i == 0:
            graph += onnx_node('MaxPool', [now], 'p', kernel_shape=[2, 2], strides=[2, 2])
            now = 'p'
    graph += onnx_node('GlobalAveragePool', [now], 'g') + onnx_node('Flatten', ['g'], 'f', axis=1) + field(2, 'cnn')
    for i, pair in enumerate(weights):
        for name, t in zip('wb', pair):
            graph += field(5, b''.join(field(1, d) for d in t.shape) + field(2, 1) + field(8, name + str(i)) +
                           field(9, np.ascontiguousarray(t, '<f4').tobytes()))
    graph += onnx_value(11, 'x', ['n', 1, side, side]) + onnx_value(12, 'f', ['n', weights[-1][1].size])
    with open(path, 'wb') as f:
        f.write(field(1, 8) + field(7, graph) + field(8, field(1, '') + field(2, 13)))


def write_enlarging(path, side, to=96):
    """A network that makes three equal channels of a picture, `to` x `to`, bilinearly: MobileNet's input."""
    at = np.clip((np.arange(to) + .5) * side / to - .5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 2)
    a = np.zeros((to, side), np.float32)
    a[np.arange(to), low], a[np.arange(to), low + 1] = 1 - (at - low), at - low
    graph = onnx_node('MatMul', ['rows', 'x'], 'tall') + onnx_node('MatMul', ['tall', 'cols'], 'large')
    graph += onnx_node('Concat', ['large'] * 3, 'f', axis=1) + field(2, 'enlarge')
    for name, t in (('rows', .7 * a), ('cols', a.T)):
        graph += field(5, b''.join(field(1, d) for d in t.shape) + field(2, 1) + field(8, name) +
                       field(9, np.ascontiguousarray(t, '<f4').tobytes()))
    graph += onnx_value(11, 'x', ['n', 1, side, side]) + onnx_value(12, 'f', ['n', 3, to, to])
    with open(path, 'wb') as f:
        f.write(field(1, 8) + field(7, graph) + field(8, field(1, '') + field(2, 13)))


# ---- a probe in the place of a model's heads ----------------------------------------------------

def read_safetensors(path):
    with open(path, 'rb') as f:
        n, = struct.unpack('<Q', f.read(8))
        return json.loads(f.read(n)), f.read()


def with_weights(model, path, weights):
    """A copy of a model file in which tensors of 32-bit numbers are others: {name: array of the same shape}."""
    header, data = read_safetensors(model)
    data = bytearray(data)
    for name, value in weights.items():
        t = header[name]
        assert t['shape'] == list(value.shape), (name, t['shape'], value.shape)
        data[t['data_offsets'][0]:t['data_offsets'][1]] = np.ascontiguousarray(value, '<f4').tobytes()
    text = json.dumps(header).encode()
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)


def tensor(model, name):
    header, data = read_safetensors(model)
    a, b = header[name]['data_offsets']
    return np.frombuffer(data[a:b], {'F32': '<f4', 'F64': '<f8'}[header[name]['dtype']]).reshape(header[name]['shape'])


def probe_weights(model, view, h, labels):
    """The weights [5, p] of a logistic regression on features h, standardized, as they apply to the model's scaled features."""
    sd = h.std(0) + 1e-6
    probe = LogisticRegression(max_iter=1000).fit((h - h.mean(0)) / sd, labels)
    return probe.coef_ / sd * tensor(model, view + '.scale')


def class_variates(model, view, h, labels):
    """Weights [4, p] of variates of the scaled features that tell the class, uncorrelated and of variance 1 (linear discriminants),
    and their loadings [p, 4]."""
    x = (h - h.mean(0)) / tensor(model, view + '.scale')
    y = np.eye(CLASSES)[labels]
    cov = np.cov(x, rowvar=False)
    ridge = 1e-3 * np.trace(cov) / len(cov) * np.eye(len(cov))
    w = np.linalg.solve(cov + ridge, x.T @ (y - y.mean(0)) / len(x))
    values, vectors = np.linalg.eigh(np.cov(x @ w, rowvar=False))
    w = w @ vectors[:, 1:] / np.sqrt(values[1:])
    return w.T, x.T @ (x @ w) / len(x)


# ---- what is measured ---------------------------------------------------------------------------

def local_sums(maps, side):
    return np.array([gaussian_filter(m, side / 24) for m in maps])


def pointing(maps, boxes):
    """Share of the maps whose largest magnitude, smoothed, lies on the shared and on the private glyph. maps [n, side, side]"""
    side = maps.shape[-1]
    smooth = np.array([gaussian_filter(abs(m), side / 16) for m in maps]).reshape(len(maps), -1)
    at, i = smooth.argmax(1), np.arange(len(maps))
    return [float(boxes[:, kind].reshape(len(maps), -1)[i, at].mean()) for kind in (SHARED, PRIVATE)]
