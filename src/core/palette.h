/* SPDX-License-Identifier: MIT
 *
 * palette.h - how a signed value becomes a colour, the same in every picture. */
#ifndef MUCMM_PALETTE_H
#define MUCMM_PALETTE_H

#include "core/colormap.h"

#include <math.h>
#include <stddef.h>

/* t is cut to [-1, 1]. Over a pixel `under` of a picture, which is paled to grey: the smaller |t|,
 * the more of it is seen; NULL = the plain colour. */
static inline void mucmm__map_color(double t, const unsigned char *under, unsigned char rgb[3])
{
    double cut = fmin(fmax(t, -1), 1);
    const unsigned char *color = colormap[127 + lround(127 * cut)];
    double weight = under ? pow(fabs(cut), 0.6) : 1;
    double grey = under ? 0.3 * under[0] + 0.6 * under[1] + 0.1 * under[2] : 255;

    for (int i = 0; i < 3; i++)
        rgb[i] =
            (unsigned char)lround((1 - weight) * (255 - (255 - grey) * 0.45) + weight * color[i]);
}

#endif
