/* SPDX-License-Identifier: MIT
 *
 * All that is measured about the maps of one view: completeness, differences, deletion and
 * insertion, and what becomes of the maps when the model's weights or the pairs are destroyed. */
#include "explain/deletion.h"
#include "explain/null.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_RANDOM 9999
#define RANGE_ROWS 1000

void mucmm_map_check_params_init_sized(mucmm_map_check_params *p, size_t size)
{
    const mucmm_map_check_params defaults = {.random_models = 10, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

/* Largest less smallest score of the view's first rows. */
static mucmm_status score_range(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__question *q,
                                const mucmm_data *data, double *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[RANGE_ROWS],
        n = mucmm_data_rows(data) < RANGE_ROWS ? mucmm_data_rows(data) : RANGE_ROWS;
    double *scores = NULL, lo = INFINITY, hi = -INFINITY;
    mucmm__samples s = {0};
    float *h = NULL;

    for (int64_t i = 0; i < n; i++)
        rows[i] = i;
    TRY(mucmm__samples_start(ctx, m, q->views, q->n_views, q->view, rows, n, q->p, &s, &h));
    TRY(mucmm__alloc(ctx, n, sizeof *scores, &scores));
    TRY(mucmm__samples_score(ctx, &s, 0, n, h, scores, NULL));
    for (int64_t i = 0; i < n; i++) {
        lo = fmin(lo, scores[i]);
        hi = fmax(hi, scores[i]);
    }
    *out = hi - lo;
done:
    mucmm__free(s.others);
    mucmm__free(h);
    mucmm__free(scores);
    return status;
}

static mucmm_status completeness(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__question *q,
                                 const mucmm_data *data, double *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = *q->p;
    float *maps = NULL;
    double *gaps = NULL, range = 0;

    TRY(mucmm__alloc(ctx, q->n, sizeof *gaps, &gaps));
    TRY(mucmm__alloc(ctx, q->n * q->cols, sizeof *maps, &maps));
    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    p.gaps = gaps;
    p.differences = NULL;
    TRY(mucmm_explain(ctx, m, q->views, q->n_views, q->view, q->rows, q->n, &p,
                      &(mucmm_mat){maps, q->n, q->cols, q->cols}, NULL));
    TRY(score_range(ctx, m, q, data, &range));
    *out = 0;
    for (int64_t i = 0; i < q->n; i++)
        *out = fmax(*out, range > 0 ? fabs(gaps[i]) / range : NAN);
    if (!(range > 0))
        *out = NAN;
done:
    mucmm__free(maps);
    mucmm__free(gaps);
    return status;
}

/* The tests of Adebayo et al.: heads of random weights, pairs that are permuted. */
static mucmm_status destroy(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__question *q,
                            const mucmm_map_check_params *check, const float *own,
                            mucmm_map_check *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = q->n * q->cols, random = check->random_models;
    int64_t null = check->null ? mucmm__null_models(check->null) : 0;
    float *maps = NULL;

    TRY(mucmm__alloc(ctx, (1 + (random > null ? random : null)) * size, sizeof *maps, &maps));
    memcpy(maps, own, (size_t)size * sizeof *maps);
    TRY(mucmm__random_maps(ctx, m, random, check->seed, q, maps + size));
    TRY(mucmm__rank_test(ctx, maps, random, q->n, q->cols, &out->random_heads));
    if (check->null) {
        TRY(mucmm__null_maps(ctx, check->null, q, maps));
        memcpy(maps, own, (size_t)size * sizeof *maps);
    }
    TRY(mucmm__rank_test(ctx, maps, null, q->n, q->cols, &out->permuted_pairs));
done:
    mucmm__free(maps);
    return status;
}

void mucmm_map_check_init_sized(mucmm_map_check *c, size_t size)
{
    const mucmm_map_check defaults = {.completeness = NAN, .gradient_error = NAN};

    mucmm__params_init(c, size, &defaults, sizeof defaults);
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__question *q,
                                 const mucmm_map_check_params *check)
{
    const mucmm_cmat *maps = check->maps;

    if (check->random_models < 0 || check->random_models > MOST_RANDOM)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " random models; 0 to %d can be had",
                           check->random_models, MOST_RANDOM);
    if (maps && (maps->rows != q->n || maps->cols != q->cols || maps->stride < q->cols))
        return mucmm__fail(ctx, MUCMM_ESHAPE, "maps must be [%" PRId64 ", %" PRId64 "]", q->n,
                           q->cols);
    return check->null ? mucmm__null_check(ctx, check->null, m, q) : MUCMM_OK;
}

mucmm_status mucmm_check_maps(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                              int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                              const mucmm_explain_params *params,
                              const mucmm_map_check_params *check, mucmm_map_check *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;
    mucmm_map_check_params c;
    mucmm_map_check found = {.completeness = NAN, .gradient_error = NAN};
    mucmm__samples s = {0};
    float *h = NULL, *own = NULL;

    if (!mucmm__params_give(&found, sizeof found, out))
        return mucmm__fail(ctx, MUCMM_EARG, "mucmm_map_check was not set up with its init");
    mucmm_explain_params_init(&p);
    mucmm_map_check_params_init(&c);
    mucmm__question q = {views, n_views, view, rows, n, 0, &p};
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    TRY(mucmm__params_take(ctx, "mucmm_map_check_params", check, &c, sizeof c));
    TRY(mucmm__samples_start(ctx, m, views, n_views, view, rows, n, q.p, &s, &h));
    q.cols = s.cols;
    TRY(check_params(ctx, m, &q, &c));
    TRY(mucmm__alloc(ctx, n * s.cols, sizeof *own, &own));
    TRY(mucmm_explain(ctx, m, views, n_views, view, rows, n, q.p,
                      &(mucmm_mat){own, n, s.cols, s.cols}, NULL));
    if (!c.skip_gradient) {
        TRY(completeness(ctx, m, &q, s.data[view], &found.completeness));
        TRY(mucmm_check_gradient(ctx, m, views, n_views, view, rows, n, q.p,
                                 &found.gradient_error));
    }
    TRY(mucmm__deletion(ctx, &s, h, c.maps ? c.maps : &(mucmm_cmat){own, n, s.cols, s.cols}, c.seed,
                        &found.deletion, &found.insertion));
    TRY(destroy(ctx, m, &q, &c, own, &found));
    mucmm__params_give(&found, sizeof found, out);
done:
    mucmm__free(s.others);
    mucmm__free(h);
    mucmm__free(own);
    return status;
}
