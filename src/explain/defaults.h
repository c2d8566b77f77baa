/* SPDX-License-Identifier: MIT
 *
 * defaults.h - the map and the baseline that suit a view. */
#ifndef MUCMM_EXPLAIN_DEFAULTS_H
#define MUCMM_EXPLAIN_DEFAULTS_H

#include "core/core.h"

/* In place, as mucmm_explain_defaults. */
void mucmm__explain_defaults(const mucmm_data *d, mucmm_explain_params *p);

#endif
