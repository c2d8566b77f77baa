/* SPDX-License-Identifier: MIT
 *
 * fit_robust.h - robust maps of the columns of a fit, and rows that carry too much. */
#ifndef MUCMM_FIT_ROBUST_H
#define MUCMM_FIT_ROBUST_H

#include "model/fit_state.h"

/* With `robust`: learns the maps of every view from its training rows (of many a sample), after
 * which f->data gives mapped rows. */
mucmm_status mucmm__fit_robust(mucmm__fit *f);
void mucmm__fit_robust_drop(mucmm__fit *f);
/* Warns of the component of c[m] [n_train, k] of which a hundredth of the rows carries most. */
mucmm_status mucmm__warn_few_rows(mucmm__fit *f, float *const *c);

#endif
