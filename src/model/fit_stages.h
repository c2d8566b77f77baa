/* SPDX-License-Identifier: MIT
 *
 * fit_stages.h - the stages of common heads, and what is kept of them. */
#ifndef MUCMM_FIT_STAGES_H
#define MUCMM_FIT_STAGES_H

#include "model/fit_state.h"

/* model->heads, the common ones of all stages that are kept. */
mucmm_status mucmm__fit_common(mucmm__fit *f);
/* r->harmonic, from training and held-out rows. */
mucmm_status mucmm__mark_harmonics(mucmm__fit *f, mucmm__solution *r);

#endif
