/* SPDX-License-Identifier: MIT
 *
 * fit_linear.h - the closed form. */
#ifndef MUCMM_FIT_LINEAR_H
#define MUCMM_FIT_LINEAR_H

#include "model/fit_state.h"

/* model->linear, and f->weights. */
mucmm_status mucmm__fit_linear(mucmm__fit *f);

#endif
