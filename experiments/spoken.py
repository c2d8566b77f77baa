# SPDX-License-Identifier: MIT
"""Telephone prompts spoken in five languages (Debian: asterisk-core-sounds-*-wav): recordings, their windows, features of the
windows by a speech embedding, and pairs of languages."""
import json
import os
import wave

import numpy as np

SOUNDS = '/usr/share/asterisk/sounds'
LANGUAGES = ('en_US_f_Allison', 'es_MX_f_Allison', 'fr_CA_f_June', 'it_IT_m_Carlo', 'ru_RU_f_IvrvoiceRU')
RATE, WINDOW, HOP, MOST = 8000, 6320, 3160, 10  # samples; a window is what the encoder takes (0.79 s), MOST windows a recording
KINDS = ('numbers and dates', 'letters', 'short phrases', 'long phrases')


def there():
    return all(os.path.isdir(os.path.join(SOUNDS, language)) for language in LANGUAGES)


def recording(path):
    """Samples of 16 bits, without the silence before and after."""
    with wave.open(path) as w:
        x = np.frombuffer(w.readframes(w.getnframes()), '<i2')
    loud = np.flatnonzero(abs(x.astype(int)) > 300)
    return x[max(0, loud[0] - 400):loud[-1] + 400] if len(loud) else x


def prompts():
    """{name: five recordings}: what all languages have and say in their own words (no silence, no tones)."""
    def names(language):
        top = os.path.join(SOUNDS, language)
        return {os.path.relpath(os.path.join(d, f), top) for d, _, files in os.walk(top) for f in files if f.endswith('.wav')}
    found = {}
    for name in sorted(set.intersection(*map(names, LANGUAGES))):
        spoken = [recording(os.path.join(SOUNDS, language, name)) for language in LANGUAGES]
        if not name.startswith('silence/') and len({x.tobytes() for x in spoken}) == len(LANGUAGES):
            found[name] = spoken
    return found


def write_windows(where, found):
    """Windows as files, and a study of them; (prompt, language) of every window."""
    os.makedirs(os.path.join(where, 'windows'), exist_ok=True)
    files, owners = [], []
    for i, spoken in enumerate(found.values()):
        for j, x in enumerate(spoken):
            for k in range(max(1, min(MOST, (len(x) - WINDOW) // HOP + 1))):
                y = x[k * HOP:k * HOP + WINDOW]
                files.append(os.path.join('windows', '%d.%d.%d.wav' % (i, j, k)))
                owners.append((i, j))
                with wave.open(os.path.join(where, files[-1]), 'wb') as w:
                    w.setparams((1, 2, RATE, 0, 'NONE', ''))
                    w.writeframes(np.pad(y, (0, WINDOW - len(y))).astype('<i2').tobytes())
    with open(os.path.join(where, 'windows.tsv'), 'w') as f:
        f.write('\n'.join(['file', *files]) + '\n')
    return np.array(owners)


def write_study(where, encoders):
    """melspectrogram.onnx and embedding_model.onnx: 96 numbers a window."""
    chain = [{'file': os.path.join(encoders, 'melspectrogram.onnx'), 'scale': 0.1, 'shift': 2, 'reshape': [76, 32, 1]},
             {'file': os.path.join(encoders, 'embedding_model.onnx')}]
    view = {'kind': 'audio', 'column': 'file', 'rate': 16000, 'samples': 2 * WINDOW, 'scale': 32768, 'encoder': chain, 'batch': 1}
    study = os.path.join(where, 'study.json')
    with open(study, 'w') as f:
        json.dump({'table': 'windows.tsv', 'views': {'speech': view}}, f)
    return study


def means(features, owners, n):
    """[n, languages, 96], [n]: means over a recording's windows; the median over languages of how many there are."""
    total, count = np.zeros((n, len(LANGUAGES), features.shape[1])), np.zeros((n, len(LANGUAGES)))
    np.add.at(total, tuple(owners.T), features)
    np.add.at(count, tuple(owners.T), 1)
    return total / count[..., None], np.median(count, 1)


def kinds(names, windows):
    """Of every prompt, what it is: by its folder, and phrases by whether they are longer than half of the phrases."""
    top = {'digits': 0, 'letters': 1, 'phonetic': 1}
    kind = np.array([top.get(name.split('/')[0] if '/' in name else '', 2) for name in names])
    kind[(kind == 2) & (windows > np.median(windows[kind == 2]))] = 3
    return kind


class Pairs:
    """Rows: a prompt in a language of view 1 (three languages) beside the same prompt in one of view 2 (the other two), all six
    pairs of every prompt. The language of a view says then nothing of the prompt, nor of the other view's language. The training
    rows are those of four fifths of the prompts, shuffled."""

    def __init__(self, features, seed):
        r = np.random.default_rng([seed, 1])
        prompt, language = r.permutation(len(features)), r.permutation(len(LANGUAGES))
        pairs = [(a, b) for a in language[:3] for b in language[3:]]
        rows = np.array([(p, a, b) for p in prompt for a, b in pairs])
        self.n_train = len(features) * 4 // 5 * len(pairs)
        rows[:self.n_train] = rows[:self.n_train][r.permutation(self.n_train)]
        self.prompt, self.languages = rows[:, 0], rows[:, 1:].T
        self.views = [features[self.prompt, a].astype(np.float32) for a in self.languages]

    def train(self, a):
        return a[:self.n_train]

    def test(self, a):
        return a[self.n_train:]


def retrieval(pairs, prompt, languages):
    """Share of the test rows whose nearest neighbour in the other view, by the cosine, is of the same prompt: of one recording of
    each prompt. Mean over the pairs of languages. pairs: of each view (training, test)."""
    right = []
    unit = [(b - a.mean(0)) / np.maximum(np.linalg.norm(b - a.mean(0), axis=1, keepdims=True), 1e-12) for a, b in pairs]
    for pair in np.unique(languages, axis=1).T:
        i = np.flatnonzero((languages == pair[:, None]).all(0))
        near = (unit[0][i] @ unit[1][i].T).argmax(1)
        right.append(np.mean(prompt[i][near] == prompt[i]))
    return float(np.mean(right))
