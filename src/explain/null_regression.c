/* SPDX-License-Identifier: MIT
 *
 * The regression of the inputs on u, whose rows are permuted against them. */
#include "explain/null_regression.h"

#include "io/data.h"

#include <math.h>
#include <string.h>

#define CHUNK 64

/* Streams of random numbers, apart from those of a fit with the same seed. */
enum { STREAM_INDIVIDUAL = 900002 };

static int64_t individual_width(const mucmm_null *null, const mucmm__samples *s)
{
    return (1 + null->models) * s->n + null->m->k + null->m->view[s->view].q;
}

/* y [rows, width + k + q], of which this fills the first (1 + N) n columns: for model b and sample
 * i the products u_pi(r)'u_i of the training rows r (of one component: u_pi(r),j alone), so that
 * Cov(x, y_bi) = Cov(x, u_pi) u_i. pi of b = 0 is none. The rest of a row are c and u themselves.
 */
static mucmm_status individual_products(mucmm_ctx *ctx, const mucmm_null *null,
                                        const mucmm__samples *s, float *y)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(null->m, null->representation);
    int64_t d = null->m->view[s->view].q, k = null->m->k, rows = null->rows;
    int64_t all = individual_width(null, s);
    float *c = NULL, *u = NULL, *own = NULL, *product = NULL;
    int64_t *perm = NULL, most = rows > s->n ? rows : s->n;

    TRY(mucmm__alloc(ctx, most * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, rows * d, sizeof *u, &u));
    TRY(mucmm__alloc(ctx, s->n * d, sizeof *own, &own));
    TRY(mucmm__alloc(ctx, rows * s->n, sizeof *product, &product));
    TRY(mucmm__alloc(ctx, rows, sizeof *perm, &perm));
    TRY(mucmm__represent(ctx, null->m, rep, s->view, null->training[s->view], NULL, rows, c, u));
    for (int64_t r = 0; r < rows; r++) {
        memcpy(y + (r + 1) * all - d - k, c + r * k, (size_t)k * sizeof *c);
        memcpy(y + (r + 1) * all - d, u + r * d, (size_t)d * sizeof *u);
    }
    TRY(mucmm__represent(ctx, null->m, rep, s->view, s->data[s->view], s->rows, s->n, c, own));
    if (s->p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT)
        for (int64_t i = 0; i < s->n * d; i++)
            own[i] = i % d == s->p->component;
    TRY(mucmm__gemm(ctx, false, true, rows, s->n, d, 1, u, d, own, d, 0, product, s->n));
    for (int64_t r = 0; r < rows; r++)
        perm[r] = r;
    for (int64_t b = 0; b <= null->models; b++) {
        if (b > 0)
            mucmm__exchange_draw(
                null->exchange,
                mucmm__rng_key(null->seed, (uint64_t)(STREAM_INDIVIDUAL + b * 1000003)), perm,
                rows);
        for (int64_t r = 0; r < rows; r++)
            memcpy(y + r * all + b * s->n, product + perm[r] * s->n,
                   (size_t)s->n * sizeof *product);
    }
done:
    mucmm__free(c);
    mucmm__free(u);
    mucmm__free(own);
    mucmm__free(product);
    mucmm__free(perm);
    return status;
}

/* Raw; less the origin of the view's columns, of which no covariance knows. */
static mucmm_status read_inputs(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_data *training,
                                const int64_t *rows, int64_t n, const mucmm_mat *out)
{
    if (s->encoded)
        return mucmm_data_read_raw(ctx, training, rows, n, out);
    return mucmm__data_read_less(ctx, training, s->m->view[s->view].origin, rows, n, out);
}

mucmm_status mucmm__null_regression(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                                    float *maps, mucmm__explained *e)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = individual_width(null, s), k = null->m->k, chunk[CHUNK];
    int64_t n_maps = (1 + null->models) * s->n;
    mucmm__moments *moments = NULL;
    float *x = NULL, *y = NULL;
    double *cov = NULL;

    TRY(mucmm__alloc(ctx, null->rows * width, sizeof *y, &y));
    TRY(individual_products(ctx, null, s, y));
    TRY(mucmm__alloc(ctx, CHUNK * s->cols, sizeof *x, &x));
    TRY(mucmm__moments_create(ctx, s->cols, width, &moments));
    for (int64_t i = 0; i < null->rows; i += CHUNK) {
        int64_t b = null->rows - i < CHUNK ? null->rows - i : CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = i + j;
        TRY(mucmm__progress(ctx, "inputs against permuted rows", i, null->rows, NULL));
        TRY(read_inputs(ctx, s, null->training[s->view], chunk, b,
                        &(mucmm_mat){x, b, s->cols, s->cols}));
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, s->cols, s->cols},
                                &(mucmm_cmat){y + i * width, b, width, width}));
    }
    TRY(mucmm__progress(ctx, "inputs against permuted rows", null->rows, null->rows, NULL));
    TRY(mucmm__alloc(ctx, s->cols * width, sizeof *cov, &cov));
    TRY(mucmm__moments_get(ctx, moments, NULL, NULL, cov, e ? e->variance : NULL, NULL));
    for (int64_t j = 0; j < s->cols; j++)
        for (int64_t l = 0; l < n_maps; l++)
            maps[l * s->cols + j] = (float)cov[j * width + l];
    for (int64_t j = 0; e && j < s->cols; j++)
        for (int64_t l = n_maps; l < width; l++)
            (l < n_maps + k ? e->by_c : e->by_u)[j] += cov[j * width + l] * cov[j * width + l];
done:
    mucmm__moments_free(moments);
    mucmm__free(x);
    mucmm__free(y);
    mucmm__free(cov);
    return status;
}

mucmm_status mucmm__explained_p_values(mucmm_ctx *ctx, const mucmm_null *null,
                                       const mucmm__samples *s, const mucmm__units *units,
                                       const mucmm__explained *e, double *p)
{
    mucmm_status status = MUCMM_OK;
    double rows = (double)null->rows, *sum = NULL;
    double chance[] = {(double)null->m->k / (rows - 1),
                       (double)null->m->view[s->view].q / (rows - 1)};

    TRY(mucmm__alloc(ctx, 3 * units->n, sizeof *sum, &sum));
    for (int64_t j = 0; j < s->cols; j++) {
        double *of = sum + 3 * mucmm__unit(units, j);
        of[0] += e->by_c[j];
        of[1] += e->by_u[j];
        of[2] += e->variance[j];
    }
    for (int64_t i = 0; i < units->n; i++) {
        const double *of = sum + 3 * i;
        double r[2] = {0, 0};
        for (int t = 0; t < 2 && of[2] > 0; t++)
            r[t] = sqrt(fmax(of[t] / of[2] - chance[t], 0));
        p[i] = 0.5 * erfc((r[1] - r[0]) * sqrt(rows / 2) / sqrt(2));
    }
done:
    mucmm__free(sum);
    return status;
}
