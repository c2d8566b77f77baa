/* SPDX-License-Identifier: MIT
 *
 * Components against what is known of the rows (section 5 of the method): correlation or eta
 * squared of each with each column, with p-values by the beta distribution that approximates the
 * one of all permutations (Pitman 1937, 1938) and is exact of normal components, and false
 * discovery rates. */
#include "model/relate.h"

#include "correlate/exchange.h"
#include "model/adjust.h"
#include "model/relate_probe.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a column, at least. */
enum { LEAST_ROWS = 8 };
#define LEVEL 0.05

void mucmm_relate_params_init_sized(mucmm_relate_params *p, size_t size)
{
    const mucmm_relate_params defaults = {.representation = MUCMM_HEADS, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

/* ---- p-values ---------------------------------------------------------------------- */

/* Continued fraction of the incomplete beta function (Lentz's method), for x < (a + 1)/(a + b + 2).
 */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / fmax(1 - (a + b) * x / (a + 1), 1e-300), h = d;

    for (int i = 1; i <= 1000; i++) {
        double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1)), step;
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        h *= d * c;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        step = d * c;
        h *= step;
        if (fabs(step - 1) < 1e-14)
            break;
    }
    return h;
}

/* P(B > x) of a beta distribution. */
static double beta_tail(double a, double b, double x)
{
    double front;

    if (!(x > 0))
        return 1;
    if (x >= 1)
        return 0;
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? 1 - front * beta_fraction(a, b, x) / a
                                     : front * beta_fraction(b, a, 1 - x) / b;
}

/* ---- one component, one column ----------------------------------------------------- */

/* Of values y [n] with a stride, at rows of which x [n] is known. */
static void relate_number(int64_t n, const double *x, const float *y, int64_t stride,
                          mucmm_relation *out)
{
    double mx = 0, my = 0, sxx = 0, syy = 0, sxy = 0, r;

    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i])) {
            out->rows++;
            mx += (x[i] - mx) / (double)out->rows;
            my += ((double)y[i * stride] - my) / (double)out->rows;
        }
    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i])) {
            double dx = x[i] - mx, dy = (double)y[i * stride] - my;
            sxx += dx * dx;
            syy += dy * dy;
            sxy += dx * dy;
        }
    r = sxy / sqrt(sxx * syy);
    if (out->rows < LEAST_ROWS || !isfinite(r))
        return;
    out->strength = r;
    out->p_value = beta_tail(.5, (double)(out->rows - 2) / 2, r * r);
}

/* sums [levels], counts [levels]: scratch of zeros. */
static void relate_category(int64_t n, const int64_t *codes, int64_t levels, const float *y,
                            int64_t stride, double *sums, double *counts, mucmm_relation *out)
{
    double mean = 0, total = 0, between = 0;
    int64_t used = 0;

    for (int64_t i = 0; i < n; i++)
        if (codes[i] >= 0) {
            out->rows++;
            mean += ((double)y[i * stride] - mean) / (double)out->rows;
        }
    for (int64_t i = 0; i < n; i++)
        if (codes[i] >= 0) {
            double d = (double)y[i * stride] - mean;
            total += d * d;
            sums[codes[i]] += d;
            counts[codes[i]]++;
        }
    for (int64_t l = 0; l < levels; l++) {
        used += counts[l] > 0;
        between += counts[l] > 0 ? sums[l] * sums[l] / counts[l] : 0;
        sums[l] = counts[l] = 0;
    }
    if (out->rows < LEAST_ROWS || used < 2 || out->rows < used + 2 || !(total > 0))
        return;
    out->strength = between / total;
    out->p_value =
        beta_tail((double)(used - 1) / 2, (double)(out->rows - used) / 2, between / total);
}

/* list [width * columns of t]: every column of y [n, width] of rows that are those of t. */
static mucmm_status relate_all(mucmm_ctx *ctx, const mucmm_table *t, const float *y, int64_t width,
                               mucmm_relation like, mucmm_relation *list)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_table_rows(t), columns = mucmm_table_columns(t), most = 1;
    double *sums = NULL, *counts = NULL;

    for (int64_t j = 0; j < columns; j++)
        most = mucmm_table_levels(t, j) > most ? mucmm_table_levels(t, j) : most;
    TRY(mucmm__alloc(ctx, most, sizeof *sums, &sums));
    TRY(mucmm__alloc(ctx, most, sizeof *counts, &counts));
    for (int64_t k = 0; k < width; k++)
        for (int64_t j = 0; j < columns; j++) {
            mucmm_relation *out = &list[k * columns + j];
            *out = like;
            out->component = k;
            out->column = j;
            out->strength = out->p_value = out->q_value = NAN;
            if (mucmm_table_numbers(t, j))
                relate_number(n, mucmm_table_numbers(t, j), y + k, width, out);
            else
                relate_category(n, mucmm_table_codes(t, j), mucmm_table_levels(t, j), y + k, width,
                                sums, counts, out);
        }
done:
    mucmm__free(sums);
    mucmm__free(counts);
    return status;
}

/* ---- false discovery rates --------------------------------------------------------- */

static int by_p_value(const void *a, const void *b)
{
    double x = (*(mucmm_relation *const *)a)->p_value, y = (*(mucmm_relation *const *)b)->p_value;
    return (x > y) - (x < y);
}

/* q_i = min over j >= i of p_(j) m / j (Benjamini and Hochberg 1995). */
static mucmm_status find_rates(mucmm_ctx *ctx, mucmm_relate *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_relation **order = NULL;
    int64_t m = 0;
    double least = 1;

    TRY(mucmm__alloc(ctx, r->n, sizeof *order, &order));
    for (int64_t i = 0; i < r->n; i++)
        if (!isnan(r->list[i].p_value))
            order[m++] = &r->list[i];
    qsort(order, (size_t)m, sizeof *order, by_p_value);
    for (int64_t i = m - 1; i >= 0; i--) {
        least = fmin(least, order[i]->p_value * (double)m / (double)(i + 1));
        order[i]->q_value = least;
    }
done:
    mucmm__free(order);
    return status;
}

/* ---- the rows ---------------------------------------------------------------------- */

/* Rows that have all views and that the model was not fitted to; all, if none is left. */
static mucmm_status find_rows(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                              const mucmm_data *const *data, mucmm_relate *r, int64_t *rows)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_data_rows(data[0]), complete = 0;
    uint32_t all = ((uint32_t)1 << r->model->n_views) - 1;
    mucmm_row_kind *kinds = NULL;
    mucmm_recognition how;

    TRY(mucmm__alloc(ctx, n, sizeof *kinds, &kinds));
    TRY(mucmm_model_recognize(ctx, r->model, views, n_views, kinds, &how));
    for (int fitted = 0; fitted < 2 && r->rows == 0; fitted++) {
        r->in_sample = fitted;
        for (int64_t i = 0; i < n; i++)
            if (mucmm__row_views(r->model->n_views, data, i) == all) {
                complete++;
                if (fitted || kinds[i] != MUCMM_ROW_FITTED)
                    rows[r->rows++] = i;
            }
    }
    if (complete == 0)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE, "no row has all views of the model"));
done:
    mucmm__free(kinds);
    return status;
}

static bool is_found(const mucmm_relation *a)
{
    return a->q_value <= LEVEL;
}

/* In which parts is each column, by the components that are related to it. */
static void find_parts(mucmm_relate *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        mucmm_related *c = &r->columns[r->list[i].column];
        if (!is_found(&r->list[i]))
            continue;
        if (r->list[i].individual)
            c->in_individual |= 1u << r->list[i].view;
        else
            c->in_common = 1;
    }
}

static mucmm_status relate_views(mucmm_ctx *ctx, const mucmm_data *const *data, const int64_t *rows,
                                 const mucmm__solution *rep, const mucmm_table *t, uint64_t seed,
                                 mucmm_relate *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model *m = r->model;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};
    int64_t columns = mucmm_table_columns(t);

    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(mucmm__alloc(ctx, r->rows * m->k, sizeof **c, &c[v]));
        TRY(mucmm__alloc(ctx, r->rows * m->view[v].q, sizeof **u, &u[v]));
        TRY(mucmm__represent(ctx, m, rep, v, data[v], rows, r->rows, c[v], u[v]));
        TRY(relate_all(ctx, t, c[v], m->k, (mucmm_relation){.view = v}, r->list + r->n));
        r->n += m->k * columns;
    }
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(relate_all(ctx, t, u[v], m->view[v].q, (mucmm_relation){.view = v, .individual = 1},
                       r->list + r->n));
        r->n += m->view[v].q * columns;
    }
    if (r->in_sample) /* rows that the components were made for have no p-values */
        for (int64_t i = 0; i < r->n; i++)
            r->list[i].p_value = NAN;
    TRY(mucmm__relate_probes(ctx, m, t, c, u, seed, r->columns));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(c[v]);
        mucmm__free(u[v]);
    }
    return status;
}

static bool is_adjusted(const mucmm_model *m, const char *name)
{
    for (int32_t i = 0; m->adjust && i < m->adjust->n; i++)
        if (strcmp(m->adjust->list[i].name, name) == 0)
            return true;
    return false;
}

static mucmm_status start_relate(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_table *t,
                                 mucmm_relate **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_relate *r = NULL;
    int64_t width = 0;

    for (int32_t v = 0; v < m->n_views; v++)
        width += m->k + m->view[v].q;
    TRY(mucmm__alloc(ctx, 1, sizeof *r, &r));
    r->model = mucmm__model_keep(m);
    r->table = mucmm__table_keep(t);
    r->n_columns = mucmm_table_columns(t);
    TRY(mucmm__alloc(ctx, r->n_columns * width, sizeof *r->list, &r->list));
    TRY(mucmm__alloc(ctx, r->n_columns, sizeof *r->columns, &r->columns));
    for (int64_t j = 0; j < r->n_columns; j++) {
        r->columns[j].name = mucmm_table_column(t, j);
        r->columns[j].adjusted = is_adjusted(m, r->columns[j].name);
    }
    *out = r;
    r = NULL;
done:
    mucmm_relate_free(r);
    return status;
}

mucmm_status mucmm_relate_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                 int32_t n_views, const mucmm_table *t,
                                 const mucmm_relate_params *params, mucmm_relate **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    mucmm_table *known = NULL;
    mucmm_relate *r = NULL;
    mucmm_relate_params p;
    int64_t *rows = NULL;

    *out = NULL;
    mucmm_relate_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_relate_params", params, &p, sizeof p));
    TRY(mucmm__match_views(ctx, m, views, n_views, data));
    if (mucmm_table_rows(t) != mucmm_data_rows(data[0]))
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "%s has %" PRId64 " rows and the views %" PRId64
                        "; match them first (mucmm_table_match)",
                        mucmm_table_label(t), mucmm_table_rows(t), mucmm_data_rows(data[0])));
    TRY(start_relate(ctx, m, t, &r));
    TRY(mucmm__alloc(ctx, mucmm_data_rows(data[0]), sizeof *rows, &rows));
    TRY(find_rows(ctx, views, n_views, data, r, rows));
    TRY(mucmm__table_subset(ctx, t, rows, r->rows, &known));
    TRY(relate_views(ctx, data, rows, mucmm__model_solution(m, p.representation), known, p.seed,
                     r));
    TRY(find_rates(ctx, r));
    find_parts(r);
    *out = r;
    r = NULL;
done:
    mucmm_relate_free(r);
    mucmm_table_free(known);
    mucmm__free(rows);
    return status;
}

void mucmm_relate_free(mucmm_relate *r)
{
    if (!r)
        return;
    mucmm_model_free(r->model);
    mucmm_table_free(r->table);
    mucmm__free(r->list);
    mucmm__free(r->columns);
    mucmm__free(r);
}

const mucmm_relation *mucmm_relate_list(const mucmm_relate *r, int64_t *n)
{
    *n = r->n;
    return r->list;
}

const mucmm_related *mucmm_relate_columns(const mucmm_relate *r, int64_t *n)
{
    *n = r->n_columns;
    return r->columns;
}

int64_t mucmm_relate_rows(const mucmm_relate *r)
{
    return r->rows;
}

int32_t mucmm_relate_in_sample(const mucmm_relate *r)
{
    return r->in_sample;
}

/* ---- what was not adjusted for ----------------------------------------------------- */

/* The strongest relation of each column, if it is beyond chance for all there are (Bonferroni). */
static void warn_of(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_table *t,
                    const mucmm_relation *list, int64_t tests)
{
    int64_t columns = mucmm_table_columns(t);

    for (int64_t j = 0; j < columns; j++) {
        const mucmm_relation *best = NULL;
        char quoted[MUCMM__QUOTE];
        for (int64_t i = j; i < tests; i += columns)
            if (list[i].p_value * (double)tests <= LEVEL &&
                (!best || list[i].p_value < best->p_value))
                best = &list[i];
        if (best && !is_adjusted(m, mucmm_table_column(t, j)))
            mucmm__warn(ctx,
                        "'%s' is not adjusted for and goes with common component %" PRId64
                        " of '%s' on %" PRId64 " held-out rows (%s %.2f); if it is no "
                        "question of yours, `adjust` takes it out",
                        mucmm__quote(quoted, mucmm_table_column(t, j)), best->component,
                        m->view[best->view].name, best->rows,
                        mucmm_table_numbers(t, j) ? "correlation" : "eta squared", best->strength);
    }
}

/* One row of each group: rows of one testify to the same. kept [n], *out of them. */
static mucmm_status one_of_each(mucmm_ctx *ctx, const int64_t *groups, const int64_t *rows,
                                int64_t n, int64_t *kept, int64_t *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t *group = NULL, *order = NULL;

    *out = 0;
    TRY(mucmm__groups_of(ctx, groups, rows, n, &group));
    TRY(mucmm__alloc(ctx, n, sizeof *order, &order));
    TRY(mucmm__group_order(ctx, group, n, 0, order));
    for (int64_t i = 0; i < n; i++)
        if (!group || i == 0 || group[order[i]] != group[order[i - 1]])
            kept[(*out)++] = rows[order[i]];
done:
    mucmm__free(group);
    mucmm__free(order);
    return status;
}

mucmm_status mucmm__relate_warn(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                                const int64_t *groups, const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_table *all = mucmm_data_covariates(data[0]);
    const mucmm__solution *rep = mucmm__model_solution(m, MUCMM_HEADS);
    mucmm_table *t = NULL;
    mucmm_relation *list = NULL;
    float *c = NULL;
    int64_t columns, tests = 0, *kept = NULL;

    if (!all || !ctx->log)
        return MUCMM_OK;
    if (groups) {
        TRY(mucmm__alloc(ctx, n, sizeof *kept, &kept));
        TRY(one_of_each(ctx, groups, rows, n, kept, &n));
        rows = kept;
    }
    columns = mucmm_table_columns(all);
    TRY(mucmm__table_subset(ctx, all, rows, n, &t));
    TRY(mucmm__alloc(ctx, m->n_views * m->k * columns, sizeof *list, &list));
    TRY(mucmm__alloc(ctx, n * m->k, sizeof *c, &c));
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(mucmm__represent(ctx, m, rep, v, data[v], rows, n, c, NULL));
        TRY(relate_all(ctx, t, c, m->k, (mucmm_relation){.view = v}, list + tests));
        tests += m->k * columns;
    }
    warn_of(ctx, m, t, list, tests);
done:
    mucmm_table_free(t);
    mucmm__free(list);
    mucmm__free(c);
    mucmm__free(kept);
    return status;
}
