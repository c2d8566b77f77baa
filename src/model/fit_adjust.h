/* SPDX-License-Identifier: MIT
 *
 * fit_adjust.h - the regressions that take covariates out of the features of a fit. */
#ifndef MUCMM_FIT_ADJUST_H
#define MUCMM_FIT_ADJUST_H

#include "model/fit_state.h"

/* With `adjust`: learns the covariates and a regression of each view from the training rows; after
 * that f->data are rows from which they are taken out already, held-out ones by the regression that
 * the model keeps. Nothing without. */
mucmm_status mucmm__fit_adjust(mucmm__fit *f);
void mucmm__fit_adjust_drop(mucmm__fit *f);

/* The same rows of a view, adjusted by the regression on these of them alone: what they say of the
 * others is then known without the others. Of adjusted rows; v: no other than zero before, and has
 * to be dropped after v->data was used last. */
mucmm_status mucmm__fit_adjust_again(mucmm_ctx *ctx, const mucmm__fit *f, int32_t m,
                                     const int64_t *rows, int64_t n, mucmm__adjusted *v);
void mucmm__adjusted_again_drop(mucmm__adjusted *v);

#endif
