/* SPDX-License-Identifier: MIT
 *
 * The metadata of a model file, written and read. */
#ifndef MUCMM_MODEL_JSON_H
#define MUCMM_MODEL_JSON_H

#include "core/json.h"
#include "model/model.h"

/* Fills an empty model from its metadata: everything is allocated, the tensors are still zero. It
 * holds what fit guarantees, or EFORMAT says what not. bytes: of the file; there are not more
 * numbers. */
mucmm_status mucmm__model_from_json(mucmm_ctx *ctx, const char *text, int64_t bytes,
                                    mucmm_model *m);
/* The metadata of a fitted model, into m->json. */
mucmm_status mucmm__model_make_json(mucmm_ctx *ctx, mucmm_model *m);
/* The parameters of a fit under their names in the metadata; what fails, fails in b. */
json_t *mucmm__fit_params_json(mucmm__json_build *b, const mucmm_fit_params *p);

/* Parts of it that results for programs have too. */
json_t *mucmm__stability_json(mucmm__json_build *b, const mucmm_stability *s);
/* The evidence for the numbers of dimensions; an empty object where both were given. */
json_t *mucmm__dimensions_json(mucmm__json_build *b, const mucmm_model *m);
json_t *mucmm__chose_json(mucmm__json_build *b, const mucmm_model *m);
/* The parts for which trained heads were no better than the closed form. */
json_t *mucmm__kept_json(mucmm__json_build *b, const mucmm_model *m);
json_t *mucmm__front_json(mucmm__json_build *b, const mucmm_model *m);

#endif
