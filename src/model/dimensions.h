/* SPDX-License-Identifier: MIT
 *
 * dimensions.h - how many dimensions. */
#ifndef MUCMM_DIMENSIONS_H
#define MUCMM_DIMENSIONS_H

#include "model/fit_state.h"

/* p->common, p->individual and the model's k where they are MUCMM_AUTO, from the
 * covariances and the held-out rows. */
mucmm_status mucmm__choose_dimensions(mucmm__fit *f, mucmm_fit_params *p);

#endif
