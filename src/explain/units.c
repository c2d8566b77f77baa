/* SPDX-License-Identifier: MIT
 *
 * Cells that go together: the channels of a pixel, the width of a token. */
#include "explain/units.h"

#include <string.h>

static bool is_channels(int64_t n)
{
    return n == 3 || n == 4;
}

mucmm__units mucmm__units_of(const mucmm_data *d)
{
    int64_t shape[MUCMM_MAX_RANK], cols = mucmm_data_raw_cols(d);
    int32_t rank = mucmm_data_raw_shape(d, shape);
    mucmm_source_kind kind = mucmm_data_source_kind(d);
    mucmm__units u = {cols, cols, 1};

    if (kind == MUCMM_SOURCE_TEXT && rank == 2 && shape[1] > 0) {
        u.run = shape[1];
        u.n = cols / u.run;
    } else if (kind != MUCMM_SOURCE_TEXT && rank == 3 && is_channels(shape[0])) {
        u.n = shape[1] * shape[2]; /* planes, also where the width might be channels */
    } else if (kind != MUCMM_SOURCE_TEXT && rank == 3 && is_channels(shape[2])) {
        u.run = shape[2];
        u.n = cols / u.run;
    }
    return u;
}

void mucmm__unit_sums(const mucmm__units *u, const float *map, double *sums)
{
    memset(sums, 0, (size_t)u->n * sizeof *sums);
    for (int64_t j = 0; j < u->cols; j++)
        sums[mucmm__unit(u, j)] += (double)map[j];
}
