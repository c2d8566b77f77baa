/* SPDX-License-Identifier: MIT
 *
 * What dependence is left between the individual variates and the common ones, and between
 * individual variates of two views (section 5 of the method), and whether it is more than chance.
 */
#include "model/summary.h"

#include <math.h>
#include <string.h>

#define RIDGE 1e-6
#define FEATURES 200
#define KERNEL_RIDGE 0.1
#define MOST_WORK 2e10      /* multiplications of a family's permutations */
enum { KERNEL_ROWS = 100 }; /* fewer say nothing */

/* Features of the c of all views, leading variates first: how many at most enter as they are and by
 * their square, how many of them are multiplied with each other, cosines. */
enum { MOST_COMMON = 128, MOST_SQUARED = 64, MOST_PAIRED = 8, WAVES = 32 };

/* Random numbers of this file. */
enum {
    STREAM_FEATURES = 77,
    STREAM_ORDER = 78,
    STREAM_LEAKAGE = 79,
    STREAM_BETWEEN = 80,
    STREAM_PSI = 81
};

/* ---- blocks of rows ---------------------------------------------------------------- */

/* The blocks [., cols] side by side, rows order[0..n). */
static mucmm_status take_rows(mucmm_ctx *ctx, int32_t n_blocks, const mucmm__block *from,
                              const int64_t *order, int64_t n, mucmm__block *to)
{
    mucmm_status status = MUCMM_OK;
    int64_t at = 0;

    *to = (mucmm__block){NULL, n, 0};
    for (int32_t m = 0; m < n_blocks; m++)
        to->cols += from[m].cols;
    TRY(mucmm__alloc(ctx, to->rows * to->cols, sizeof(double), &to->data));
    for (int32_t m = 0; m < n_blocks; at += from[m].cols, m++)
        for (int64_t i = 0; i < to->rows; i++)
            memcpy(to->data + i * to->cols + at, from[m].data + order[i] * from[m].cols,
                   (size_t)from[m].cols * sizeof(double));
done:
    return status;
}

/* Standardized Fourier features of u; phi->data is the caller's to free. */
static mucmm_status features(mucmm_ctx *ctx, const mucmm__block *u, uint64_t seed,
                             mucmm__block *phi)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = u->rows, q = u->cols, d = FEATURES < n / 3 ? FEATURES : n / 3;
    mucmm__block raw = {NULL, n, d}, std = {NULL, n, q};
    double *omega = NULL, *phase = NULL, *sd = NULL;

    *phi = (mucmm__block){NULL, n, d};
    TRY(mucmm__alloc(ctx, n * q, sizeof(double), &std.data));
    TRY(mucmm__alloc(ctx, n * d, sizeof(double), &raw.data));
    TRY(mucmm__alloc(ctx, n * d, sizeof(double), &phi->data));
    TRY(mucmm__alloc(ctx, q * d, sizeof(double), &omega));
    TRY(mucmm__alloc(ctx, d, sizeof(double), &phase));
    TRY(mucmm__alloc(ctx, q > d ? q : d, sizeof(double), &sd));
    mucmm__standardize(u, std.data, sd);
    mucmm__fourier_draw(mucmm__rng_key(seed, STREAM_FEATURES), q, d, omega, phase);
    mucmm__fourier_features(ctx, &std, d, omega, phase, raw.data);
    mucmm__standardize(&raw, phi->data, sd);
done:
    mucmm__free(std.data);
    mucmm__free(raw.data);
    mucmm__free(omega);
    mucmm__free(phase);
    mucmm__free(sd);
    return status;
}

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* The c of all views, the leading variates of each first: [n, M k] or the first columns of it. */
static mucmm_status interleave(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                               mucmm__block *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c[0].rows, k = c[0].cols;

    *out = (mucmm__block){NULL, n, at_most(n_views * k, MOST_COMMON)};
    TRY(mucmm__alloc(ctx, n * out->cols, sizeof(double), &out->data));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < out->cols; j++)
            out->data[i * out->cols + j] = c[j % n_views].data[i * k + j / n_views];
done:
    return status;
}

/* to [n, width] = [psi(c), c_j^2 for pairs <= j < squares]; psi has the squares of the others. */
static mucmm_status psi_and_squares(mucmm_ctx *ctx, const mucmm__psi *f, const mucmm__block *c,
                                    int64_t squares, mucmm__block *to)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = mucmm__psi_width(f);
    double *psi = NULL;

    TRY(mucmm__alloc(ctx, c->rows * width, sizeof *psi, &psi));
    TRY(mucmm__psi_forward(ctx, f, c, psi));
    for (int64_t i = 0; i < c->rows; i++) {
        double *row = to->data + i * to->cols;
        memcpy(row, psi + i * width, (size_t)width * sizeof *row);
        for (int64_t j = f->pairs; j < squares; j++)
            row[width + j - f->pairs] = pow(c->data[i * c->cols + j], 2);
    }
done:
    mucmm__free(psi);
    return status;
}

/* Standardized features of the c of all views, odd and even; out->data is the caller's to free. */
static mucmm_status common_features(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                    uint64_t seed, mucmm__block *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block all = {0}, std = {0}, raw = {0};
    mucmm__psi psi = {0};
    double *sd = NULL;
    int64_t n = c[0].rows, squares;

    TRY(interleave(ctx, n_views, c, &all));
    squares = at_most(all.cols, MOST_SQUARED);
    TRY(mucmm__psi_alloc(ctx, all.cols, at_most(all.cols, MOST_PAIRED), WAVES, &psi));
    mucmm__fourier_draw(mucmm__rng_key(seed, STREAM_PSI), all.cols, WAVES, psi.omega, psi.phase);
    std = (mucmm__block){NULL, n, all.cols};
    raw = *out = (mucmm__block){NULL, n, mucmm__psi_width(&psi) + squares - psi.pairs};
    TRY(mucmm__alloc(ctx, n * all.cols, sizeof(double), &std.data));
    TRY(mucmm__alloc(ctx, n * raw.cols, sizeof(double), &raw.data));
    TRY(mucmm__alloc(ctx, n * raw.cols, sizeof(double), &out->data));
    TRY(mucmm__alloc(ctx, raw.cols, sizeof *sd, &sd));
    mucmm__standardize(&all, std.data, sd);
    TRY(psi_and_squares(ctx, &psi, &std, squares, &raw));
    mucmm__standardize(&raw, out->data, sd);
done:
    mucmm__free(all.data);
    mucmm__free(std.data);
    mucmm__free(raw.data);
    mucmm__free(sd);
    mucmm__psi_drop(&psi);
    return status;
}

/* The ridge for K(a, b): relative for variates far larger than those of the training rows. */
static double relative_ridge(const mucmm__block *a, const mucmm__block *b)
{
    const mucmm__block *blocks[] = {a, b};
    double largest = 1;

    for (int i = 0; i < 2; i++)
        for (int64_t j = 0; j < blocks[i]->cols; j++) {
            double sum = 0;
            for (int64_t r = 0; r < blocks[i]->rows; r++)
                sum += pow(blocks[i]->data[r * blocks[i]->cols + j], 2);
            largest = fmax(largest, sum / (double)blocks[i]->rows);
        }
    return RIDGE * largest;
}

/* ---- the statistics and their families --------------------------------------------- */

/* What there are enough rows for. */
typedef struct families {
    int32_t n_views;
    bool test;                                                /* permutations will be made */
    mucmm__block u[MUCMM_MAX_VIEWS], c[MUCMM_MAX_VIEWS], all; /* all: the c side by side */
    mucmm__block psi;                                         /* of them; none without rows */
    mucmm__dependence linear[MUCMM_MAX_VIEWS], kernel[MUCMM_MAX_VIEWS];
    mucmm__dependence between[MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS];
    mucmm__dependence *on_common[2 * MUCMM_MAX_VIEWS], *pairs[MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS];
    int64_t n_on_common, n_pairs;
} families;

static void families_drop(families *f)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(f->u[m].data);
        mucmm__free(f->c[m].data);
        mucmm__dependence_drop(&f->linear[m]);
        mucmm__dependence_drop(&f->kernel[m]);
    }
    for (int i = 0; i < MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS; i++)
        mucmm__dependence_drop(&f->between[i]);
    mucmm__free(f->all.data);
    mucmm__free(f->psi.data);
}

/* Halves of the rows must be samples of one kind, and files are often sorted: all rows are shuffled
 * once, groups as wholes. */
static mucmm_status shuffle_rows(mucmm_ctx *ctx, families *f, const mucmm__exchange *e,
                                 const mucmm__block *c, const mucmm__block *u, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = e ? e->n : c[0].rows, *order = NULL;

    TRY(mucmm__alloc(ctx, n, sizeof *order, &order));
    if (e)
        memcpy(order, e->row, (size_t)n * sizeof *order);
    else
        mucmm__rng_permutation(mucmm__rng_key(seed, STREAM_ORDER), order, n);
    TRY(take_rows(ctx, f->n_views, c, order, n, &f->all));
    for (int32_t m = 0; m < f->n_views; m++) {
        TRY(take_rows(ctx, 1, &c[m], order, n, &f->c[m]));
        TRY(take_rows(ctx, 1, &u[m], order, n, &f->u[m]));
    }
done:
    mucmm__free(order);
    return status;
}

/* Each statistic starts as none: without enough rows it stays so. */
static void set_none(families *f)
{
    const mucmm__dependence none = {.value = NAN, .chance = NAN, .p = NAN};

    for (int32_t m = 0; m < f->n_views; m++) {
        f->linear[m] = f->kernel[m] = none;
        for (int32_t l = 0; l < f->n_views; l++)
            f->between[m * f->n_views + l] = none;
    }
}

/* u_m on what is common, linear and kernel. The rows of all c move together, against the u that
 * stay: the dependence among the u, and among the c, is what it is. */
static mucmm_status on_common(mucmm_ctx *ctx, families *f, int32_t m, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block phi = {0};

    f->on_common[f->n_on_common++] = &f->linear[m];
    TRY(mucmm__dependence_init(ctx, &f->u[m], &f->all, relative_ridge(&f->u[m], &f->all),
                               &f->linear[m]));
    f->linear[m].mover_right = 1;
    if (f->all.rows < KERNEL_ROWS)
        goto done;
    TRY(features(ctx, &f->u[m], seed, &phi));
    if (!f->test) {
        TRY(mucmm__correlation_min_crossfit(ctx, &phi, &f->psi, KERNEL_RIDGE, &f->kernel[m].value,
                                            NULL, NULL));
        goto done;
    }
    f->on_common[f->n_on_common++] = &f->kernel[m];
    TRY(mucmm__dependence_init_crossfit(ctx, &phi, &f->psi, KERNEL_RIDGE, &f->kernel[m]));
    f->kernel[m].mover_right = 1;
done:
    mucmm__free(phi.data);
    return status;
}

/* u_m and u_l: every view but the first has its own permutation, as for the correlations. */
static mucmm_status between(mucmm_ctx *ctx, families *f, int32_t m, int32_t l)
{
    mucmm_status status = MUCMM_OK;
    mucmm__dependence *s = &f->between[m * f->n_views + l];

    f->pairs[f->n_pairs++] = s;
    TRY(mucmm__dependence_init(ctx, &f->u[m], &f->u[l], relative_ridge(&f->u[m], &f->u[l]), s));
    s->mover_left = m;
    s->mover_right = l;
done:
    return status;
}

static void set_pair(mucmm_summary *s, int32_t m, int32_t l, const mucmm__dependence *of)
{
    const int64_t at[] = {m * s->views + l, l * s->views + m};

    for (int i = 0; i < 2; i++) {
        s->leakage_individual[at[i]] = of->value;
        s->leakage_individual_chance[at[i]] = of->chance;
        s->leakage_individual_p[at[i]] = of->p;
    }
}

static void take_values(const families *f, mucmm_summary *s)
{
    for (int32_t m = 0; m < f->n_views; m++) {
        s->leakage_linear[m] = f->linear[m].value;
        s->leakage_linear_chance[m] = f->linear[m].chance;
        s->leakage_linear_p[m] = f->linear[m].p;
        s->leakage_kernel[m] = f->kernel[m].value;
        s->leakage_kernel_p[m] = f->kernel[m].p;
        for (int32_t l = 0; l < m; l++)
            set_pair(s, m, l, &f->between[m * f->n_views + l]);
    }
}

/* Nothing depends on no columns. */
static void set_absent(const families *f, mucmm_summary *s)
{
    static const mucmm__dependence none = {.p = NAN};

    for (int32_t m = 0; m < f->n_views; m++) {
        s->leakage_individual[m * (s->views + 1)] = 0;
        if (f->u[m].cols > 0)
            continue;
        s->leakage_linear[m] = s->leakage_kernel[m] = s->leakage_linear_chance[m] = 0;
        for (int32_t l = 0; l < f->n_views; l++)
            set_pair(s, m, l, &none);
    }
}

mucmm_status mucmm__leakage(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            const mucmm__block *u, const mucmm__exchange *e, int64_t permutations,
                            uint64_t seed, mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    families f = {.n_views = n_views, .test = permutations > 0};
    int64_t n = e ? e->n : c[0].rows, made[2] = {permutations, permutations};

    set_none(&f);
    TRY(shuffle_rows(ctx, &f, e, c, u, seed));
    if (n >= KERNEL_ROWS)
        TRY(common_features(ctx, n_views, f.c, seed, &f.psi));
    for (int32_t m = 0; m < n_views; m++) {
        if (u[m].cols > 0 && n > u[m].cols + f.all.cols + 1)
            TRY(on_common(ctx, &f, m, seed));
        for (int32_t l = 0; l < m; l++)
            if (u[m].cols > 0 && u[l].cols > 0 && n > u[m].cols + u[l].cols + 1)
                TRY(between(ctx, &f, m, l));
    }
    TRY(mucmm__dependence_test(ctx, e, f.n_on_common, f.on_common, permutations,
                               mucmm__rng_key(seed, STREAM_LEAKAGE), MOST_WORK, &made[0]));
    TRY(mucmm__dependence_test(ctx, e, f.n_pairs, f.pairs, permutations,
                               mucmm__rng_key(seed, STREAM_BETWEEN), MOST_WORK, &made[1]));
    take_values(&f, s);
    set_absent(&f, s);
    if (f.n_on_common + f.n_pairs > 0)
        s->leakage_permutations = made[0] < made[1] ? made[0] : made[1];
done:
    families_drop(&f);
    return status;
}
