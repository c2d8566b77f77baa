# SPDX-License-Identifier: MIT
"""The embeddings of docs/jobs/captions.md: `captions.py OUT [ROWS]` writes emb.npz with `img` and `txt`, 48 numbers a row, and captions.csv. Both know the colour, the
animal and the number of animals; the picture alone knows the light, the caption alone how it is worded."""
import json
import os
import sys

import numpy as np

from generators import Draws

COLOURS, ANIMALS, NUMBERS = ('black', 'brown', 'white', 'red'), ('cat', 'dog', 'horse', 'bird'), ('one', 'two', 'three')
WORDINGS, COLS, NOISE = ('a picture of %s', 'here we see %s', '%s'), 48, .35


def one_of(draw, stream, n, k):
    return np.minimum((k * draw.uniform(stream, n)).astype(int), k - 1)


def embed(draw, stream, parts, n):
    """A direction for every level of every attribute, and noise."""
    x = NOISE * draw.normal(stream, n, COLS)
    for i, (codes, levels) in enumerate(parts):
        x += draw.normal(stream + 1 + i, levels, COLS)[codes] / np.sqrt(COLS) * 2
    return x.astype(np.float16)


def main(out, n=900):
    draw = Draws(2)
    os.makedirs(out, exist_ok=True)
    levels = [len(COLOURS), len(ANIMALS), len(NUMBERS)]
    shared = [(one_of(draw, i, n, k), k) for i, k in enumerate(levels)]
    light, wording = one_of(draw, 3, n, 5), one_of(draw, 4, n, len(WORDINGS))
    np.savez(os.path.join(out, 'emb.npz'), img=embed(draw, 10, shared + [(light, 5)], n), txt=embed(draw, 30, shared + [(wording, 3)], n))
    with open(os.path.join(out, 'captions.csv'), 'w') as f:
        f.write('caption\n')
        for i in range(n):
            c, a, k = (codes[i] for codes, _ in shared)
            what = '%s %s %s%s' % (NUMBERS[k], COLOURS[c], ANIMALS[a], 's' if k else '')
            f.write(WORDINGS[wording[i]] % what + '\n')
    views = {name: {'kind': 'features', 'file': 'emb.npz:' + part, 'show': 'caption'} for name, part in (('image', 'img'), ('text', 'txt'))}
    with open(os.path.join(out, 'study.json'), 'w') as f:
        json.dump({'table': 'captions.csv', 'split': {'test': .3, 'seed': 1}, 'views': views}, f, indent=1)


if __name__ == '__main__':
    main(sys.argv[1], *map(int, sys.argv[2:]))
