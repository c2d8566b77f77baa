/* SPDX-License-Identifier: MIT
 *
 * fit_impute.h - empty cells of the rows of a fit. */
#ifndef MUCMM_FIT_IMPUTE_H
#define MUCMM_FIT_IMPUTE_H

#include "model/fit_state.h"

/* Of each view that may have empty cells: learns from its training rows (of many a sample) what
 * they are filled with, after which f->data gives filled rows. No view helps to fill another, which
 * would make them correlate. */
mucmm_status mucmm__fit_impute(mucmm__fit *f);
void mucmm__fit_impute_drop(mucmm__fit *f);

#endif
