#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_golden_image.py > tests/golden_image.h

What Pillow makes of a picture of known numbers: stretched, as torchvision's Resize and CenterCrop, padded."""
import zlib

import numpy
import PIL
from PIL import Image, ImageOps

FILTERS = {'BILINEAR': Image.BILINEAR, 'BICUBIC': Image.BICUBIC}


def picture(height, width):
    y, x, c = numpy.mgrid[0:height, 0:width, 0:3]
    return Image.fromarray(((y * y * 7 + x * 31 + c * 83 + x * y * 5) % 256).astype(numpy.uint8))


def crop(image, resize, height, width, how):
    short, long = sorted(image.size)
    other = int(resize * long / short)
    size = (resize, other) if image.width <= image.height else (other, resize)
    image = image.resize(size, how)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def main():
    print('/* SPDX-License-Identifier: MIT')
    print(' *')
    print(f' * golden_image.h - made by make_golden_image.py with Pillow {PIL.__version__}: a picture of from_height x')
    print(' * from_width, whose numbers the test computes, fitted into height x width; the CRC-32 of its bytes. */')
    print('static const struct {')
    print('    int64_t from_height, from_width;')
    print('    mucmm__framing fit;')
    print('    mucmm__filter filter;')
    print('    int64_t height, width, resize;')
    print('    uint32_t crc;')
    print('} golden_images[] = {')
    for from_height, from_width in ((19, 13), (64, 64), (31, 200), (5, 3)):
        image = picture(from_height, from_width)
        for name, how in FILTERS.items():
            cases = [('STRETCH', h, w, 0, image.resize((w, h), how)) for h, w in ((5, 6), (24, 40), (64, 64), (1, 1))]
            cases += [('CROP', h, w, r, crop(image, r, h, w, how)) for h, w, r in ((8, 8, 10), (7, 12, 33), (1, 1, 2))]
            cases += [('CROP', 16, 16, 0, crop(image, 16, 16, 16, how))]
            cases += [('PAD', h, w, 0, ImageOps.pad(image, (w, h), how, color=(255, 255, 255)))
                      for h, w in ((40, 40), (50, 9))]
            for fit, height, width, resize, result in cases:
                crc = zlib.crc32(result.tobytes())
                print(f'    {{{from_height}, {from_width}, MUCMM__FIT_{fit}, MUCMM__FILTER_{name}, '
                      f'{height}, {width}, {resize}, 0x{crc:08x}}},')
    print('};')


main()
