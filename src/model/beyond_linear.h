/* SPDX-License-Identifier: MIT
 *
 * beyond_linear.h - dependence that linear heads cannot show. */
#ifndef MUCMM_BEYOND_LINEAR_H
#define MUCMM_BEYOND_LINEAR_H

#include "model/fit_state.h"

/* The model's beyond_linear_p, and a warning where it is significant; NaN where a component is
 * significant, trained heads are kept, or rows are too few. After the summaries. */
mucmm_status mucmm__beyond_linear(mucmm__fit *f);

#endif
