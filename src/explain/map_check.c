/* SPDX-License-Identifier: MIT
 *
 * All that is measured about the maps of one view: completeness, differences, deletion and
 * insertion, and what becomes of the maps when the model's weights or the pairs are destroyed. */
#include "explain/deletion.h"
#include "explain/explanation.h"
#include "explain/gradient_check.h"
#include "explain/maps.h"
#include "explain/null_maps.h"
#include "explain/other_models.h"
#include "explain/pointing.h"
#include "explain/rank_test.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_RANDOM 9999
#define RANGE_ROWS 1000
#define NOTHING_FOUND                                                                              \
    {                                                                                              \
        .completeness = NAN, .gradient_error = NAN, .pointing = { NAN, NAN, NAN, NAN }             \
    }

void mucmm_map_check_params_init_sized(mucmm_map_check_params *p, size_t size)
{
    const mucmm_map_check_params defaults = {.random_models = 10, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

/* Largest less smallest score of the view's first rows. */
static mucmm_status score_range(mucmm_ctx *ctx, const mucmm__samples *s, double *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[RANGE_ROWS], all = mucmm_data_rows(s->data[s->view]),
                              n = all < RANGE_ROWS ? all : RANGE_ROWS;
    double *scores = NULL, lo = INFINITY, hi = -INFINITY;
    mucmm__samples of = {0};

    for (int64_t i = 0; i < n; i++)
        rows[i] = i;
    TRY(mucmm__samples_start(ctx, s->m, s->rep, s->data, s->view, rows, n, s->p, &of));
    TRY(mucmm__alloc(ctx, n, sizeof *scores, &scores));
    TRY(mucmm__samples_score(ctx, &of, 0, n, of.h, scores, NULL));
    for (int64_t i = 0; i < n; i++) {
        lo = fmin(lo, scores[i]);
        hi = fmax(hi, scores[i]);
    }
    *out = hi - lo;
done:
    mucmm__samples_drop(&of);
    mucmm__free(scores);
    return status;
}

static mucmm_status completeness(mucmm_ctx *ctx, const mucmm__samples *s, double *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = *s->p;
    mucmm__samples of = *s; /* borrows all */
    float *maps = NULL;
    double *gaps = NULL, range = 0;

    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    of.p = &p;
    TRY(mucmm__alloc(ctx, s->n, sizeof *gaps, &gaps));
    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *maps, &maps));
    TRY(mucmm__samples_maps(ctx, &of, maps, gaps));
    TRY(score_range(ctx, s, &range));
    *out = NAN; /* fmax leaves out samples that have no map */
    for (int64_t i = 0; i < s->n && range > 0; i++)
        *out = fmax(*out, fabs(gaps[i]) / range);
done:
    mucmm__free(maps);
    mucmm__free(gaps);
    return status;
}

/* Maps of heads of random weights. Loadings of heads that were never trained are those of the
 * training rows: no such maps of lcmv without them. */
static mucmm_status random_maps(mucmm_ctx *ctx, const mucmm__samples *s,
                                const mucmm_map_check_params *check, int64_t *count, float *maps)
{
    mucmm_explain_params p = *s->p;
    mucmm__samples of = *s; /* borrows all */

    of.p = &p;
    if (p.map == MUCMM_MAP_LCMV && !p.training && check->null)
        p.training = check->null->training[s->view];
    *count = p.map == MUCMM_MAP_LCMV && !p.training ? 0 : check->random_models;
    return mucmm__random_maps(ctx, &of, *count, check->seed, maps);
}

/* The tests of Adebayo et al.: heads of random weights, pairs that are permuted. */
static mucmm_status destroy(mucmm_ctx *ctx, const mucmm__samples *s,
                            const mucmm_map_check_params *check, const float *own,
                            mucmm_map_check *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = s->n * s->cols, random = check->random_models;
    int64_t null = check->null ? check->null->models : 0;
    float *maps = NULL;

    TRY(mucmm__alloc(ctx, (1 + (random > null ? random : null)) * size, sizeof *maps, &maps));
    memcpy(maps, own, (size_t)size * sizeof *maps);
    TRY(random_maps(ctx, s, check, &random, maps + size));
    TRY(mucmm__rank_test(ctx, maps, random, s->n, s->cols, &out->random_heads));
    if (check->null) {
        TRY(mucmm__null_maps(ctx, check->null, s, maps));
        memcpy(maps, own, (size_t)size * sizeof *maps);
    }
    TRY(mucmm__rank_test(ctx, maps, null, s->n, s->cols, &out->permuted_pairs));
done:
    mucmm__free(maps);
    return status;
}

void mucmm_map_check_init_sized(mucmm_map_check *c, size_t size)
{
    const mucmm_map_check defaults = NOTHING_FOUND;

    mucmm__params_init(c, size, &defaults, sizeof defaults);
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_explanation *e,
                                 const mucmm_map_check_params *check)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_cmat *maps = check->maps;

    if (check->random_models < 0 || check->random_models > MOST_RANDOM)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " random models; 0 to %d can be had",
                           check->random_models, MOST_RANDOM);
    if (maps)
        TRY(mucmm__explanation_fits(ctx, e, "maps", maps->rows, maps->cols, maps->stride));
    if (check->truth)
        TRY(mucmm__pointing_check(ctx, &e->s, check->truth));
    if (check->null)
        TRY(mucmm__null_check(ctx, check->null, &e->s));
done:
    return status;
}

/* A pattern can be had, and checked, where no gradient can. */
static mucmm_status check_exactness(mucmm_ctx *ctx, const mucmm__samples *s, mucmm_map_check *out)
{
    mucmm_status status = completeness(ctx, s, &out->completeness);

    if (status == MUCMM_OK)
        status = mucmm__gradient_error(ctx, s, false, &out->gradient_error);
    if (status == MUCMM_EUNSUPPORTED && s->p->map == MUCMM_MAP_PATTERN) {
        out->completeness = out->gradient_error = NAN;
        status = MUCMM_OK;
    }
    return status;
}

mucmm_status mucmm_explanation_check(mucmm_ctx *ctx, const mucmm_explanation *e,
                                     const mucmm_map_check_params *params, mucmm_map_check *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = &e->s;
    mucmm_map_check_params c;
    mucmm_map_check found = NOTHING_FOUND;
    float *own = NULL;
    mucmm_cmat maps;

    if (!mucmm__params_give(&found, sizeof found, out))
        return mucmm__fail(ctx, MUCMM_EARG, "mucmm_map_check was not set up with its init");
    mucmm_map_check_params_init(&c);
    TRY(mucmm__params_take(ctx, "mucmm_map_check_params", params, &c, sizeof c));
    if (c.truth && mucmm_model_view_column(s->m, s->view, 0) && mucmm_data_column(c.truth, 0))
        TRY(mucmm__model_select(ctx, s->m, s->view, c.truth, &c.truth));
    TRY(check_params(ctx, e, &c));
    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *own, &own));
    TRY(mucmm__samples_maps(ctx, s, own, NULL));
    if (!c.skip_gradient)
        TRY(check_exactness(ctx, s, &found));
    maps = c.maps ? *c.maps : (mucmm_cmat){own, s->n, s->cols, s->cols};
    TRY(mucmm__deletion(ctx, s, &maps, c.seed, &found.deletion, &found.insertion));
    if (c.truth)
        TRY(mucmm__pointing(ctx, s, &maps, c.truth, &found.pointing));
    TRY(destroy(ctx, s, &c, own, &found));
    mucmm__params_give(&found, sizeof found, out);
done:
    mucmm__free(own);
    return status;
}
