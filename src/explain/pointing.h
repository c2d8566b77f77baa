/* SPDX-License-Identifier: MIT
 *
 * pointing.h - maps where it is known what in the samples is shared and what is private. */
#ifndef MUCMM_EXPLAIN_POINTING_H
#define MUCMM_EXPLAIN_POINTING_H

#include "explain/samples.h"

/* ESHAPE unless truth has a row for each sample or each row of the view, of cells or columns of the
 * raw input. */
mucmm_status mucmm__pointing_check(mucmm_ctx *ctx, const mucmm__samples *s,
                                   const mucmm_data *truth);
/* maps [n, cols] of the kind s->p->map. EFORMAT: a number of truth is none of 0, 1, 2. */
mucmm_status mucmm__pointing(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_cmat *maps,
                             const mucmm_data *truth, mucmm_pointing *out);

#endif
