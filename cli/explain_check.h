/* SPDX-License-Identifier: MIT
 *
 * Null models on the command line: --mask and --check of mucmm explain. */
#ifndef CLI_EXPLAIN_CHECK_H
#define CLI_EXPLAIN_CHECK_H

#include "cli.h"

/* Training rows of all views, and the null models that were fitted to them. */
typedef struct null_models {
    mucmm_views *training; /* in the order of the model */
    mucmm_null *null;
} null_models;

/* From the study's training part or the files of --training, which all views must have then.
 * needed false: without an error, and without null models, if they are not given. */
int null_models_open(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                     mucmm_representation representation, bool needed, null_models *out);
void null_models_close(null_models *n);

/* A score as a part of file names: without ':'. */
void score_file_name(const char *score, char *out, size_t size);

/* The file of --training for a view; of a study its training part, if the maps take some. */
int training_open(session *s, const settings *given, const inputs *in, const char *view,
                  int32_t takes, mucmm_data **out);
/* The shape that is given for a view, if there is one. */
int shape_read(const settings *given, const char *view, int64_t *shape, int32_t *rank);

/* mucmm explain --score coupling, with or without --check and --mask. */
int explain_coupling(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                     const sample_list *samples, const mucmm_explain_params *usual,
                     output_dir *dir);

/* mucmm explain --check; given_params: what the options say. */
int explain_check(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                  const sample_list *samples, const mucmm_explain_params *given_params,
                  output_dir *dir);

#endif
