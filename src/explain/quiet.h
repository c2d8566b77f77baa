/* SPDX-License-Identifier: MIT
 *
 * quiet.h - loops over calls that tell progress themselves. */
#ifndef MUCMM_EXPLAIN_QUIET_H
#define MUCMM_EXPLAIN_QUIET_H

#include "core/core.h"

/* Between begin and end, calls in a loop tell no progress of their own but that of the loop, and
 * warn of nothing. */
typedef struct mucmm__quiet {
    mucmm_ctx outer;
    const char *stage;
    int64_t at, n;
} mucmm__quiet;

void mucmm__quiet_begin(mucmm_ctx *ctx, mucmm__quiet *w, const char *stage, int64_t n);
/* `at` of n are done. */
mucmm_status mucmm__quiet_at(mucmm_ctx *ctx, mucmm__quiet *w, int64_t at);
void mucmm__quiet_end(mucmm_ctx *ctx, const mucmm__quiet *w);

#endif
