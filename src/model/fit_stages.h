/* SPDX-License-Identifier: MIT
 *
 * fit_stages.h - the stages of common heads, and what is kept of them. */
#ifndef MUCMM_FIT_STAGES_H
#define MUCMM_FIT_STAGES_H

#include "model/fit_state.h"

/* model->heads, the common ones of all stages that are kept. */
mucmm_status mucmm__fit_common(mucmm__fit *f);
/* k components of common heads are trained from scratch, as a trial that leaves no trace but
 * *leading: how many lead to the last that counts, in their order up to the first that does not.
 * One counts if it is significant on a half of the choosing rows that did not choose the epoch (p
 * <= level); harmonics neither count nor end it. */
mucmm_status mucmm__try_common(mucmm__fit *f, int64_t k, double level, int64_t *leading);
/* r->harmonic, from training and held-out rows. */
mucmm_status mucmm__mark_harmonics(mucmm__fit *f, mucmm__solution *r);

#endif
