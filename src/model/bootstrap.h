/* SPDX-License-Identifier: MIT
 *
 * bootstrap.h - which components of the closed form come back. */
#ifndef MUCMM_BOOTSTRAP_H
#define MUCMM_BOOTSTRAP_H

#include "model/fit_state.h"

/* The stability of the closed form, f->p->bootstrap replicates. */
mucmm_status mucmm__bootstrap(mucmm__fit *f);

#endif
