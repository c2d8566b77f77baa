/* SPDX-License-Identifier: MIT
 *
 * Common variates as sums over the units of a raw input. */
#include "explain/attribution.h"

#include "encode/encoded.h"
#include "explain/maps.h"
#include "explain/tell.h"

#include <math.h>

/* x [units] becomes complete: the gap between its sum and what it should be is spread in proportion
 * to |x|, evenly if all of it is 0. */
static void complete(float *x, int64_t units, double gap)
{
    double size = 0;

    for (int64_t j = 0; j < units; j++)
        size += fabs((double)x[j]);
    for (int64_t j = 0; j < units; j++) {
        double part = size > 0 ? fabs((double)x[j]) / size : 1 / (double)units;
        x[j] = (float)((double)x[j] - gap * part);
    }
}

static mucmm_status attribution_alloc(mucmm_ctx *ctx, mucmm__attribution *a)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, a->n * a->k * a->units, sizeof *a->of, &a->of));
    TRY(mucmm__alloc(ctx, a->n * a->k, sizeof *a->at, &a->at));
    TRY(mucmm__alloc(ctx, a->n * a->k, sizeof *a->base, &a->base));
    TRY(mucmm__alloc(ctx, a->n * a->k, sizeof *a->gap, &a->gap));
done:
    return status;
}

/* Room for one component. */
typedef struct one {
    float *maps;          /* [n, cols] */
    double *scores, *gap; /* [n] */
    double *sums;         /* [units] */
} one;

static void one_drop(one *o)
{
    mucmm__free(o->maps);
    mucmm__free(o->scores);
    mucmm__free(o->gap);
    mucmm__free(o->sums);
}

static mucmm_status one_alloc(mucmm_ctx *ctx, const mucmm__samples *s, int64_t units, one *o)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *o->maps, &o->maps));
    TRY(mucmm__alloc(ctx, s->n, sizeof *o->scores, &o->scores));
    TRY(mucmm__alloc(ctx, s->n, sizeof *o->gap, &o->gap));
    TRY(mucmm__alloc(ctx, units, sizeof *o->sums, &o->sums));
done:
    return status;
}

/* sum of the map = c(x) - c(b) + gap, from which c(b) follows. */
static mucmm_status attribute_component(mucmm_ctx *ctx, const mucmm__samples *s, one *o,
                                        mucmm__attribution *a)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__units units = mucmm__units_of(s->data[s->view]);

    TRY(mucmm__samples_score(ctx, s, 0, s->n, s->h, o->scores, NULL));
    TRY(mucmm__samples_maps(ctx, s, o->maps, o->gap));
    for (int64_t i = 0; i < s->n; i++) {
        int64_t at = i * a->k + s->p->component;
        float *of = a->of + at * a->units;
        double total = 0;

        mucmm__unit_sums(&units, o->maps + i * s->cols, o->sums);
        for (int64_t u = 0; u < a->units; u++) {
            of[u] = (float)o->sums[u];
            total += o->sums[u];
        }
        a->at[at] = o->scores[i];
        a->gap[at] = o->gap[i];
        a->base[at] = o->scores[i] - (total - o->gap[i]);
        complete(of, a->units, o->gap[i]);
    }
done:
    return status;
}

mucmm_status mucmm__attribute(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                              const mucmm_data *const *data, int32_t view, const int64_t *rows,
                              int64_t n, const mucmm_explain_params *p, mucmm_ctx *told,
                              mucmm__attribution *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params own = *p;
    mucmm__samples s = {0};
    one o = {0};

    own.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    own.score = MUCMM_SCORE_COMMON_COMPONENT;
    own.component = 0;
    if (rep == &m->linear && !mucmm__encoded_of(data[view]))
        own.steps = 1;
    *out = (mucmm__attribution){.n = n, .k = m->k, .units = mucmm__units_of(data[view]).n};
    TRY(attribution_alloc(ctx, out));
    TRY(mucmm__samples_training(ctx, m, view, data[view], &own));
    TRY(mucmm__samples_start(ctx, m, rep, data, view, rows, n, &own, &s));
    TRY(one_alloc(ctx, &s, out->units, &o));
    for (; own.component < m->k; own.component++) {
        TRY(attribute_component(ctx, &s, &o, out));
        if (told && own.component == 0 &&
            (status = mucmm__samples_tell(told, &s, o.maps)) != MUCMM_OK)
            TRY(mucmm__fail(ctx, status, "%s", told->message));
    }
done:
    one_drop(&o);
    mucmm__samples_drop(&s);
    return status;
}

void mucmm__attribution_drop(mucmm__attribution *a)
{
    mucmm__free(a->of);
    mucmm__free(a->at);
    mucmm__free(a->base);
    mucmm__free(a->gap);
    *a = (mucmm__attribution){0};
}
