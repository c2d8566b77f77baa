# SPDX-License-Identifier: MIT
"""crosscheck.py [--shared FOLDER] [--npm FOLDER] [--mucmm PROGRAM] [NETWORK ...]

Whole networks in mucmm (mucmm graph run, graph vjp) beside PyTorch with the same weights in float64, and beside
finite differences of mucmm's own forward pass. Prints a table; exit status 1 if an error is above its limit.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

from onnx_torch import Network

LIMIT = 1e-3             # of outputs and gradients, relative to the largest number
DIFFERENCES_LIMIT = 1e-2  # of finite differences: float32 passes, networks with kinks


class Case:
    """inputs(data) gives the arrays; gradients of the tensor `output` are taken with respect to `wrt`."""

    def __init__(self, path, output, wrt, inputs):
        self.path, self.output, self.wrt, self.inputs = path, output, wrt, inputs
        self.name = os.path.basename(path)[:-len('.onnx')]


class Data:
    """Inputs like those the networks were made for, from a seed and the files of the shared folder."""

    def __init__(self, shared):
        self.shared, self.random = shared, np.random.default_rng(7)

    def reference(self, name):
        return np.load(os.path.join(self.shared, 'data', 'reference', name)).astype(np.float32)

    def picture(self, height, width):
        """A smooth random picture with edges, [1, 3, height, width] in -1 to 1."""
        y, x = np.mgrid[:height, :width] / 32.0
        layers = [np.sin(a * x + b * y + c) + (a * x - b * y > c) for a, b, c in self.random.normal(0, 2, (3, 3))]
        noise = self.random.normal(0, 0.1, (1, 3, height, width))
        return (np.tanh(np.stack(layers)[None] - 0.5) + noise).clip(-1, 1).astype(np.float32)

    def images(self):
        return {'image': np.concatenate([self.reference('image_banana.npy'), self.picture(224, 224)])}

    def sentences(self):
        ids, mask = np.zeros((2, 32), np.int64), np.zeros((2, 32), np.float32)
        ids[0, :3] = [1181, 5459, 3214]
        ids[1, :20] = self.random.integers(1, 8000, 20)
        mask[0, :3] = mask[1, :20] = 1
        return {'ids': ids, 'mask': mask}

    def audio(self):
        speech = self.reference('audio.npy').reshape(1, -1)
        return {'input': np.concatenate([speech, speech[:, ::-1] + self.random.normal(0, 300, speech.shape)]
                                        ).astype(np.float32)}

    def mel(self):
        mel = self.reference('mel.npy').reshape(1, 76, 32, 1) / 10 + 2
        return {'input_1': np.concatenate([mel, mel + self.random.normal(0, 0.5, mel.shape)]).astype(np.float32)}

    def sound(self):
        time = np.arange(43844) / 22050
        chord = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.2, 329.6))
        return {'serving_default_input_2:0':
                (0.2 * chord + self.random.normal(0, 0.02, time.shape)).astype(np.float32)[None, :, None]}


def cases(shared, npm):
    encoders = os.path.join(shared, 'data', 'encoders')
    ocr = os.path.join(npm, 'node_modules', '@gutenye', 'ocr-models', 'assets')
    return [
        Case(f'{encoders}/mobilenetv1_025_224.onnx', 'imagenet_logits', 'image', Data.images),
        Case(f'{encoders}/mobilenetv1_025_224.onnx', 'Conv2d_13_pointwise_relu6', 'image', Data.images),
        Case(f'{encoders}/use_lite_T32.onnx', 'embedding', 'token_embeddings', Data.sentences),
        Case(f'{encoders}/embedding_model.onnx', 'conv2d_19', 'input_1', Data.mel),
        Case(f'{encoders}/melspectrogram.onnx', 'output', 'input', Data.audio),
        Case(f'{encoders}/basic_pitch.onnx', 'StatefulPartitionedCall:0', 'serving_default_input_2:0', Data.sound),
        Case(f'{encoders}/FastestDet.onnx', '758', 'input.1',
             lambda d: {'input.1': d.reference('fastestdet_in.npy')}),
        Case(f'{ocr}/ch_PP-OCRv4_det_infer.onnx', 'sigmoid_0.tmp_0', 'x', lambda d: {'x': d.picture(320, 320)}),
        Case(f'{ocr}/ch_PP-OCRv4_rec_infer.onnx', 'softmax_11.tmp_0', 'x', lambda d: {'x': d.picture(48, 320)}),
        Case(f'{ocr}/ch_ppocr_mobile_v2.0_cls_infer.onnx', 'softmax_0.tmp_0', 'x',
             lambda d: {'x': d.picture(48, 192)}),
    ]


class Program:
    """mucmm graph run and vjp on arrays, through files in a folder."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def call(self, command, network, inputs, *more):
        arguments = []
        for i, (name, array) in enumerate(inputs.items()):
            file = os.path.join(self.folder, f'input{i}.npy')
            np.save(file, array)
            arguments += ['--input', f'{name}={file}']
        done = subprocess.run([self.path, 'graph', command, network, *arguments, *more], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip() or f'exit status {done.returncode}').splitlines()[-1])
        return done.stdout

    def run(self, network, inputs, output):
        said = self.call('run', network, inputs, '--tensor', output, '--json', '-o', os.path.join(self.folder, 'out'))
        return np.load(json.loads(said)[0]['file'])

    def vjp(self, network, inputs, output, wrt, cotangent):
        files = [os.path.join(self.folder, name) for name in ('cotangent.npy', 'gradient.npy')]
        np.save(files[0], cotangent)
        self.call('vjp', network, inputs, '--cotangent', f'{output}={files[0]}', '--wrt', wrt, '-o', files[1])
        return np.load(files[1])


def error(got, want):
    """The largest difference, relative to the largest number wanted."""
    if got.shape != want.shape:
        return float('inf')
    worst = np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30)
    return worst if np.isfinite(worst) else float('inf')


def differences(program, case, inputs, gradient, cotangent, random):
    """Central differences of <cotangent, output> along directions half random, half uphill, against the gradient; of
    several steps the one that fits best, since too small ones drown in rounding and too large ones meet kinks."""
    x = inputs[case.wrt].astype(np.float64)
    worst = 0.0
    for _ in range(2):
        noise = random.normal(size=x.shape)
        direction = gradient / np.linalg.norm(gradient) + noise / np.linalg.norm(noise)
        errors = []
        for step in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
            ends, values = [], []
            for sign in (1, -1):
                ends.append((x + sign * step * np.linalg.norm(x) * direction).astype(np.float32))
                y = program.run(case.path, {**inputs, case.wrt: ends[-1]}, case.output)
                values.append(np.vdot(cotangent.astype(np.float64), y.astype(np.float64)))
            slope = np.vdot(gradient.astype(np.float64), ends[0].astype(np.float64) - ends[1])
            errors.append(abs(values[0] - values[1] - slope) / max(abs(slope), 1e-30))
        worst = max(worst, min(errors))
    return worst


def measure(program, case, shared):
    """Errors of output, gradient and finite differences."""
    data = Data(shared)
    inputs = case.inputs(data)
    exact = Network(case.path, torch.float64)
    y, x = exact.run(inputs, case.output, case.wrt)
    cotangent = data.random.normal(size=tuple(y.shape)).astype(np.float32)
    want, slope = exact.gradient(inputs, case.output, case.wrt, cotangent)
    got = program.run(case.path, inputs, case.output)
    gradient = program.vjp(case.path, inputs, case.output, case.wrt, cotangent)
    if case.wrt not in inputs:  # an inner tensor is given in the place of what it is computed from
        inputs = {**inputs, case.wrt: x.detach().numpy().astype(np.float32)}
    return (error(got, want), error(gradient, slope),
            differences(program, case, inputs, gradient, cotangent, data.random))


def report(rows):
    print('Relative errors against PyTorch %s in float64 (limit %g), and of finite differences of the forward pass '
          '(limit %g)\n' % (torch.__version__, LIMIT, DIFFERENCES_LIMIT))
    header = ['network', 'output', 'gradient with respect to', 'output', 'gradient', 'differences', '']
    widths = [max(len(r[i]) for r in [header] + rows) for i in range(len(header))]
    for r in [header, ['-' * w for w in widths]] + rows:
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(r, widths)) + ' |')


def main():
    a = argparse.ArgumentParser(prog='tests/crosscheck/run.sh', description='mucmm beside PyTorch on whole networks.')
    a.add_argument('networks', nargs='*', metavar='NETWORK', help='part of a file name (default: all)')
    a.add_argument('--shared', required=True, help='folder with data/encoders and data/reference')
    a.add_argument('--npm', required=True, help='folder with node_modules')
    a.add_argument('--mucmm', required=True, help='the program')
    o = a.parse_args()
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        program = Program(os.path.abspath(o.mucmm), folder)
        for case in cases(o.shared, o.npm):
            if o.networks and not any(word in case.name for word in o.networks):
                continue
            if not os.path.exists(case.path):
                rows.append([case.name, case.output, case.wrt, '-', '-', '-', 'not there'])
                continue
            print(f'  {case.name}, {case.output}', file=sys.stderr, flush=True)
            try:
                errors = measure(program, case, o.shared)
            except RuntimeError as e:
                rows.append([case.name, case.output, case.wrt, '-', '-', '-', f'FAIL: {e}'])
                failed = True
                continue
            good = max(errors[:2]) <= LIMIT and errors[2] <= DIFFERENCES_LIMIT
            rows.append([case.name, case.output, case.wrt] + ['%.1e' % e for e in errors] + ['ok' if good else 'FAIL'])
            failed |= not good
    report(rows)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
