#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tokens of SentencePiece model files against the sentencepiece package (pip install sentencepiece): small unigram and BPE
models are trained on a made-up text, and thousands of random strings with odd Unicode go through both.

    python3 experiments/sentences.py [MUCMM] [--strings 4000] [--seed 1]

Prints the strings that differ; the exit status is 1 if there are any in a model file. The last row is a vocabulary of lines (.vocab), to
which the built-in nmt_nfkc rule applies: where Unicode composes marks that SentencePiece's table does not list, it may differ."""
import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import sentencepiece as spm

LENGTH = 400


def varint(n):
    out = b''
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def identity_network():
    """ONNX: ids [N, LENGTH] int64 -> y, the same as float32."""
    def value(name, kind):
        dims = field(1, field(2, 'n')) + field(1, field(1, LENGTH))
        return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))
    cast = field(1, 'ids') + field(2, 'y') + field(4, 'Cast') + field(5, field(1, 'to') + field(3, 1) + field(20, 2))
    graph = field(1, cast) + field(2, 'g') + field(11, value('ids', 7)) + field(12, value('y', 1))
    return field(1, 8) + field(7, graph) + field(8, field(1, '') + field(2, 13))


def made_up_text(seed, lines=3000):
    r = random.Random(seed)
    syllables = [a + b for a in 'bdfgklmnprstvz' for b in 'aeiou'] + ['é', 'ü', '東', '京', 'ñe', 'ß', 'я', 'да']
    words = [''.join(r.choice(syllables) for _ in range(r.randint(1, 4))) for _ in range(4000)]
    return [' '.join(r.choice(words) for _ in range(r.randint(3, 12))) + r.choice(['.', '!', '?', ' 42', '']) for _ in range(lines)]


def odd_strings(n, seed, text):
    r = random.Random(seed)
    ranges = [(0x20, 0x7e)] * 6 + [(1, 0x1f), (0x7f, 0xa0), (0xa1, 0x17f), (0x300, 0x36f), (0x2000, 0x206f), (0x2580, 0x2585), (0x3000, 0x30ff),
                                   (0x4e00, 0x4e80), (0xac00, 0xac80), (0xf900, 0xfaff), (0xfb00, 0xfb4f), (0xfdf0, 0xfeff), (0xff00, 0xfffd), (0x1d400, 0x1d4ff),
                                   (0x1f300, 0x1f64f), (0x600, 0x6ff), (0x1100, 0x11ff), (0x900, 0x97f)]
    zero_width = ['\u200b', '\u200c', '\u200d', '\ufeff', '\u2060', '\u00ad', '\u200e', '\u3000', '\u00a0', '\u2028', '\t', '\n', '\r', '\u0085', '\u2581', '  ']
    out = ['', ' ', '\u200b', '\x01', '▁', 'a\u0301', '\uff5e', 'ﷺ' * 3]
    while len(out) < n:
        s = ''
        for _ in range(r.randint(1, 12)):
            kind = r.random()
            if kind < .4:
                s += r.choice(text)[:r.randint(1, 20)]
            elif kind < .6:
                s += r.choice(zero_width)
            else:
                low, high = r.choice(ranges)
                s += ''.join(chr(r.randint(low, high)) for _ in range(r.randint(1, 4)))
        out.append(s)
    return out


def tokens(mucmm, folder, vocabulary, strings):
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator='\n')
    writer.writerow(['text', 'n'])
    writer.writerows([s, i] for i, s in enumerate(strings))
    with open(os.path.join(folder, 't.csv'), 'w', encoding='utf-8', newline='') as f:
        f.write(table.getvalue())
    view = {'kind': 'text', 'column': 'text', 'tokenizer': 'sentencepiece', 'vocabulary': vocabulary, 'length': LENGTH, 'truncate': True, 'encoder': 'id.onnx', 'wrt': 'y', 'pad': 0}
    with open(os.path.join(folder, 's.json'), 'w') as f:
        json.dump({'table': 't.csv', 'views': {'v': view}}, f)
    run = subprocess.run([mucmm, 'encode', os.path.join(folder, 's.json'), '-o', os.path.join(folder, 'o')], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return np.load(os.path.join(folder, 'o', 'v.npy')).astype(int)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('mucmm', nargs='?', default='build/cli/mucmm')
    parser.add_argument('--strings', type=int, default=4000)
    parser.add_argument('--seed', type=int, default=1)
    a = parser.parse_args()
    text = made_up_text(a.seed)
    strings = [s for s in odd_strings(a.strings, a.seed + 1, text) if '\0' not in s]
    bad = 0
    models = {'unigram': {}, 'bpe': {'model_type': 'bpe'}, 'unigram-bytes': {'byte_fallback': True, 'vocab_size': 700}, 'bpe-bytes': {'model_type': 'bpe', 'byte_fallback': True, 'vocab_size': 900},
              'unigram-user': {'user_defined_symbols': ['東京', 'ba', '<x>']}, 'bpe-user': {'model_type': 'bpe', 'user_defined_symbols': ['東京', 'ba', '<x>']}, 'identity': {'normalization_rule_name': 'identity'},
              'spaces': {'remove_extra_whitespaces': False}, 'no-prefix': {'add_dummy_prefix': False}, 'suffix': {'treat_whitespace_as_suffix': True}, 'nfkc_cf': {'normalization_rule_name': 'nmt_nfkc_cf'}}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'id.onnx'), 'wb') as f:
            f.write(identity_network())
        print(f'{len(strings)} strings\n{"model":16s} {"differ":>8s}')
        for name, options in models.items():
            prefix = os.path.join(folder, name)
            spm.SentencePieceTrainer.train(sentence_iterator=iter(text), model_prefix=prefix, minloglevel=2, **{'vocab_size': 500, 'hard_vocab_limit': False, 'character_coverage': .9995, **options})
            sp = spm.SentencePieceProcessor(model_file=prefix + '.model')
            want = sp.encode(strings)
            for kind in ['.model'] + (['.tsv'] if name == 'unigram' else []):
                if kind == '.tsv':
                    with open(prefix + '.tsv', 'w', encoding='utf-8') as f:
                        f.writelines(f'{i}\t{sp.get_score(i):.6f}\t{sp.id_to_piece(i)}\n' for i in range(sp.get_piece_size()))
                got = tokens(a.mucmm, folder, name + kind, strings)
                differ = [i for i, w in enumerate(want) if list(got[i]) != (w + [0] * LENGTH)[:LENGTH]]
                print(f'{name + kind:16s} {len(differ):8d}')
                for i in differ[:3] if kind == '.model' else []:
                    print('   ', ascii(strings[i])[:100], want[i][:12], list(got[i][:12]))
                bad += len(differ) if kind == '.model' else 0
    sys.exit(bad > 0)


main()
