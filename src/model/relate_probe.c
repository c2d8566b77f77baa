/* SPDX-License-Identifier: MIT
 *
 * Linear readers of what is known of rows, cross-validated: least squares with a ridge for numbers
 * (R2), logistic regression for categories (accuracy). */
#include "model/relate_probe.h"

#include "correlate/exchange.h"

#include <math.h>
#include <string.h>

enum { FOLDS = 5, LEAST_ROWS = 20 };
/* In units of the number of rows, of standardized columns. */
#define RIDGE 1e-2

/* Rows of which a column is known, in a random order, groups of them side by side. */
typedef struct reading {
    mucmm_ctx *ctx;
    const int64_t *group; /* of all rows, NULL: none */
    int64_t n, *row;
    int8_t *fold; /* [n] of i: i % FOLDS, or so of its group */
    double *number;
    int32_t *class_of, classes;
    uint64_t seed;
} reading;

/* ---- numbers ----------------------------------------------------------------------- */

/* Adds the squares of the errors of one fold, and those about the mean of the others. */
static mucmm_status read_fold(const reading *r, const mucmm_cmat *x, int fold, double *error,
                              double *total)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = x->cols, n = 0;
    double *mean = NULL, *s = NULL, *b = NULL, my = 0;

    TRY(mucmm__alloc(r->ctx, d, sizeof *mean, &mean));
    TRY(mucmm__alloc(r->ctx, d * d, sizeof *s, &s));
    TRY(mucmm__alloc(r->ctx, d, sizeof *b, &b));
    for (int64_t i = 0; i < r->n; i++)
        if (r->fold[i] != fold) {
            n++;
            my += (r->number[i] - my) / (double)n;
            for (int64_t j = 0; j < d; j++)
                mean[j] += ((double)x->data[i * d + j] - mean[j]) / (double)n;
        }
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t j = 0; j < d && r->fold[i] != fold; j++) {
            double xj = (double)x->data[i * d + j] - mean[j];
            b[j] += xj * (r->number[i] - my);
            for (int64_t k = 0; k <= j; k++)
                s[j * d + k] += xj * ((double)x->data[i * d + k] - mean[k]);
        }
    for (int64_t j = 0; j < d; j++) {
        for (int64_t k = 0; k < j; k++)
            s[k * d + j] = s[j * d + k];
        s[j * (d + 1)] = s[j * (d + 1)] > 0 ? s[j * (d + 1)] * (1 + RIDGE) : 1;
    }
    TRY(mucmm__cholesky(r->ctx, d, s, "the covariance of the variates"));
    TRY(mucmm__solve_lower(r->ctx, false, d, 1, s, b));
    TRY(mucmm__solve_lower(r->ctx, true, d, 1, s, b));
    for (int64_t i = 0; i < r->n; i++) {
        if (r->fold[i] != fold)
            continue;
        double e = r->number[i] - my;
        *total += e * e;
        for (int64_t j = 0; j < d; j++)
            e -= b[j] * ((double)x->data[i * d + j] - mean[j]);
        *error += e * e;
    }
done:
    mucmm__free(mean);
    mucmm__free(s);
    mucmm__free(b);
    return status;
}

static mucmm_status read_number(const reading *r, const mucmm_cmat *x, double *out)
{
    mucmm_status status = MUCMM_OK;
    double error = 0, total = 0;

    for (int fold = 0; fold < FOLDS; fold++)
        TRY(read_fold(r, x, fold, &error, &total));
    *out = total > 0 ? 1 - error / total : NAN;
done:
    return status;
}

/* ---- categories -------------------------------------------------------------------- */

/* Rows and classes of a fold, or of the others, one after another. */
static void gather(const reading *r, const mucmm_cmat *x, int fold, bool inside, float *to,
                   int32_t *class_of, int64_t *n)
{
    *n = 0;
    for (int64_t i = 0; i < r->n; i++)
        if ((r->fold[i] == fold) == inside) {
            memcpy(to + *n * x->cols, x->data + i * x->cols, (size_t)x->cols * sizeof *to);
            class_of[(*n)++] = r->class_of[i];
        }
}

/* Without a line of progress for each. */
static mucmm_status run_probe(mucmm_ctx *ctx, mucmm_probe *p, uint64_t seed)
{
    mucmm_ctx quiet;
    mucmm_status status;

    mucmm__ctx_alone(ctx, &quiet);
    status = mucmm_probes_run(&quiet, p, 1, seed);
    return status == MUCMM_OK ? status : mucmm__fail(ctx, status, "%s", quiet.message);
}

static mucmm_status read_category(const reading *r, const mucmm_cmat *x, double *out)
{
    mucmm_status status = MUCMM_OK;
    float *rows[2] = {NULL, NULL};
    int32_t *classes[2] = {NULL, NULL};
    double right = 0;

    for (int side = 0; side < 2; side++) {
        TRY(mucmm__alloc(r->ctx, r->n * x->cols, sizeof **rows, &rows[side]));
        TRY(mucmm__alloc(r->ctx, r->n, sizeof **classes, &classes[side]));
    }
    for (int fold = 0; fold < FOLDS; fold++) {
        mucmm_probe p = {.classes = r->classes};
        int64_t n[2];
        for (int side = 0; side < 2; side++)
            gather(r, x, fold, side == 1, rows[side], classes[side], &n[side]);
        if (n[0] == 0 || n[1] == 0)
            continue;
        p.train = (mucmm_cmat){rows[0], n[0], x->cols, x->cols};
        p.test = (mucmm_cmat){rows[1], n[1], x->cols, x->cols};
        p.train_class = classes[0];
        p.test_class = classes[1];
        TRY(run_probe(r->ctx, &p, r->seed));
        right += p.accuracy * (double)n[1];
    }
    *out = right / (double)r->n;
done:
    for (int side = 0; side < 2; side++) {
        mucmm__free(rows[side]);
        mucmm__free(classes[side]);
    }
    return status;
}

/* ---- a column ---------------------------------------------------------------------- */

/* From parts [n of all rows, width[i]] side by side. */
static mucmm_status read_parts(const reading *r, float *const *parts, const int64_t *width,
                               int32_t n_parts, double *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = 0, at = 0;
    float *x = NULL;

    for (int32_t v = 0; v < n_parts; v++)
        d += width[v];
    if (d == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(r->ctx, r->n * d, sizeof *x, &x));
    for (int32_t v = 0; v < n_parts; at += width[v++])
        for (int64_t i = 0; i < r->n; i++)
            memcpy(x + i * d + at, parts[v] + r->row[i] * width[v], (size_t)width[v] * sizeof *x);
    TRY(r->number ? read_number(r, &(mucmm_cmat){x, r->n, d, d}, out)
                  : read_category(r, &(mucmm_cmat){x, r->n, d, d}, out));
done:
    mucmm__free(x);
    return status;
}

/* Classes in the order of the levels that are there; what guessing the largest one gets right. */
static mucmm_status take_classes(reading *r, const mucmm_table *t, int64_t column, double *chance)
{
    mucmm_status status = MUCMM_OK;
    int64_t levels = mucmm_table_levels(t, column), *count = NULL;
    int32_t *class_of = NULL;
    double most = 0;

    TRY(mucmm__alloc(r->ctx, levels, sizeof *count, &count));
    TRY(mucmm__alloc(r->ctx, levels, sizeof *class_of, &class_of));
    TRY(mucmm__alloc(r->ctx, r->n, sizeof *r->class_of, &r->class_of));
    for (int64_t i = 0; i < r->n; i++)
        count[mucmm_table_codes(t, column)[r->row[i]]]++;
    for (int64_t l = 0; l < levels; l++) {
        class_of[l] = r->classes;
        r->classes += count[l] > 0;
        most = fmax(most, (double)count[l]);
    }
    for (int64_t i = 0; i < r->n; i++)
        r->class_of[i] = class_of[mucmm_table_codes(t, column)[r->row[i]]];
    *chance = most / (double)r->n;
done:
    mucmm__free(count);
    mucmm__free(class_of);
    return status;
}

static mucmm_status take_column(reading *r, const mucmm_table *t, int64_t column,
                                mucmm_related *out)
{
    mucmm_status status = MUCMM_OK;
    const double *numbers = mucmm_table_numbers(t, column);
    int64_t all = mucmm_table_rows(t), *perm = NULL;

    TRY(mucmm__alloc(r->ctx, all, sizeof *perm, &perm));
    TRY(mucmm__alloc(r->ctx, all, sizeof *r->row, &r->row));
    TRY(mucmm__alloc(r->ctx, all, sizeof *r->fold, &r->fold));
    TRY(mucmm__group_order(r->ctx, r->group, all, mucmm__rng_key(r->seed, 1), perm));
    for (int64_t i = 0, at = -1; i < all; i++)
        if (mucmm_table_codes(t, column)[perm[i]] >= 0) {
            at += !r->group || r->n == 0 || r->group[perm[i]] != r->group[r->row[r->n - 1]];
            r->fold[r->n] = (int8_t)(at % FOLDS);
            r->row[r->n++] = perm[i];
        }
    out->rows = r->n;
    out->chance = 0;
    if (numbers) {
        TRY(mucmm__alloc(r->ctx, r->n, sizeof *r->number, &r->number));
        for (int64_t i = 0; i < r->n; i++)
            r->number[i] = numbers[r->row[i]];
    } else if (r->n > 0)
        TRY(take_classes(r, t, column, &out->chance));
    out->levels = r->classes;
done:
    mucmm__free(perm);
    return status;
}

static mucmm_status read_column(reading *r, const mucmm_model *m, float *const *c, float *const *u,
                                mucmm_related *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t width[MUCMM_MAX_VIEWS];

    out->common = NAN;
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        out->individual[v] = NAN;
    if (r->n < LEAST_ROWS || (!r->number && (r->classes < 2 || r->classes > MUCMM_PROBE_CLASSES)))
        return MUCMM_OK;
    for (int32_t v = 0; v < m->n_views; v++)
        width[v] = m->k;
    TRY(read_parts(r, c, width, m->n_views, &out->common));
    for (int32_t v = 0; v < m->n_views; v++)
        TRY(read_parts(r, &u[v], &m->view[v].q, 1, &out->individual[v]));
done:
    return status;
}

mucmm_status mucmm__relate_probes(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_table *t,
                                  const int64_t *group, float *const *c, float *const *u,
                                  uint64_t seed, mucmm_related *out)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t j = 0; j < mucmm_table_columns(t) && status == MUCMM_OK; j++) {
        reading r = {.ctx = ctx, .group = group, .seed = seed};
        status = take_column(&r, t, j, &out[j]);
        if (status == MUCMM_OK)
            status = read_column(&r, m, c, u, &out[j]);
        mucmm__free(r.row);
        mucmm__free(r.fold);
        mucmm__free(r.number);
        mucmm__free(r.class_of);
    }
    return status;
}
