/* SPDX-License-Identifier: MIT
 *
 * model_json_words.h - the words of a model's metadata that its writer and its reader share. */
#ifndef MUCMM_MODEL_JSON_WORDS_H
#define MUCMM_MODEL_JSON_WORDS_H

#include "model/stability.h"

/* What summaries of more than two views have besides. */
enum { MUCMM__SHARING = 3 };
extern const char *const mucmm__sharing_keys[MUCMM__SHARING];
double *mucmm__sharing_field(const mucmm_summary *s, int i);
int64_t mucmm__sharing_size(const mucmm_summary *s, int i);

extern const char *const mucmm__stability_keys[MUCMM__STABILITY_FIELDS];
extern const char *const mucmm__head_names[3];                         /* by mucmm_head_kind */
extern const char *const mucmm__robust_names[3];                       /* by mucmm_robust */
extern const char *const mucmm__scale_names[2];                        /* by mucmm_scaling   */
extern const char *const mucmm__part_names[2];                         /* common, individual */
extern const char *const mucmm__candidate_names[MUCMM_MAX_CANDIDATES]; /* by mucmm_candidate_kind */

#endif
