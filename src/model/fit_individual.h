/* SPDX-License-Identifier: MIT
 *
 * fit_individual.h - the individual heads. */
#ifndef MUCMM_FIT_INDIVIDUAL_H
#define MUCMM_FIT_INDIVIDUAL_H

#include "model/fit_state.h"

/* model->heads, the individual ones, behind the common ones. */
mucmm_status mucmm__fit_individual(mucmm__fit *f);

#endif
