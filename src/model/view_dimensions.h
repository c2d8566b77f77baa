/* SPDX-License-Identifier: MIT
 *
 * view_dimensions.h - what a view has room for: its q, and the common components it carries. */
#ifndef MUCMM_VIEW_DIMENSIONS_H
#define MUCMM_VIEW_DIMENSIONS_H

#include "model/fit_state.h"

/* q of view m as the parameters ask for it, or MUCMM_AUTO. */
int64_t mucmm__individual_asked(const mucmm_fit_params *p, int32_t m);
/* Is any view to have individual variates? */
bool mucmm__any_individual(const mucmm_model *m);
int64_t mucmm__most_individual(const mucmm_model *m);

/* ESHAPE names the view whose columns do not leave room for what is asked for. Of two views each
 * needs k columns; of more a component needs two views, so the second widest decides. */
mucmm_status mucmm__check_dimensions(mucmm__fit *f);
/* Of so many common components view m carries at most these: of two views all; of more it may have
 * fewer columns than k, or a q of its own. */
int64_t mucmm__carried(const mucmm__fit *f, int32_t m, int64_t k);
/* Once k is known: q of each view is no more than its columns or rows leave, with a warning. */
void mucmm__cap_individual(mucmm__fit *f);
/* The most components that all views leave room for beside q columns of each that asks for q (those
 * for which one number is too large count as without); of more than two views all but one. */
int64_t mucmm__room_for_common(const mucmm__fit *f, const int64_t *dims);

/* The columns of a [dims, stride], of the first k, that are not zero, side by side in out [dims,
 * *carried]: the components that the view carries. */
mucmm_status mucmm__carried_columns(mucmm_ctx *ctx, int64_t dims, int64_t k, int64_t stride,
                                    const double *a, double **out, int64_t *carried);

#endif
