/* SPDX-License-Identifier: MIT
 *
 * fit_closed_form.h - the closed form. */
#ifndef MUCMM_FIT_CLOSED_FORM_H
#define MUCMM_FIT_CLOSED_FORM_H

#include "model/fit_state.h"

/* model->linear, and f->weights. */
mucmm_status mucmm__fit_closed_form(mucmm__fit *f);

#endif
