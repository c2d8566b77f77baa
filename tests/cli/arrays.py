# SPDX-License-Identifier: MIT
"""Small arrays and files for the tests of the command line, without any package."""
import gzip
import json
import random
import struct
import wave
import zlib


def npy_bytes(values, shape, descr='<f4'):
    code = {'<f4': 'f', '<f8': 'd'}[descr]
    text = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, tuple(shape))
    header = text.encode()
    header += b' ' * (-(len(header) + 11) % 64) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + struct.pack(
        '<%d%s' % (len(values), code), *values)


def write_npy(path, rows, shape=None):
    values = [x for row in rows for x in row]
    with open(path, 'wb') as f:
        f.write(npy_bytes(values, shape or (len(rows), len(rows[0]))))


def read_npy(path):
    """(shape, values) of a float32 .npy."""
    with open(path, 'rb') as f:
        data = f.read()
    assert data[:6] == b'\x93NUMPY', path
    size = struct.unpack('<H', data[8:10])[0]
    header = eval(data[10:10 + size].decode(), {'__builtins__': {}}, {'False': False, 'True': True})
    assert header['descr'] == '<f4' and not header['fortran_order'], header
    return header['shape'], struct.unpack('<%df' % ((len(data) - 10 - size) // 4), data[10 + size:])


def write_csv(path, names, rows, keys=None, key_name='id'):
    with open(path, 'w') as f:
        f.write(','.join(([key_name] if keys else []) + names) + '\n')
        for i, row in enumerate(rows):
            f.write(','.join(([keys[i]] if keys else []) + ['%.7g' % x for x in row]) + '\n')


def write_png(path, rows):
    """8-bit RGB; rows of (red, green, blue)."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    raw = b''.join(b'\0' + bytes(c for pixel in row for c in pixel) for row in rows)
    with open(path, 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', len(rows[0]), len(rows), 8, 2, 0, 0, 0)) +
                chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))


def write_wav(path, rate, samples):
    """16-bit mono; samples in [-1, 1]."""
    with wave.open(path, 'wb') as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(struct.pack('<%dh' % len(samples), *(int(32767 * x) for x in samples)))


def paired_rows(n, seed):
    """Two views of 6 and 8 columns that share two latents; each has two of its own."""
    r = random.Random(seed)
    left, right = [], []
    for _ in range(n):
        z, a, b = ([r.gauss(0, 1) for _ in range(2)] for _ in range(3))
        noise = [0.3 * r.gauss(0, 1) for _ in range(8)]
        left.append([z[0] + noise[0], z[1] - a[0] + noise[1], a[0] + noise[2], a[1], a[1] + z[0] + noise[3],
                     r.gauss(0, 1)])
        right.append([z[0] + b[0] + noise[4], z[1] + noise[5], b[0] + noise[6], b[1] + noise[7], r.gauss(0, 1),
                      z[0] * z[1], b[1] - z[1], r.gauss(0, 1)])
    return left, right


def patch_model(source, target, change):
    """Copies a model file with change(metadata) applied to the metadata of its safetensors header."""
    with open(source, 'rb') as f:
        data = f.read()
    size = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + size])
    change(header['__metadata__'])
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(target, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data[8 + size:])


def write_fashion(folder, n, seed):
    """Files named and shaped like Fashion-MNIST: n items a set, one bright block a class."""
    r = random.Random(seed)
    for part in ('train', 't10k'):
        labels = bytes(i % 10 for i in range(n))
        images = bytearray()
        for y in labels:
            for row in range(28):
                for col in range(28):
                    inside = (row // 14) * 5 + col // 6 == y
                    images.append(r.randrange(150, 256) if inside else r.randrange(40))
        for kind, dims, data in (('images-idx3', (n, 28, 28), bytes(images)), ('labels-idx1', (n,), labels)):
            with gzip.open('%s/%s-%s-ubyte.gz' % (folder, part, kind), 'wb', 1) as f:
                f.write(bytes([0, 0, 8, len(dims)]) + struct.pack('>%dI' % len(dims), *dims) + data)
