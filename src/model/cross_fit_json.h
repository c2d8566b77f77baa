/* SPDX-License-Identifier: MIT
 *
 * cross_fit_json.h - the result of cross-fitting in the model file, and for programs. */
#ifndef MUCMM_CROSS_FIT_JSON_H
#define MUCMM_CROSS_FIT_JSON_H

#include "core/json.h"

json_t *mucmm__cross_fit_json(mucmm__json_build *b, const mucmm_cross_fit *r);
/* EFORMAT: o is nothing that the other one writes for k components. *out has to be freed even after
 * a failure. */
mucmm_status mucmm__cross_fit_read(mucmm_ctx *ctx, const json_t *o, int64_t k,
                                   mucmm_cross_fit **out);

#endif
