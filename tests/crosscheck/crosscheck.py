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

LIMIT = 1e-3              # of outputs and gradients, relative to the largest number
DIFFERENCES_LIMIT = 1e-2  # of finite differences: float32 passes, networks with kinks
SAMPLES = 6
PITCH_INPUT = 'serving_default_input_2:0'
PITCH_SPECTRUM = 'model_1/cq_t2010v2_1/Sqrt_1;model_1/cq_t2010v2_1/Sqrt_1'
PITCH_NORMALIZED = 'model_1/normalized_log_1/div_no_nan;model_1/normalized_log_1/div_no_nan3'
CLEAN = 1e-4              # a sample is clean if PyTorch's own float32 gradient is as near to that in float64


class Case:
    """sample(data) gives the inputs of one sample; gradients of `output` are taken with respect to `wrt`. A network of
    a fixed batch takes the samples one by one."""

    def __init__(self, path, output, wrt, sample, one_by_one=False, stepped=True):
        self.path, self.output, self.wrt, self.sample = path, output, wrt, sample
        self.one_by_one, self.stepped = one_by_one, stepped
        self.name = os.path.basename(path)[:-len('.onnx')]

    def batches(self, data):
        samples = [self.sample(data) for _ in range(SAMPLES)]
        if self.one_by_one:
            return samples
        return [{name: np.concatenate([s[name] for s in samples]) for name in samples[0]}]


class Data:
    """Random inputs, a little like those that the networks were made for; always the same ones."""

    def __init__(self):
        self.random = np.random.default_rng(7)

    def picture(self, height, width):
        """Smooth waves with edges and noise, [1, 3, height, width] in -1 to 1."""
        y, x = np.mgrid[:height, :width] / 32.0
        layers = [np.sin(a * x + b * y + c) + (a * x - b * y > c) for a, b, c in self.random.normal(0, 2, (3, 3))]
        noise = self.random.normal(0, 0.1, (1, 3, height, width))
        return (np.tanh(np.stack(layers)[None] - 0.5) + noise).clip(-1, 1).astype(np.float32)

    def sentence(self):
        length = self.random.integers(3, 32)
        ids, mask = np.zeros((1, 32), np.int64), np.zeros((1, 32), np.float32)
        ids[0, :length] = self.random.integers(1, 8000, length)
        mask[0, :length] = 1
        return {'ids': ids, 'mask': mask}

    def sound(self, samples, rate):
        """A chord that swells, in noise."""
        time = np.arange(samples) / rate
        chord = sum(np.sin(2 * np.pi * f * time) for f in self.random.uniform(150, 900, 3))
        loud = 0.1 + 0.1 * np.sin(np.pi * time / time[-1])
        return (loud * chord + self.random.normal(0, 0.05, samples)).astype(np.float32)[None]

    def pitch(self):
        return {PITCH_INPUT: self.sound(43844, 22050)[:, :, None]}

    def mel(self):
        """Bands that wander slowly, as a spectrogram's do."""
        steps = self.random.normal(0, 0.5, (1, 76, 32, 1)).cumsum(1)
        return (1 + np.abs(steps) % 3).astype(np.float32)


def cases(shared, npm):
    encoders = os.path.join(shared, 'data', 'encoders')
    ocr = os.path.join(npm, 'node_modules', '@gutenye', 'ocr-models', 'assets')
    return [
        Case(f'{encoders}/mobilenetv1_025_224.onnx', 'imagenet_logits', 'image',
             lambda d: {'image': d.picture(224, 224)}),
        Case(f'{encoders}/mobilenetv1_025_224.onnx', 'Conv2d_13_pointwise_relu6', 'image',
             lambda d: {'image': d.picture(224, 224)}),
        Case(f'{encoders}/use_lite_T32.onnx', 'embedding', 'token_embeddings', Data.sentence),
        Case(f'{encoders}/embedding_model.onnx', 'conv2d_19', 'input_1', lambda d: {'input_1': d.mel()}),
        Case(f'{encoders}/melspectrogram.onnx', 'output', 'input', lambda d: {'input': 3e4 * d.sound(12640, 16000)}),
        # In one piece its gradient is that of the logarithm of the weakest bin: no step is small enough for differences.
        Case(f'{encoders}/basic_pitch.onnx', 'StatefulPartitionedCall:0', PITCH_INPUT, Data.pitch, stepped=False),
        Case(f'{encoders}/basic_pitch.onnx', PITCH_SPECTRUM, PITCH_INPUT, Data.pitch),
        Case(f'{encoders}/basic_pitch.onnx', 'StatefulPartitionedCall:0', PITCH_NORMALIZED, Data.pitch),
        Case(f'{encoders}/FastestDet.onnx', '758', 'input.1',
             lambda d: {'input.1': (d.picture(352, 352) + 1) / 2}, one_by_one=True),
        Case(f'{ocr}/ch_PP-OCRv4_det_infer.onnx', 'sigmoid_0.tmp_0', 'x', lambda d: {'x': d.picture(160, 160)}),
        Case(f'{ocr}/ch_PP-OCRv4_rec_infer.onnx', 'softmax_11.tmp_0', 'x', lambda d: {'x': d.picture(48, 160)}),
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
    """Central differences of <cotangent, output> along a direction half random, half uphill, against the gradient; of
    several steps the one that fits best, since too small ones drown in rounding and too large ones meet kinks."""
    x, noise = inputs[case.wrt].astype(np.float64), random.normal(size=gradient.shape)
    direction = gradient / np.linalg.norm(gradient) + noise / np.linalg.norm(noise)
    errors = []
    for step in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
        ends = [(x + sign * step * np.linalg.norm(x) * direction).astype(np.float32) for sign in (1, -1)]
        values = [np.vdot(cotangent, program.run(case.path, {**inputs, case.wrt: end}, case.output).astype(np.float64))
                  for end in ends]
        slope = np.vdot(gradient.astype(np.float64), ends[0].astype(np.float64) - ends[1])
        errors.append(abs(values[0] - values[1] - slope) / max(abs(slope), 1e-30))
    return min(errors)


class Measured:
    """Errors of one network: of all outputs; of the gradients of clean samples; of finite differences on one of them."""

    def __init__(self):
        self.output, self.gradients, self.differences, self.samples = 0.0, [], None, 0

    def row(self):
        gradient = float(np.median(self.gradients)) if self.gradients else float('inf')
        good = self.output <= LIMIT and gradient <= LIMIT and (self.differences or 0.0) <= DIFFERENCES_LIMIT
        return ['%.1e' % self.output, '%.1e' % gradient, '%d of %d' % (len(self.gradients), self.samples),
                '-' if self.differences is None else '%.1e' % self.differences, 'ok' if good else 'FAIL']


def measure(program, case):
    """A float32 gradient jumps where rounding moves a number across a kink (0 of a Relu): there PyTorch's own float32
    and float64 gradients disagree by percents. Gradients are compared on the samples where they do not, and the
    median over them is taken, because mucmm rounds in other places."""
    data, found = Data(), Measured()
    exact, single = Network(case.path, torch.float64), Network(case.path, torch.float32)
    for inputs in case.batches(data):
        y, x = exact.run(inputs, case.output, case.wrt)
        cotangent = data.random.normal(size=tuple(y.shape)).astype(np.float32)
        want, slope = exact.gradient(inputs, case.output, case.wrt, cotangent)
        _, rough = single.gradient(inputs, case.output, case.wrt, cotangent)
        found.output = max(found.output, error(program.run(case.path, inputs, case.output), want))
        gradient = program.vjp(case.path, inputs, case.output, case.wrt, cotangent)
        if gradient.shape != slope.shape:
            raise RuntimeError(f'a gradient of shape {gradient.shape} instead of {slope.shape}')
        clean = [i for i in range(len(slope)) if error(rough[i], slope[i]) <= CLEAN]
        found.gradients += [error(gradient[i], slope[i]) for i in clean]
        found.samples += len(slope)
        if case.stepped and found.differences is None:
            # an inner tensor is given in the place of what it is computed from
            inputs = {**inputs, case.wrt: x.detach().numpy().astype(np.float32)}
            found.differences = differences(program, case, inputs, gradient, cotangent, data.random)
    return found


def report(rows):
    print('Relative errors against PyTorch %s in float64 (limit %g), and of finite differences of the forward pass '
          '(limit %g)\n' % (torch.__version__, LIMIT, DIFFERENCES_LIMIT))
    header = ['network', 'output', 'gradient with respect to', 'output', 'gradient', 'samples', 'differences', '']
    widths = [max(len(r[i]) for r in [header] + rows) for i in range(len(header))]
    for r in [header, ['-' * w for w in widths]] + rows:
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(r, widths)) + ' |')


def main():
    a = argparse.ArgumentParser(prog='tests/crosscheck/run.sh', description='mucmm beside PyTorch on whole networks.')
    a.add_argument('networks', nargs='*', metavar='NETWORK', help='part of a file name (default: all)')
    a.add_argument('--shared', required=True, help='folder with data/encoders')
    a.add_argument('--npm', required=True, help='folder with node_modules')
    a.add_argument('--mucmm', required=True, help='the program')
    o = a.parse_args()
    rows, problems = [], []
    with tempfile.TemporaryDirectory() as folder:
        program = Program(os.path.abspath(o.mucmm), folder)
        for case in cases(o.shared, o.npm):
            if o.networks and not any(word in case.name for word in o.networks):
                continue
            row = [case.name, case.output.split(';')[0], case.wrt.split(';')[0]]
            print(f'  {case.name}, {case.output}', file=sys.stderr, flush=True)
            try:
                if not os.path.exists(case.path):
                    raise RuntimeError('the file is not there')
                row += measure(program, case).row()
            except RuntimeError as e:
                row += ['-', '-', '-', '-', 'FAIL']
                problems.append(f'{case.name}, {case.output}: {e}')
            rows.append(row)
    report(rows)
    print(''.join('\n' + p for p in problems))
    return 0 if all(row[-1] == 'ok' for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
