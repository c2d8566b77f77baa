/* SPDX-License-Identifier: MIT
 *
 * What `mucmm bench` measures: the program's own paths. */
#include "model/fit_common.h"
#include "model/raw_moments.h"

#include <math.h>

/* One run of the closed form: moments of all rows, then weights[m] [p_m, k] and rho [k]. */
static mucmm_status closed_form(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views, int64_t k,
                                double *rho)
{
    mucmm_status status = MUCMM_OK;
    int64_t offset[MUCMM_MAX_VIEWS + 1] = {0}, p[MUCMM_MAX_VIEWS], total;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    const char *names[MUCMM_MAX_VIEWS];
    double *mean = NULL, *cov = NULL, *weights[MUCMM_MAX_VIEWS] = {0}, trace = 0;

    for (int32_t m = 0; m < n_views; m++) {
        data[m] = views[m].data;
        names[m] = views[m].name;
        p[m] = mucmm_data_cols(data[m]);
        offset[m + 1] = offset[m] + p[m];
        TRY(mucmm__alloc(ctx, p[m] * k, sizeof(double), &weights[m]));
    }
    total = offset[n_views];
    TRY(mucmm__alloc(ctx, total, sizeof *mean, &mean));
    TRY(mucmm__alloc(ctx, total * total, sizeof *cov, &cov));
    TRY(mucmm__joint_moments(ctx, n_views, data, offset, NULL, mucmm_data_rows(data[0]), mean,
                             cov));
    for (int64_t i = 0; i < total; i++)
        trace += cov[i * (total + 1)];
    TRY(mucmm__closed_form_common(ctx, n_views, p, names, cov, 1e-8 * trace / (double)total, k, k,
                                  rho, weights));
done:
    for (int32_t m = 0; m < n_views; m++)
        mucmm__free(weights[m]);
    mucmm__free(mean);
    mucmm__free(cov);
    return status;
}

mucmm_status mucmm_bench_closed_form(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                     int64_t k, int32_t repeats, double *seconds,
                                     double *correlations)
{
    mucmm_status status = MUCMM_OK;

    *seconds = INFINITY;
    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS || k < 1 || repeats < 1)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "two or more views, k >= 1 and repeats >= 1 are needed");
    for (int32_t m = 0; m < n_views; m++)
        if (mucmm_data_rows(views[m].data) != mucmm_data_rows(views[0].data) ||
            k > mucmm_data_cols(views[m].data))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view '%s': rows must be paired, and it needs at "
                               "least k columns",
                               views[m].name);
    for (int32_t r = 0; r < repeats; r++) {
        double begin = mucmm__now();
        TRY(closed_form(ctx, views, n_views, k, correlations));
        *seconds = fmin(*seconds, mucmm__now() - begin);
    }
done:
    return status;
}

/* ---- the permutation test ---------------------------------------------------------- */

mucmm_status mucmm_bench_permutation(mucmm_ctx *ctx, int64_t rows, int64_t k, int32_t n_views,
                                     int64_t permutations, int32_t repeats, double *seconds)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    double *out = NULL;

    *seconds = INFINITY;
    if (rows < 2 || k < 1 || n_views < 2 || n_views > MUCMM_MAX_VIEWS || repeats < 1)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "rows >= 2, k >= 1, two or more views and repeats >= 1 are needed");
    TRY(mucmm__alloc(ctx, 3 * k, sizeof *out, &out));
    for (int32_t m = 0; m < n_views; m++) {
        uint64_t key = mucmm__rng_key(1, (uint64_t)m);
        c[m] = (mucmm__block){NULL, rows, k};
        TRY(mucmm__alloc(ctx, rows * k, sizeof *c[m].data, &c[m].data));
        for (int64_t i = 0; i < rows * k; i++)
            c[m].data[i] = mucmm__rng_uniform(key, (uint64_t)i);
    }
    for (int32_t r = 0; r < repeats; r++) {
        double begin = mucmm__now();
        TRY(mucmm__permutation_test(ctx, n_views, c, permutations, 1, out, out + k, out + 2 * k));
        *seconds = fmin(*seconds, mucmm__now() - begin);
    }
done:
    for (int32_t m = 0; m < n_views; m++)
        mucmm__free(c[m].data);
    mucmm__free(out);
    return status;
}

/* ---- training ---------------------------------------------------------------------- */

void mucmm_bench_train_params_init_sized(mucmm_bench_train_params *p, size_t size)
{
    const mucmm_bench_train_params defaults = {.features = 768,
                                               .common = 64,
                                               .batch = 2000,
                                               .steps = 20,
                                               .n_hidden = 2,
                                               .hidden = {1024, 1024}};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static mucmm_status random_view(mucmm_ctx *ctx, int64_t n, int64_t p, uint64_t stream, float **x,
                                mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, n * p, sizeof **x, x));
    mucmm__add_noise(ctx, n * p, 1, mucmm__rng_key(1, stream), 0, *x, *x);
    TRY(mucmm_data_wrap(ctx, &(mucmm_cmat){*x, n, p, p}, "random", NULL, 0, out));
done:
    return status;
}

static mucmm_status unit_view(mucmm_ctx *ctx, mucmm__view_info *v, int64_t p)
{
    mucmm_status status = MUCMM_OK;

    v->p = p;
    TRY(mucmm__alloc(ctx, p, sizeof *v->mean, &v->mean));
    TRY(mucmm__alloc(ctx, p, sizeof *v->scale, &v->scale));
    for (int64_t j = 0; j < p; j++)
        v->scale[j] = 1;
done:
    return status;
}

mucmm_status mucmm_bench_train(mucmm_ctx *ctx, const mucmm_bench_train_params *params,
                               double *rows_per_second, double *gflops)
{
    mucmm_status status = MUCMM_OK;
    mucmm_bench_train_params b;
    mucmm_fit_params p;
    mucmm__fit f = {.ctx = ctx, .p = &p};
    mucmm_data *data[2] = {NULL, NULL};
    float *x[2] = {NULL, NULL};
    double seconds, flops;

    mucmm_bench_train_params_init(&b);
    TRY(mucmm__params_take(ctx, "mucmm_bench_train_params", params, &b, sizeof b));
    if (b.features < 1 || b.common < 1 || b.batch <= 2 * b.common || b.batch > INT32_MAX ||
        b.steps < 1 || b.n_hidden < 0 || b.n_hidden > MUCMM_MAX_HIDDEN)
        return mucmm__fail(ctx, MUCMM_EARG, "a size of the training benchmark is out of range");
    mucmm_fit_params_init(&p);
    p.learning_rate = 1e-3;
    p.common = b.common;
    p.n_hidden = b.n_hidden;
    for (int i = 0; i < b.n_hidden; i++)
        p.hidden[i] = b.hidden[i];
    f.batch = b.batch;
    f.n_train = 2 * b.batch;
    TRY(mucmm__alloc(ctx, 1, sizeof *f.model, &f.model));
    f.model->n_views = 2;
    f.model->k = b.common;
    TRY(mucmm__alloc(ctx, f.n_train, sizeof *f.train, &f.train));
    for (int64_t i = 0; i < f.n_train; i++)
        f.train[i] = i;
    for (int32_t m = 0; m < 2; m++) {
        TRY(random_view(ctx, f.n_train, b.features, (uint64_t)m, &x[m], &data[m]));
        TRY(unit_view(ctx, &f.model->view[m], b.features));
        f.data[m] = data[m];
    }
    TRY(mucmm__time_common_steps(&f, b.steps, &seconds, &flops));
    *rows_per_second = (double)(b.steps * b.batch) / seconds;
    *gflops = flops / seconds / 1e9;
done:
    mucmm__trainer_drop(&f.stage[MUCMM__STAGE_SCRATCH]);
    mucmm_model_free(f.model);
    mucmm__free(f.train);
    for (int m = 0; m < 2; m++) {
        mucmm_data_free(data[m]);
        mucmm__free(x[m]);
    }
    return status;
}
