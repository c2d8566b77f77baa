/* SPDX-License-Identifier: MIT
 *
 * Cells that go together: the channels of a pixel, the width of a token. */
#include "explain/units.h"

#include "encode/layout.h"

#include <string.h>

mucmm__units mucmm__units_of(const mucmm_data *d)
{
    mucmm__layout l = mucmm__layout_of_data(d);
    int64_t cols = mucmm_data_raw_cols(d);
    mucmm__units u = {cols, cols, 1};

    if (l.kind == MUCMM__LAYOUT_TOKENS) {
        u.n = l.tokens;
        u.run = l.features;
    } else if (l.kind == MUCMM__LAYOUT_PICTURE) {
        u.n = l.height * l.width;
        u.run = l.cell;
    }
    return u;
}

void mucmm__unit_sums(const mucmm__units *u, const float *map, double *sums)
{
    memset(sums, 0, (size_t)u->n * sizeof *sums);
    for (int64_t j = 0; j < u->cols; j++)
        sums[mucmm__unit(u, j)] += (double)map[j];
}
