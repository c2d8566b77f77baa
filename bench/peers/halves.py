# SPDX-License-Identifier: MIT
"""Writes the left and right halves (28 x 14) of the Fashion-MNIST training images, pixels / 255,
as two float32 .npy arrays of 60,000 x 392."""
import gzip
import sys

import numpy as np

source, left, right = sys.argv[1:]
with gzip.open(source) as f:
    pixels = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
images = pixels.astype(np.float32) / 255
np.save(left, np.ascontiguousarray(images[:, :, :14]).reshape(len(images), -1))
np.save(right, np.ascontiguousarray(images[:, :, 14:]).reshape(len(images), -1))
