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

#endif
