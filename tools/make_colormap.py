#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes src/core/colormap.h: the diverging colours of the maps. Run: tools/make_colormap.py >src/core/colormap.h

For t = -1 .. 1, in OKLab (B. Ottosson, 2020, https://bottosson.github.io/posts/oklab), a straight line from a near-white
to each end, so equal steps of |t| look equal and t and -t are equally light:

    L(t) = L0 + (L1 - L0) |t|,   C(t) = C1 |t|,   hue = HUE_BLUE if t < 0 else HUE_RED
    a = C cos(hue),  b = C sin(hue)

255 entries, an odd number, so that 0 has an entry of its own: index 127 + round(127 t).
"""
import math

L0, L1, C1 = 0.975, 0.43, 0.172
HUE_BLUE, HUE_RED = math.radians(262), math.radians(26)


def srgb_of_oklab(L, a, b):
    """OKLab to sRGB bytes; refuses colours outside sRGB."""
    l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (L - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )
    if min(linear) < -0.002 or max(linear) > 1.002:
        raise SystemExit(f"OKLab ({L:.3f}, {a:.3f}, {b:.3f}) is outside sRGB: {linear}; lower C1")
    linear = [min(max(c, 0.0), 1.0) for c in linear]
    curved = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in linear]
    return [round(255 * c) for c in curved]


def colour(t):
    chroma, hue = C1 * abs(t), HUE_BLUE if t < 0 else HUE_RED
    return srgb_of_oklab(L0 + (L1 - L0) * abs(t), chroma * math.cos(hue), chroma * math.sin(hue))


def main():
    print("/* SPDX-License-Identifier: MIT\n *\n * colormap.h - blue, near-white, red, perceptually uniform; written by")
    print(" * tools/make_colormap.py, where the formula is. Included by the files that draw. */")
    print("#ifndef MUCMM_COLORMAP_H\n#define MUCMM_COLORMAP_H\n")
    print("/* t in [-1, 1] has the colour of index 127 + round(127 t). */\n/* clang-format off */")
    print("static const unsigned char colormap[255][3] = {")
    for i in range(0, 255, 5):
        row = ["{%3d, %3d, %3d}" % tuple(colour((j - 127) / 127)) for j in range(i, i + 5)]
        print("    " + ", ".join(row) + ",")
    print("};\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
