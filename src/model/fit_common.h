/* SPDX-License-Identifier: MIT
 *
 * fit_common.h - one stage of common heads. */
#ifndef MUCMM_FIT_COMMON_H
#define MUCMM_FIT_COMMON_H

#include "model/fit_state.h"

/* Training rows, at most, on which projections and regressions are fixed before they are judged on
 * the held-out ones. */
#define MUCMM__EVALUATION_ROWS 5000

/* One stage of k common dimensions, trained unless the checkpoint has it. */
mucmm_status mucmm__train_common(mucmm__fit *f, mucmm__stage stage, int64_t k);
/* The same, and its best heads in canonical form, found[m].head, rho [k]; of a later stage also the
 * rest of found[m], which is zero before. kept: they may be the model's, and are warned of. After a
 * failure found has to be dropped too. */
mucmm_status mucmm__common_heads(mucmm__fit *f, mucmm__stage stage, int64_t k, bool kept,
                                 mucmm__deflated *found, double *rho);

/* `steps` steps of training common heads from scratch on f's rows, after one that is not counted.
 */
mucmm_status mucmm__time_common_steps(mucmm__fit *f, int64_t steps, double *seconds, double *flops);

#endif
