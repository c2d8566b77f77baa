#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_generators.py ROOT - check values of the random numbers and generators of experiments/. Prints TAP; skips
without NumPy."""
import os
import sys

try:
    import numpy as np
except ImportError:
    print('1..0 # SKIP there is no NumPy for this Python')
    sys.exit(0)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(sys.argv[1], 'experiments'))
import generators  # noqa: E402


def near(got, want, what):
    # The check values have 12 digits behind the point.
    if not np.all(np.abs(np.asarray(got) - want) <= 1e-11):
        raise AssertionError('%s: %s, not %s' % (what, got, want))


def test_uniform_numbers():
    near(generators.Draws(1).uniform(0, 3), [.652448486374, .701212109522, .387124140976], 'U')


def test_normal_numbers():
    near(generators.Draws(1).normal(0, 3), [-.278874922586, -.764222862019, .418925644868], 'N')


def test_arrays_are_filled_row_by_row():
    near(generators.Draws(3).normal(2, 4, 5).ravel(), generators.Draws(3).normal(2, 20), 'rows')


# Views are float32, hence the seven digits. The check value of linear mixing is that of noise 1.
def test_linear_mixing():
    want = np.float32([1.583055208053, 5.819906975048, 11.439810316448])
    x = generators.linear_mixing(1, noise=1.0).views[0][0, :3]
    assert np.all(np.abs(x - want) <= 2e-7 * np.abs(want)), (x, want)
    x = generators.linear_mixing(1).views[0][0, :3] + generators.Draws(1).normal(5, 3)
    assert np.all(np.abs(x - want) <= 2e-7 * np.abs(want)), (x, want)


def test_hidden_latents():
    x1, x2 = generators.hidden_latents(1).views
    for x, want in ((x1, [1.686999682211, -.786795440498, .658614500366]),
                    (x2, [-.995972442428, -.772658542636, -1.529645846092])):
        want = np.float32(want)
        assert np.all(np.abs(x[0, :3] - want) <= 2e-7 * np.abs(want)), (x[0, :3], want)


# The mean of 22 latents is read off the shared 10 with 1 - arccos(sqrt(10/22))/pi, off 6 with 1 - arccos(sqrt(6/22))/pi;
# within four standard deviations of a share of 30,000.
def test_factorized():
    s = generators.factorized(1)
    for name, d, want in (('shared', 10, .7355), ('own1', 6, .675), ('own2', 6, .675)):
        closed = 1 - np.arccos(np.sqrt(d / 22)) / np.pi
        assert abs(closed - want) < 5e-4, (closed, want)
        share = np.mean((s.latents[name].mean(1) >= 0) == s.labels['y'])
        assert abs(share - closed) < 4 * np.sqrt(closed * (1 - closed) / 30000), (name, share, closed)


def test_variances_of_hidden_latents():
    s = generators.hidden_latents(2)
    for name, a in s.latents.items():
        assert np.all(np.abs(a.mean(0)) < 0.03) and np.all(np.abs(a.var(0) - 1) < 0.06), (name, a.mean(0), a.var(0))


TESTS = [(name, f) for name, f in sorted(globals().items()) if name.startswith('test_')]
print('1..%d' % len(TESTS))
failed = False
for i, (name, function) in enumerate(TESTS):
    try:
        function()
        print('ok %d - %s' % (i + 1, name))
    except AssertionError as e:
        failed = True
        print('not ok %d - %s\n# %s' % (i + 1, name, e))
sys.exit(failed)
