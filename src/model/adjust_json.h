/* SPDX-License-Identifier: MIT
 *
 * adjust_json.h - the covariates of a model in its JSON. */
#ifndef MUCMM_ADJUST_JSON_H
#define MUCMM_ADJUST_JSON_H

#include "core/json.h"
#include "model/adjust.h"

json_t *mucmm__adjust_json(mucmm__json_build *b, const mucmm__adjust *a);
/* EFORMAT: o is no such object. */
mucmm_status mucmm__adjust_read(mucmm_ctx *ctx, const json_t *o, mucmm__adjust **out);

#endif
