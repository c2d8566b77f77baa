/* SPDX-License-Identifier: MIT
 *
 * The words of a model's metadata that its writer and its reader share. */
#include "model/model_json_words.h"

const char *const mucmm__sharing_keys[MUCMM__SHARING] = {"pair_correlations", "pair_p_values",
                                                         "carried"};

double *mucmm__sharing_field(const mucmm_summary *s, int i)
{
    return i == 0 ? s->pair_correlations : i == 1 ? s->pair_p_values : s->carried;
}

int64_t mucmm__sharing_size(const mucmm_summary *s, int i)
{
    return s->components * s->views * (i < 2 ? s->views : 1);
}

const char *const mucmm__stability_keys[MUCMM__STABILITY_FIELDS] = {
    "similarity",      "similarity_low",   "subspace", "correlations",
    "correlation_low", "correlation_high", "averaged"};

const char *const mucmm__head_names[3] = {"linear", "mlp", "auto"};
const char *const mucmm__robust_names[3] = {"none", "winsor", "rank"};
const char *const mucmm__scale_names[2] = {"view", "column"};
const char *const mucmm__part_names[2] = {"common", "individual"};
const char *const mucmm__candidate_names[MUCMM_MAX_CANDIDATES] = {"residual", "transport",
                                                                  "trained"};
