/* SPDX-License-Identifier: MIT
 *
 * units.h - what of a raw input belongs together: the channels of a pixel, the width of a token. A
 * column of a table is a unit of its own. */
#ifndef MUCMM_EXPLAIN_UNITS_H
#define MUCMM_EXPLAIN_UNITS_H

#include "core/core.h"

/* Column j of `cols` belongs to unit j / run % n. */
typedef struct mucmm__units {
    int64_t n, cols, run;
} mucmm__units;

mucmm__units mucmm__units_of(const mucmm_data *d);

static inline int64_t mucmm__unit(const mucmm__units *u, int64_t column)
{
    return column / u->run % u->n;
}

/* sums [u.n] of one map [u.cols] over each unit. */
void mucmm__unit_sums(const mucmm__units *u, const float *map, double *sums);

#endif
