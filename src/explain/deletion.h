/* SPDX-License-Identifier: MIT
 *
 * deletion.h - deletion and insertion curves: does the score live where the map says? */
#ifndef MUCMM_EXPLAIN_DELETION_H
#define MUCMM_EXPLAIN_DELETION_H

#include "explain/samples.h"

/* maps [n, cols] give the order. */
mucmm_status mucmm__deletion(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_cmat *maps,
                             uint64_t seed, mucmm_curve *deletion, mucmm_curve *insertion);

#endif
