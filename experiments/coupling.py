# SPDX-License-Identifier: MIT
"""Planted pairs of words and objects: data, encoders as ONNX files, and what a supervised reader makes of the pictures.

A picture of 32 x 32 holds three of eight glyphs at random places (mirrored 7 x 7 bitmaps of 22 pixels each, drawn anew for every
seed, so that no glyph is brighter than another) under noise. Its caption has one to three words that name glyphs in it, and
fillers, in random order."""
import json
import os

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression

NAMES = 'anchor basket candle dragon engine flower guitar hammer'.split()
FILLERS = 'there we see some again here maybe'.split()
SIDE, GLYPH, SHOWN, WORDS, WIDTH = 32, 7, 3, 5, 16


def glyphs(r):
    """[8, 7, 7] of zeros and ones: mirrored, connected enough to be seen, 22 pixels each, no two alike."""
    found = []
    while len(found) < len(NAMES):
        half = r.random((GLYPH, 4)) < .5
        g = np.concatenate([half, half[:, 2::-1]], 1)
        if g.sum() == 22 and all(min((g != f).sum(), (g != f[::-1]).sum()) > 14 for f in found):
            found.append(g)
    return np.array(found, float)


def pictures(r, shapes, n):
    """Pictures [n, 1, 32, 32], which glyphs they hold [n, 3], and where [n, 3, 2]."""
    x = .2 * r.normal(size=(n, 1, SIDE, SIDE))
    held = np.stack([r.permutation(len(NAMES))[:SHOWN] for _ in range(n)])
    place = np.zeros((n, SHOWN, 2), int)
    for i in range(n):
        while True:
            place[i] = r.integers(0, SIDE - GLYPH + 1, (SHOWN, 2))
            if all(abs(place[i, a] - place[i, b]).max() > GLYPH for a in range(SHOWN) for b in range(a)):
                break
        for k, (y, u) in zip(held[i], place[i]):
            x[i, 0, y:y + GLYPH, u:u + GLYPH] += shapes[k]
    return x.astype(np.float32), held, place


def captions(r, held):
    """Texts of five words: the first one to three glyphs by name, fillers, in random order."""
    texts = []
    for row in held:
        named = [NAMES[k] for k in row[:r.integers(1, SHOWN + 1)]]
        words = named + list(r.choice(FILLERS, WORDS - len(named)))
        texts.append(' '.join(r.permutation(words)))
    return texts


def boxes(place):
    """[3, 32, 32]: the cells of each glyph of a picture."""
    out = np.zeros((SHOWN, SIDE, SIDE), bool)
    for k, (y, u) in enumerate(place):
        out[k, y:y + GLYPH, u:u + GLYPH] = True
    return out


# ---- encoders ----------------------------------------------------------------------------------

def picture_network(torch, seed, shapes, n, epochs):
    """A small CNN trained to say which glyphs a picture holds; its pooled features are the view."""
    torch.manual_seed(seed)
    layers = torch.nn
    body = layers.Sequential(layers.Conv2d(1, 16, 3, padding=1), layers.ReLU(), layers.MaxPool2d(2),
                             layers.Conv2d(16, 32, 3, padding=1), layers.ReLU(),
                             layers.Conv2d(32, 48, 3, padding=1), layers.ReLU())
    head = layers.Linear(48, len(NAMES))
    x, held, _ = pictures(np.random.default_rng([seed, 1]), shapes, n)
    y = np.zeros((n, len(NAMES)), np.float32)
    np.put_along_axis(y, held, 1, 1)
    x, y = torch.tensor(x), torch.tensor(y)
    steps = torch.optim.Adam([*body.parameters(), *head.parameters()], 4e-3)
    for epoch in range(epochs):
        if epoch == 2 * epochs // 3:
            steps.param_groups[0]['lr'] /= 4
        for rows in torch.randperm(n).split(100):
            loss = layers.functional.binary_cross_entropy_with_logits(head(body(x[rows]).mean((2, 3))), y[rows])
            steps.zero_grad()
            loss.backward()
            steps.step()

    class Pooled(layers.Module):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, image):
            return self.body(image).mean((2, 3))
    return Pooled().eval().requires_grad_(False)


def text_network(torch, seed, vocabulary):
    """ids, mask -> embeddings -> [mean of GELU(E W), GELU(mean of E V)], random; all words share a direction, as those of
    trained embeddings do."""
    torch.manual_seed(1000 + seed)
    layers = torch.nn

    class Sentence(layers.Module):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(vocabulary, WIDTH)
            self.each, self.whole = layers.Linear(WIDTH, 32), layers.Linear(WIDTH, 32)
            self.embedding.weight.data += torch.randn(WIDTH)

        def forward(self, ids, mask):
            e, m = self.embedding(ids), mask.unsqueeze(2)
            mean = (e * m).sum(1) / m.sum(1)
            gelu = layers.functional.gelu
            return torch.cat([(gelu(self.each(e)) * m).sum(1) / m.sum(1), gelu(2 * self.whole(mean))], 1)
    return Sentence().eval().requires_grad_(False)


def export(torch, network, inputs, names, path):
    torch.onnx.export(network, inputs, path, input_names=names, output_names=['features'], opset_version=13,
                      dynamic_axes={name: {0: 'rows'} for name in [*names, 'features']})


# ---- a study -----------------------------------------------------------------------------------

class Planted:
    """Files of a study in `where`, and the truth of its test rows."""

    def __init__(self, torch, where, seed, n_train, n_test, epochs):
        os.makedirs(where, exist_ok=True)
        self.where, r = where, np.random.default_rng([seed, 0])
        self.torch, self.shapes = torch, glyphs(r)
        self.network = picture_network(torch, seed, self.shapes, 2 * n_train, epochs)
        words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', *NAMES, *FILLERS]
        export(torch, self.network, (torch.zeros(2, 1, SIDE, SIDE),), ['image'], self.path('picture.onnx'))
        ids = torch.zeros(2, WORDS + 2, dtype=torch.int64)
        export(torch, text_network(torch, seed, len(words)), (ids, torch.ones(2, WORDS + 2)), ['ids', 'mask'],
               self.path('words.onnx'))
        with open(self.path('vocabulary.txt'), 'w') as f:
            f.write('\n'.join(words) + '\n')
        x, self.held, self.place = pictures(r, self.shapes, n_train + n_test)
        self.x, self.n_train, self.texts = x[:, 0], n_train, captions(r, self.held)
        np.save(self.path('picture.npy'), x)
        self.study = self.write('study.json', self.texts)
        shuffled = [self.texts[i] for i in r.permutation(n_train)] + self.texts[n_train:]
        self.unrelated = self.write('unrelated.json', shuffled)

    def path(self, name):
        return os.path.join(self.where, name)

    def write(self, name, texts):
        """A study of these texts beside the pictures, the training rows and the test rows apart."""
        table = name.replace('.json', '.tsv')
        with open(self.path(table), 'w') as f:
            f.write('text\tpart\n' + ''.join('%s\t%s\n' % row for row in
                                            ((t, 'train' if i < self.n_train else 'test') for i, t in enumerate(texts))))
        tensors = {'image': 'picture.onnx', 'wrt': '/embedding/Gather_output_0'}
        views = {'picture': {'kind': 'features', 'file': 'picture.npy', 'encoder': tensors['image']},
                 'words': {'kind': 'text', 'column': 'text', 'tokenizer': 'wordpiece', 'vocabulary': 'vocabulary.txt',
                           'length': WORDS + 2, 'encoder': 'words.onnx', 'wrt': tensors['wrt']}}
        with open(self.path(name), 'w') as f:
            # Whole groups go to the test part, in an order that is fixed by seed and name: the group 'test', alone.
            split = {'column': 'part', 'test': .01, 'seed': 3}
            json.dump({'table': table, 'split': split, 'views': views}, f, indent=1)
        return self.path(name)

    def features(self, x):
        with self.torch.no_grad():
            return np.concatenate([self.network(self.torch.tensor(part[:, None])).numpy()
                                   for part in np.array_split(x, max(1, len(x) // 500))])

    def ceiling(self, rows, steps=32):
        """Maps [rows, 8, 32, 32] of a supervised logit of each glyph: integrated gradients from the mean picture."""
        torch, train = self.torch, slice(0, self.n_train)
        f = self.features(self.x[train])
        scale = f.std(0) + 1e-6
        y = np.zeros((self.n_train, len(NAMES)))
        np.put_along_axis(y, self.held[train], 1, 1)
        weights = [LogisticRegression(max_iter=5000).fit(f / scale, y[:, k]).coef_[0] / scale for k in range(len(NAMES))]
        base = self.x[train].mean(0)
        out = np.zeros((len(rows), len(NAMES), SIDE, SIDE))
        nodes, gauss = np.polynomial.legendre.leggauss(steps)
        for k, w in enumerate(weights):
            w = torch.tensor(w, dtype=torch.float32)
            for t, q in zip((nodes + 1) / 2, gauss / 2):
                z = torch.tensor((base + t * (self.x[rows] - base)).astype(np.float32))[:, None].requires_grad_(True)
                g, = torch.autograd.grad((self.network(z) @ w).sum(), z)
                out[:, k] += q * g[:, 0].numpy() * (self.x[rows] - base)
        return gaussian_filter(out, (0, 0, SIDE / 24, SIDE / 24), mode='reflect')


def right_object(values, named, cells):
    """Is the named one of three objects the word's maximum? Does the maximum of all cells lie on it?"""
    best = [values[c].max() for c in cells]
    return np.argmax(best) == named, cells[named].flat[np.argmax(values)]
