/* SPDX-License-Identifier: MIT */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <stdint.h>

/* The colour scale of maps that are shown together: the 99.5th percentile of
 * |values|, so that a few strong cells do not pale the rest. Always > 0; negative
 * if memory is short (the error line has been printed). */
float map_scale(const float *values, int64_t n);

#endif
