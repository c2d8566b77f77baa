/* SPDX-License-Identifier: MIT
 *
 * Maps of other models at the same samples. */
#include "explain/other_models.h"

#include "explain/maps.h"
#include "explain/pattern.h"
#include "explain/quiet.h"

/* The map of a model, or of a representation in the place of the model's. */
static mucmm_status map_one(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                            const mucmm__samples *s, const mucmm_explain_params *p, float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__samples of = {0};

    TRY(mucmm__samples_start(ctx, m, rep, s->data, s->view, s->rows, s->n, p, &of));
    of.metric = s->metric;
    TRY(mucmm__samples_maps(ctx, &of, out, NULL));
done:
    mucmm__samples_drop(&of);
    return status;
}

/* Patterns before an encoder take one pass over the training rows: gradients become patterns when
 * all of them are there. */
static bool is_raw_pattern(const mucmm__samples *s)
{
    return s->encoded && s->p->map == MUCMM_MAP_PATTERN;
}

static mucmm_explain_params single_params(const mucmm__samples *s)
{
    mucmm_explain_params p = *s->p;

    if (is_raw_pattern(s))
        p.map = MUCMM_MAP_GRADIENT;
    return p;
}

static mucmm_status finish_patterns(mucmm_ctx *ctx, const mucmm__samples *s, int64_t count,
                                    float *out)
{
    return is_raw_pattern(s) ? mucmm__raw_input_pattern(ctx, s, count * s->n, out) : MUCMM_OK;
}

mucmm_status mucmm__other_maps(mucmm_ctx *ctx, const mucmm__samples *s,
                               const mucmm_model *const *models, int64_t count, const char *stage,
                               float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = single_params(s);
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, stage, count);
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(map_one(ctx, models[b], mucmm__model_solution(models[b], p.representation), s, &p,
                    out + b * s->n * s->cols));
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(finish_patterns(ctx, s, count, out));
done:
    mucmm__quiet_end(ctx, &w);
    return status;
}

mucmm_status mucmm__random_maps(mucmm_ctx *ctx, const mucmm__samples *s, int64_t count,
                                uint64_t seed, float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution drawn = {0};
    mucmm_explain_params p = single_params(s);
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, "random heads", count);
    for (int64_t b = 0; b < count; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(mucmm__solution_random(ctx, s->m, s->rep, seed, (uint64_t)b, &drawn));
        TRY(map_one(ctx, s->m, &drawn, s, &p, out + b * s->n * s->cols));
        mucmm__solution_drop(&drawn);
    }
    TRY(mucmm__quiet_at(ctx, &w, count));
    TRY(finish_patterns(ctx, s, count, out));
done:
    mucmm__quiet_end(ctx, &w);
    mucmm__solution_drop(&drawn);
    return status;
}
