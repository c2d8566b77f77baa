# SPDX-License-Identifier: MIT
"""The sounds and pictures of docs/jobs/sound.md: `tones.py OUT [ROWS]` writes a tone and a picture of 24 x 24 cells for each row. The pitch of the tone is the height
of a bright line in the picture; its loudness, and where a vertical line stands in the picture, are their own."""
import json
import os
import sys
import wave

import numpy as np

from generators import Draws

RATE, SECONDS, SIDE = 8000, .5, 24


def tone(pitch, loudness, noise):
    t = np.arange(len(noise)) / RATE
    return loudness * np.sin(2 * np.pi * 200 * 8 ** pitch * t) + .01 * noise


def write_wav(path, x):
    with wave.open(path, 'wb') as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes((32767 * np.clip(x, -1, 1)).astype('<i2').tobytes())


def picture(pitch, column, noise):
    rows, cols = np.mgrid[:SIDE, :SIDE]
    line = np.exp(-.5 * ((rows - (SIDE - 3) * (1 - pitch) - 1) / .8) ** 2)
    return line + np.exp(-.5 * ((cols - (SIDE - 3) * column - 1) / .8) ** 2) + .2 * noise


def main(out, n=400):
    draw = Draws(3)
    pitch, loudness, column = (draw.uniform(i, n) for i in range(3))
    os.makedirs(os.path.join(out, 'sounds'), exist_ok=True)
    noise = draw.normal(3, n, int(RATE * SECONDS))
    for i in range(n):
        write_wav(os.path.join(out, 'sounds', 'tone%03d.wav' % i), tone(pitch[i], .05 + .5 * loudness[i], noise[i]))
    noise = draw.normal(4, n, SIDE * SIDE).reshape(n, SIDE, SIDE)
    np.save(os.path.join(out, 'pictures.npy'), np.stack([picture(pitch[i], column[i], noise[i]) for i in range(n)]).astype(np.float32))
    with open(os.path.join(out, 'rows.csv'), 'w') as f:
        f.write('sound,hertz\n' + ''.join('tone%03d.wav,%.0f\n' % (i, 200 * 8 ** pitch[i]) for i in range(n)))
    study = {'table': 'rows.csv', 'split': {'test': .25, 'seed': 1}, 'views': {
        'sound': {'kind': 'audio', 'column': 'sound', 'folder': 'sounds', 'rate': RATE, 'samples': int(RATE * SECONDS), 'encoder': 'log-mel',
                  'bands': 24, 'frames': 4},
        'picture': {'kind': 'features', 'file': 'pictures.npy'}}}
    with open(os.path.join(out, 'study.json'), 'w') as f:
        json.dump(study, f, indent=1)


if __name__ == '__main__':
    main(sys.argv[1], *map(int, sys.argv[2:]))
