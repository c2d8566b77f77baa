/* SPDX-License-Identifier: MIT
 *
 * Maps of other models at the same samples. */
#include "explain/other_models.h"

#include "explain/maps.h"
#include "explain/pattern.h"
#include "explain/quiet.h"
#include "explain/raw_moments.h"

/* Patterns before an encoder take one pass over the raw inputs of the training rows, when what they
 * are to be multiplied by is there for all models: y [rows, count n]. Else y is NULL. */
typedef struct others {
    const mucmm__samples *s;
    int64_t count;
    float *y, *out; /* out [count, n, cols] */
} others;

static mucmm_status others_start(mucmm_ctx *ctx, const mucmm__samples *s, int64_t count, float *out,
                                 others *o)
{
    mucmm_status status = MUCMM_OK;

    *o = (others){s, count, NULL, out};
    if (!s->encoded || s->p->map != MUCMM_MAP_PATTERN)
        return MUCMM_OK;
    TRY(mucmm__pattern_check(ctx, s));
    TRY(mucmm__alloc(ctx, mucmm_data_rows(s->p->training) * count * s->n, sizeof *o->y, &o->y));
done:
    return status;
}

/* The maps of a model, or of a representation in the place of the model's. */
static mucmm_status map_one(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                            const others *o, int64_t b)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = o->s;
    mucmm__samples of = {0};

    TRY(mucmm__samples_start(ctx, m, rep, s->data, s->view, s->rows, s->n, s->p, &of));
    of.metric = s->metric;
    if (o->y)
        TRY(mucmm__pattern_project_scores(ctx, &of, b * s->n, o->count * s->n, o->y));
    else
        TRY(mucmm__samples_maps(ctx, &of, o->out + b * s->n * s->cols, NULL));
done:
    mucmm__samples_drop(&of);
    return status;
}

static mucmm_status others_finish(mucmm_ctx *ctx, const others *o)
{
    return o->y ? mucmm__raw_pattern(ctx, o->s->p->training, o->count * o->s->n, o->s->cols, o->y,
                                     o->out)
                : MUCMM_OK;
}

mucmm_status mucmm__other_maps(mucmm_ctx *ctx, const mucmm__samples *s,
                               const mucmm_model *const *models, int64_t count, const char *stage,
                               float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__quiet w;
    others o = {0};

    mucmm__quiet_begin(ctx, &w, stage, count);
    TRY(others_start(ctx, s, count, out, &o));
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(map_one(ctx, models[b], mucmm__model_solution(models[b], s->p->representation), &o, b));
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(others_finish(ctx, &o));
done:
    mucmm__quiet_end(ctx, &w);
    mucmm__free(o.y);
    return status;
}

mucmm_status mucmm__random_maps(mucmm_ctx *ctx, const mucmm__samples *s, int64_t count,
                                uint64_t seed, float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution drawn = {0};
    mucmm__quiet w;
    others o = {0};

    mucmm__quiet_begin(ctx, &w, "random heads", count);
    TRY(others_start(ctx, s, count, out, &o));
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(mucmm__solution_random(ctx, s->m, s->rep, seed, (uint64_t)b, &drawn));
        TRY(map_one(ctx, s->m, &drawn, &o, b));
        mucmm__solution_drop(&drawn);
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(others_finish(ctx, &o));
done:
    mucmm__quiet_end(ctx, &w);
    mucmm__solution_drop(&drawn);
    mucmm__free(o.y);
    return status;
}
