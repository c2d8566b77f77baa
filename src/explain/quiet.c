/* SPDX-License-Identifier: MIT
 *
 * Progress of loops over calls that tell progress themselves. */
#include "explain/quiet.h"

static int pass_progress(void *user, const char *stage, int64_t done, int64_t total,
                         const char *note)
{
    const mucmm__quiet *w = user;

    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    return w->outer.progress ? w->outer.progress(w->outer.progress_user, w->stage, w->at, w->n, "")
                             : 0;
}

void mucmm__quiet_begin(mucmm_ctx *ctx, mucmm__quiet *w, const char *stage, int64_t n)
{
    *w = (mucmm__quiet){*ctx, stage, 0, n};
    ctx->progress = pass_progress;
    ctx->progress_user = w;
    ctx->log = NULL;
}

mucmm_status mucmm__quiet_at(mucmm_ctx *ctx, mucmm__quiet *w, int64_t at)
{
    w->at = at;
    return mucmm__progress(ctx, w->stage, at, w->n, NULL);
}

void mucmm__quiet_end(mucmm_ctx *ctx, const mucmm__quiet *w)
{
    ctx->progress = w->outer.progress;
    ctx->progress_user = w->outer.progress_user;
    ctx->log = w->outer.log;
}
