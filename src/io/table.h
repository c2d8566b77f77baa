/* SPDX-License-Identifier: MIT
 *
 * table.h - the inner door to tables of mixed columns. */
#ifndef MUCMM_IO_TABLE_H
#define MUCMM_IO_TABLE_H

#include "io/data.h"

/* The same table, for another who will free it. */
mucmm_table *mucmm__table_keep(const mucmm_table *t);
/* Rows rows[0..n) of it, in that order; -1 is a row of which nothing is known. */
mucmm_status mucmm__table_subset(mucmm_ctx *ctx, const mucmm_table *t, const int64_t *rows,
                                 int64_t n, mucmm_table **out);
/* A key column was named when it was opened. */
bool mucmm__table_keyed(const mucmm_table *t);

#endif
