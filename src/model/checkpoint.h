/* SPDX-License-Identifier: MIT
 *
 * checkpoint.h - the file that a fit can be resumed from. */
#ifndef MUCMM_CHECKPOINT_H
#define MUCMM_CHECKPOINT_H

#include "model/fit_state.h"

mucmm_status mucmm__checkpoint_save(mucmm__fit *f);
/* Before the work: EFORMAT if the file exists and is no checkpoint, EARG if it is one of another
 * fit, as far as f->asked and f->fingerprint (0: not known yet) tell. */
mucmm_status mucmm__checkpoint_check(mucmm__fit *f);
/* Restores f->stage and f->stage_now if the file exists. */
mucmm_status mucmm__checkpoint_load(mucmm__fit *f);
/* EFORMAT if a stage that was restored is of networks of another size, or one that is over is not
 * there. */
mucmm_status mucmm__check_restored(mucmm__fit *f, int32_t stage, int64_t n_params, int64_t n_stats);

#endif
