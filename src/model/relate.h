/* SPDX-License-Identifier: MIT
 *
 * relate.h - what is known of rows against what a model makes of them. */
#ifndef MUCMM_RELATE_H
#define MUCMM_RELATE_H

#include "model/model.h"

struct mucmm_relate {
    mucmm_model *model;
    mucmm_table *table; /* of the rows that were given */
    mucmm_relation *list;
    int64_t n;
    mucmm_related *columns;
    int64_t n_columns;
    int64_t rows, groups; /* that were looked at; groups of them, 0: none were given */
    bool in_sample;
};

/* Warns of columns of the table attached to the rows that are not adjusted for and correlate with
 * common components there, c[m] [n, k]; groups of all rows (NULL: none) count once each. */
mucmm_status mucmm__relate_warn(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                                const int64_t *groups, const int64_t *rows, int64_t n,
                                float *const *c);

#endif
