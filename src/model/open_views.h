/* SPDX-License-Identifier: MIT
 *
 * open_views.h - files of several views. */
#ifndef MUCMM_OPEN_VIEWS_H
#define MUCMM_OPEN_VIEWS_H

#include "io/data.h"

/* The file of one of n views, by what p asks of it; used: which items of its lists stand for one of
 * its columns, or did before. */
mucmm_status mucmm__open_view(mucmm_ctx *ctx, const char *const *names, const char *const *paths,
                              int32_t n, int32_t view, const mucmm_data_params *p, uint64_t used[3],
                              mucmm_data **out);
/* Pairs the rows by the names in their first columns, where these are in another order; all: as
 * mucmm_data_pair_all. EFORMAT: names that are not in all. */
mucmm_status mucmm__pair_row_names(mucmm_ctx *ctx, mucmm_data **data, int32_t n, bool all);
/* Puts in front of the message of what has failed that a table seems to be transposed, if one does;
 * returns failed. */
mucmm_status mucmm__say_turned(mucmm_ctx *ctx, const mucmm_view *views, int32_t n,
                               mucmm_status failed);

#endif
