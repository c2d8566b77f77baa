/* SPDX-License-Identifier: MIT
 *
 * Maps of the scores on the raw input: section 7 of the method. */
#include "explain/maps.h"

#include "explain/baseline.h"
#include "explain/faults.h"
#include "explain/lcmv.h"
#include "explain/path.h"
#include "explain/pattern.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_SAMPLES 100000
#define MOST_STEPS 4096

mucmm_status mucmm__map_check_params(mucmm_ctx *ctx, const mucmm_explain_params *p)
{
    if (p->map < MUCMM_MAP_GRADIENT || p->map > MUCMM_MAP_LCMV)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no map %d", (int)p->map);
    if (p->baseline < MUCMM_BASELINE_DEFAULT || p->baseline > MUCMM_BASELINE_ROW)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no baseline %d", (int)p->baseline);
    if (p->map == MUCMM_MAP_SMOOTHGRAD && (p->samples < 1 || p->samples > MOST_SAMPLES))
        return mucmm__fail(ctx, MUCMM_EARG, "smoothgrad of %" PRId64 " samples; 1 to %d can be had",
                           p->samples, MOST_SAMPLES);
    if (p->map == MUCMM_MAP_SMOOTHGRAD && !(isfinite(p->noise) && p->noise >= 0))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "smoothgrad with noise %g; it must be finite and not negative",
                           p->noise);
    if (p->map >= MUCMM_MAP_INTEGRATED_GRADIENTS && (p->steps < 1 || p->steps > MOST_STEPS))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "integrated gradients in %" PRId64 " steps; 1 to %d can be had",
                           p->steps, MOST_STEPS);
    if (p->map == MUCMM_MAP_LCMV && !(isfinite(p->loading) && p->loading >= 0))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "lcmv with `loading` %g; it must be finite and not negative",
                           p->loading);
    return MUCMM_OK;
}

/* ---- input less baseline ----------------------------------------------------------- */

/* The points of the samples, [n, cols]: scaled features, or raw inputs before an encoder. *read is
 * what has to be freed. */
static mucmm_status points_of(mucmm_ctx *ctx, const mucmm__samples *s, float **read,
                              const float **points)
{
    mucmm_status status = MUCMM_OK;

    *points = s->h;
    if (!s->encoded)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof **read, read));
    TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows, s->n,
                            &(mucmm_mat){*read, s->n, s->cols, s->cols}));
    *points = *read;
done:
    return status;
}

/* Of each sample its point x and baseline b, to what `use` makes of them. */
typedef void (*difference_fn)(const mucmm__samples *s, int64_t i, const float *x, const float *b,
                              const mucmm_mat *out);

static mucmm_status each_difference(mucmm_ctx *ctx, const mucmm__samples *s, difference_fn use,
                                    const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__baselines baselines = {0};
    float *read = NULL, *base = NULL;
    const float *points = NULL;

    TRY(mucmm__baselines_start(ctx, s, &baselines));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *base, &base));
    TRY(points_of(ctx, s, &read, &points));
    for (int64_t i = 0; i < s->n; i++) {
        TRY(mucmm__baseline(ctx, &baselines, i, points + i * s->cols, base));
        use(s, i, points + i * s->cols, base, out);
    }
done:
    mucmm__baselines_drop(&baselines);
    mucmm__free(read);
    mucmm__free(base);
    return status;
}

static void multiply(const mucmm__samples *s, int64_t i, const float *x, const float *b,
                     const mucmm_mat *out)
{
    for (int64_t j = 0; j < s->cols; j++)
        out->data[i * out->stride + j] *= x[j] - b[j];
}

/* x - b = scale (h - h_b) */
static void subtract(const mucmm__samples *s, int64_t i, const float *x, const float *b,
                     const mucmm_mat *out)
{
    const double *scale = s->m->view[s->view].scale;

    for (int64_t j = 0; j < s->cols; j++)
        out->data[i * out->stride + j] =
            (float)(((double)x[j] - (double)b[j]) * (s->encoded ? 1 : scale[j]));
}

mucmm_status mucmm__samples_differences(mucmm_ctx *ctx, const mucmm__samples *s,
                                        const mucmm_mat *out)
{
    return each_difference(ctx, s, subtract, out);
}

/* ---- maps of one gradient ---------------------------------------------------------- */

/* dh [n, p], in units of the scaled features -> the map in units of the view's columns. */
static mucmm_status to_column_map(mucmm_ctx *ctx, const mucmm__samples *s, float *dh)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];

    if (s->p->map == MUCMM_MAP_INPUT_X_GRADIENT)
        return each_difference(ctx, s, multiply, &(mucmm_mat){dh, s->n, v->p, v->p});
    if (s->p->map == MUCMM_MAP_PATTERN)
        TRY(mucmm__pattern_has_loadings(s) ? mucmm__pattern_of_loadings(ctx, s, dh)
                                           : mucmm__pattern(ctx, s, s->n, dh));
    if (s->p->map != MUCMM_MAP_PATTERN)
        return mucmm__features_vjp(ctx, v, s->data[s->view], s->rows, s->n, s->h, dh, dh);
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < v->p; j++) { /* Cov(x) ds/dx = scale Cov(h) ds/dh */
            float *x = &dh[i * v->p + j];
            *x = (float)((double)*x * v->scale[j]);
        }
done:
    return status;
}

static mucmm_status to_raw_map(mucmm_ctx *ctx, const mucmm__samples *s, float *dh, float *maps)
{
    mucmm_status status = MUCMM_OK;

    if (s->p->map == MUCMM_MAP_PATTERN) /* which no gradient enters */
        return mucmm__pattern_before_encoder(ctx, s, maps);
    TRY(mucmm__samples_raw_gradient(ctx, s, s->rows, s->n, NULL, s->h, dh, maps));
    if (s->p->map == MUCMM_MAP_INPUT_X_GRADIENT)
        TRY(each_difference(ctx, s, multiply, &(mucmm_mat){maps, s->n, s->cols, s->cols}));
done:
    return status;
}

/* A map that is not finite anywhere is none: all of it is NaN, and the gap. */
static void blank(const mucmm__samples *s, float *maps, double *gaps)
{
    for (int64_t i = 0; i < s->n; i++) {
        float *map = maps + i * s->cols;
        if (mucmm__state_of_map(map, s->cols) != MUCMM__MAP_NONE)
            continue;
        for (int64_t j = 0; j < s->cols; j++)
            map[j] = NAN;
        if (gaps)
            gaps[i] = NAN;
    }
}

mucmm_status mucmm__samples_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps, double *gaps)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = s->m->view[s->view].p;
    float *dh = NULL;
    double *scores = NULL;

    if (s->p->map == MUCMM_MAP_PATTERN)
        TRY(mucmm__pattern_check(ctx, s));
    TRY(mucmm__alloc(ctx, s->n, sizeof *scores, &scores));
    TRY(mucmm__alloc(ctx, s->n * p, sizeof *dh, &dh));
    TRY(mucmm__samples_score(ctx, s, 0, s->n, s->h, scores, dh));
    if (s->p->map == MUCMM_MAP_LCMV)
        TRY(mucmm__lcmv_maps(ctx, s, maps, gaps));
    else if (s->p->map >= MUCMM_MAP_SMOOTHGRAD)
        TRY(mucmm__path_maps(ctx, s, scores, maps, gaps));
    else if (s->encoded)
        TRY(to_raw_map(ctx, s, dh, maps));
    else {
        TRY(to_column_map(ctx, s, dh));
        memcpy(maps, dh, (size_t)(s->n * p) * sizeof *dh);
    }
    blank(s, maps, gaps);
    if (s->p->map != MUCMM_MAP_PATTERN)
        TRY(mucmm__gradient_passes(ctx, s, maps));
done:
    mucmm__free(scores);
    mucmm__free(dh);
    return status;
}
