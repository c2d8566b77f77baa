/* SPDX-License-Identifier: MIT
 *
 * tell.h - what is wrong with maps in words: which view, which row, which node of the network. */
#ifndef MUCMM_EXPLAIN_TELL_H
#define MUCMM_EXPLAIN_TELL_H

#include "explain/samples.h"

/* Warns of maps [n, cols] as mucmm__samples_maps leaves them: of each that is NaN with the reason,
 * of those that are 0 together, and where gradients leave out what a node rounds. */
mucmm_status mucmm__samples_tell(mucmm_ctx *ctx, const mucmm__samples *s, const float *maps);
/* mucmm__samples_maps and the warnings. */
mucmm_status mucmm__samples_told_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps,
                                      double *gaps);

#endif
