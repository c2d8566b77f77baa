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

/* Of a column, at least; permutations of groups, as many as take MOST_WORK values. */
enum { LEAST_ROWS = 8, LEAST_PERMUTATIONS = 200, MOST_PERMUTATIONS = 2000 };
#define MOST_WORK 1e9
/* Of the random numbers: of the seed. */
enum { STREAM_PLACES = 2, STREAM_PERMUTATIONS = 3 };
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

/* Of values y [n] with a stride, at rows of which x [n] is known; covariates took `lost` degrees of
 * freedom. */
static void relate_number(int64_t n, const double *x, const float *y, int64_t stride, int64_t lost,
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
    if (out->rows < LEAST_ROWS + lost || !isfinite(r))
        return;
    out->strength = r;
    out->p_value = beta_tail(.5, (double)(out->rows - 2 - lost) / 2, r * r);
}

/* sums [levels], counts [levels]: scratch of zeros. */
static void relate_category(int64_t n, const int64_t *codes, int64_t levels, const float *y,
                            int64_t stride, int64_t lost, double *sums, double *counts,
                            mucmm_relation *out)
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
    if (out->rows < LEAST_ROWS + lost || used < 2 || out->rows < used + 2 + lost || !(total > 0))
        return;
    out->strength = between / total;
    out->p_value =
        beta_tail((double)(used - 1) / 2, (double)(out->rows - used - lost) / 2, between / total);
}

/* Components and columns of the same rows. */
typedef struct relating {
    const mucmm_table *t;
    const mucmm_model *m;
    const mucmm__exchange *e; /* NULL: rows are exchanged freely */
    uint64_t seed;
    int64_t lost;          /* degrees of freedom, of covariates that were taken out */
    double *sums, *counts; /* [levels] scratch of zeros */
} relating;

static void relating_drop(relating *r)
{
    mucmm__free(r->sums);
    mucmm__free(r->counts);
}

static mucmm_status relating_init(mucmm_ctx *ctx, relating *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t most = 1;

    for (int64_t j = 0; j < mucmm_table_columns(r->t); j++)
        most = mucmm_table_levels(r->t, j) > most ? mucmm_table_levels(r->t, j) : most;
    TRY(mucmm__alloc(ctx, most, sizeof *r->sums, &r->sums));
    TRY(mucmm__alloc(ctx, most, sizeof *r->counts, &r->counts));
done:
    return status;
}

static void relate_one(const relating *r, int64_t column, const float *y, int64_t stride,
                       int64_t lost, mucmm_relation *out)
{
    int64_t n = mucmm_table_rows(r->t);

    out->rows = 0;
    out->strength = out->p_value = out->q_value = NAN;
    if (mucmm_table_numbers(r->t, column))
        relate_number(n, mucmm_table_numbers(r->t, column), y, stride, lost, out);
    else
        relate_category(n, mucmm_table_codes(r->t, column), mucmm_table_levels(r->t, column), y,
                        stride, lost, r->sums, r->counts, out);
}

static bool is_adjusted(const mucmm_model *m, const char *name)
{
    for (int32_t i = 0; m->adjust && i < m->adjust->n; i++)
        if (strcmp(m->adjust->list[i].name, name) == 0)
            return true;
    return false;
}

/* list [width * columns of t]: every column of y [n, width] of rows that are those of t, or of rest
 * [n, width], what covariates leave of it (NULL: they are not known), except the covariates
 * themselves: how much of these is still there is the question. */
static void relate_all(const relating *r, const float *y, const float *rest, int64_t width,
                       mucmm_relation like, mucmm_relation *list)
{
    int64_t columns = mucmm_table_columns(r->t);

    for (int64_t k = 0; k < width; k++)
        for (int64_t j = 0; j < columns; j++) {
            mucmm_relation *out = &list[k * columns + j];
            bool own = !rest || is_adjusted(r->m, mucmm_table_column(r->t, j));
            *out = like;
            out->component = k;
            out->column = j;
            relate_one(r, j, (own ? y : rest) + k, width, own ? 0 : r->lost, out);
        }
}

/* ---- groups ------------------------------------------------------------------------ */

/* r^2 or eta squared */
static double explained(const relating *r, const mucmm_relation *a)
{
    return mucmm_table_numbers(r->t, a->column) ? a->strength * a->strength : a->strength;
}

/* p of the beta distribution with the mean and the variance over permutations, but not below that
 * of the one that there is if `ways` are all. */
static double moments_tail(double mean, double variance, double ways, double x)
{
    double scale = mean * (1 - mean) / variance - 1;

    if (isnan(x) || !(mean > 0 && mean < 1 && variance > 0 && scale > 0))
        return NAN;
    return fmax(beta_tail(mean * scale, (1 - mean) * scale, x), 1 / ways);
}

/* Whole groups of y [n, width] in the order of draw b. */
static void move_groups(const relating *r, int64_t b, int64_t width, const float *y, int64_t *perm,
                        float *moved)
{
    uint64_t key = mucmm__rng_key(r->seed, STREAM_PERMUTATIONS);

    mucmm__exchange_draw(r->e, mucmm__rng_key(key, (uint64_t)b), perm, r->e->n);
    for (int64_t i = 0; i < r->e->n; i++)
        memcpy(moved + i * width, y + perm[i] * width, (size_t)width * sizeof *moved);
}

/* p-values of list, which relate_all made of the same: rows of a group are not independent, so that
 * the moments are those over permutations of whole groups. */
static mucmm_status exchange_groups(mucmm_ctx *ctx, const relating *r, const float *y,
                                    const float *rest, int64_t width, mucmm_relation *list)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = width * mucmm_table_columns(r->t), *perm = NULL;
    double fit = MOST_WORK / fmax(1, (double)(n * r->e->n)), *mean = NULL, *square = NULL;
    int64_t draws = (int64_t)fmin(fmax(fit, LEAST_PERMUTATIONS), MOST_PERMUTATIONS);
    float *moved[2] = {NULL, NULL};
    mucmm_relation *drawn = NULL;

    TRY(mucmm__alloc(ctx, r->e->n, sizeof *perm, &perm));
    TRY(mucmm__alloc(ctx, n, sizeof *mean, &mean));
    TRY(mucmm__alloc(ctx, n, sizeof *square, &square));
    TRY(mucmm__alloc(ctx, n, sizeof *drawn, &drawn));
    TRY(mucmm__alloc(ctx, r->e->n * width, sizeof **moved, &moved[0]));
    TRY(mucmm__alloc(ctx, r->e->n * width, sizeof **moved, &moved[1]));
    for (int64_t b = 0; b < draws; b++) {
        move_groups(r, b, width, y, perm, moved[0]);
        if (rest)
            move_groups(r, b, width, rest, perm, moved[1]);
        relate_all(r, moved[0], rest ? moved[1] : NULL, width, *list, drawn);
        for (int64_t i = 0; i < n; i++) { /* Welford */
            double x = explained(r, &drawn[i]), before = x - mean[i];
            mean[i] += before / (double)(b + 1);
            square[i] += before * (x - mean[i]);
        }
    }
    for (int64_t i = 0; i < n; i++)
        list[i].p_value = moments_tail(mean[i], square[i] / (double)draws, exp(r->e->log_ways),
                                       explained(r, &list[i]));
done:
    mucmm__free(perm);
    mucmm__free(mean);
    mucmm__free(square);
    mucmm__free(drawn);
    mucmm__free(moved[0]);
    mucmm__free(moved[1]);
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

/* Rows of a group that was fitted to are not independent of the fit. */
static void count_groups_as_fitted(mucmm_ctx *ctx, const mucmm_model *m, const int64_t *groups,
                                   int64_t n, mucmm_row_kind *kinds)
{
    int64_t fresh = 0;

    for (int64_t i = 0; i < n; i++) {
        if (groups && kinds[i] == MUCMM_ROW_NEW && mucmm__digest_has_group(&m->digest, groups[i]))
            kinds[i] = MUCMM_ROW_FITTED;
        fresh += kinds[i] != MUCMM_ROW_FITTED;
    }
    if (m->digest.n_groups > 0 && !groups && fresh > 0)
        mucmm__warn(ctx, "the model was fitted to groups of rows, and the groups of these rows are "
                         "not known: give `groups`, or p-values take the rows of a group for "
                         "independent");
}

/* Rows that have all views and that the model was not fitted to; all, if none is left. */
static mucmm_status find_rows(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                              const mucmm_data *const *data, const int64_t *groups, mucmm_relate *r,
                              int64_t *rows)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_data_rows(data[0]), complete = 0;
    uint32_t all = ((uint32_t)1 << r->model->n_views) - 1;
    mucmm_row_kind *kinds = NULL;
    mucmm_recognition how;

    TRY(mucmm__alloc(ctx, n, sizeof *kinds, &kinds));
    TRY(mucmm_model_recognize(ctx, r->model, views, n_views, kinds, &how));
    count_groups_as_fitted(ctx, r->model, groups, n, kinds);
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

/* The groups of the rows, which become those that are exchanged, in that order. */
static mucmm_status find_groups(mucmm_ctx *ctx, const int64_t *groups, uint64_t seed,
                                mucmm_relate *r, int64_t *rows, mucmm__exchange **e)
{
    mucmm_status status = MUCMM_OK;
    int64_t *group = NULL, *order = NULL;
    char note[MUCMM__EXCHANGE_NOTE];

    TRY(mucmm__groups_of(ctx, groups, rows, r->rows, &group));
    TRY(mucmm__exchange_create(ctx, group, r->rows, mucmm__rng_key(seed, STREAM_PLACES), e));
    if (!*e)
        goto done;
    r->groups = (*e)->groups;
    if (!mucmm__exchange_enough(*e) && !r->in_sample)
        mucmm__warn(ctx, "%s", mucmm__exchange_note(*e, note));
    r->rows = (*e)->n;
    TRY(mucmm__alloc(ctx, r->rows, sizeof *order, &order));
    for (int64_t i = 0; i < r->rows; i++)
        order[i] = rows[(*e)->row[i]];
    memcpy(rows, order, (size_t)r->rows * sizeof *rows);
done:
    mucmm__free(group);
    mucmm__free(order);
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

/* rest [n, width] of y, without what the model's covariates still hold of these rows; NULL where it
 * has none. */
static mucmm_status find_rest(mucmm_ctx *ctx, relating *of, const mucmm_data *data,
                              const int64_t *rows, int64_t n, int64_t width, const float *y,
                              float **rest)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block b = {NULL, n, width}, *blocks[] = {&b};

    *rest = NULL;
    if (!of->m->adjust)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n * width, sizeof *b.data, &b.data));
    TRY(mucmm__alloc(ctx, n * width, sizeof **rest, rest));
    mucmm__to_double(y, n * width, b.data);
    TRY(mucmm__covariates_out(ctx, of->m->adjust, mucmm_data_covariates(data), rows, n, false,
                              blocks, 1, &of->lost));
    for (int64_t i = 0; i < n * width; i++)
        (*rest)[i] = (float)b.data[i];
done:
    mucmm__free(b.data);
    return status;
}

/* The relations of y [n, width], components of one view. */
static mucmm_status relate_part(mucmm_ctx *ctx, relating *of, const mucmm_data *data,
                                const int64_t *rows, const float *y, int64_t width,
                                mucmm_relation like, mucmm_relate *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_relation *list = r->list + r->n;
    int64_t n = width * mucmm_table_columns(of->t);
    float *rest = NULL;

    if (n == 0)
        return MUCMM_OK;
    TRY(find_rest(ctx, of, data, rows, r->rows, width, y, &rest));
    relate_all(of, y, rest, width, like, list);
    if (of->e && mucmm__exchange_enough(of->e) && !r->in_sample)
        TRY(exchange_groups(ctx, of, y, rest, width, list));
    else if (of->e || r->in_sample) /* rows that the components were made for have no p-values */
        for (int64_t i = 0; i < n; i++)
            list[i].p_value = NAN;
    r->n += n;
done:
    mucmm__free(rest);
    return status;
}

static mucmm_status relate_views(mucmm_ctx *ctx, const mucmm_data *const *data, const int64_t *rows,
                                 const mucmm__solution *rep, relating *of, const int64_t *groups,
                                 mucmm_relate *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model *m = r->model;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};
    int64_t *group = NULL;

    TRY(relating_init(ctx, of));
    TRY(mucmm__groups_of(ctx, groups, rows, r->rows, &group));
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(mucmm__alloc(ctx, r->rows * m->k, sizeof **c, &c[v]));
        TRY(mucmm__alloc(ctx, r->rows * m->view[v].q, sizeof **u, &u[v]));
        TRY(mucmm__represent(ctx, m, rep, v, data[v], rows, r->rows, c[v], u[v]));
        TRY(relate_part(ctx, of, data[0], rows, c[v], m->k, (mucmm_relation){.view = v}, r));
    }
    for (int32_t v = 0; v < m->n_views; v++)
        TRY(relate_part(ctx, of, data[0], rows, u[v], m->view[v].q,
                        (mucmm_relation){.view = v, .individual = 1}, r));
    TRY(mucmm__relate_probes(ctx, m, of->t, group, c, u, of->seed, r->columns));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(c[v]);
        mucmm__free(u[v]);
    }
    mucmm__free(group);
    return status;
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
    mucmm__exchange *e = NULL;
    relating of = {.m = m};
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
    TRY(find_rows(ctx, views, n_views, data, p.groups, r, rows));
    TRY(find_groups(ctx, p.groups, p.seed, r, rows, &e));
    TRY(mucmm__table_subset(ctx, t, rows, r->rows, &known));
    of.t = known;
    of.e = e;
    of.seed = p.seed;
    TRY(relate_views(ctx, data, rows, mucmm__model_solution(m, p.representation), &of, p.groups,
                     r));
    TRY(find_rates(ctx, r));
    find_parts(r);
    *out = r;
    r = NULL;
done:
    mucmm_relate_free(r);
    mucmm_table_free(known);
    mucmm__exchange_free(e);
    relating_drop(&of);
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

int64_t mucmm_relate_groups(const mucmm_relate *r)
{
    return r->groups;
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

/* One row of each group: rows of one testify to the same. kept [n]: places in rows, *out of them.
 */
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
        if (i == 0 || group[order[i]] != group[order[i - 1]])
            kept[(*out)++] = order[i];
done:
    mucmm__free(group);
    mucmm__free(order);
    return status;
}

/* Which of the rows count, by place: one of each group, or all. */
static mucmm_status warned_places(mucmm_ctx *ctx, const int64_t *groups, const int64_t *rows,
                                  int64_t n, int64_t *place, int64_t *out)
{
    if (groups)
        return one_of_each(ctx, groups, rows, n, place, out);
    for (int64_t i = 0; i < n; i++)
        place[i] = i;
    *out = n;
    return MUCMM_OK;
}

mucmm_status mucmm__relate_warn(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                                const int64_t *groups, const int64_t *rows, int64_t n,
                                float *const *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_table *all = mucmm_data_covariates(data[0]);
    relating of = {.m = m};
    mucmm_table *t = NULL;
    mucmm_relation *list = NULL;
    float *kept = NULL;
    int64_t columns, count, tests = 0, *place = NULL, *number = NULL;

    if (!all || !ctx->log)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof *place, &place));
    TRY(mucmm__alloc(ctx, n, sizeof *number, &number));
    TRY(warned_places(ctx, groups, rows, n, place, &count));
    for (int64_t i = 0; i < count; i++)
        number[i] = rows[place[i]];
    columns = mucmm_table_columns(all);
    TRY(mucmm__table_subset(ctx, all, number, count, &t));
    TRY(mucmm__alloc(ctx, m->n_views * m->k * columns, sizeof *list, &list));
    TRY(mucmm__alloc(ctx, count * m->k, sizeof *kept, &kept));
    of.t = t;
    TRY(relating_init(ctx, &of));
    for (int32_t v = 0; v < m->n_views; v++) {
        for (int64_t i = 0; i < count; i++)
            memcpy(kept + i * m->k, c[v] + place[i] * m->k, (size_t)m->k * sizeof *kept);
        relate_all(&of, kept, NULL, m->k, (mucmm_relation){.view = v}, list + tests);
        tests += m->k * columns;
    }
    warn_of(ctx, m, t, list, tests);
done:
    relating_drop(&of);
    mucmm_table_free(t);
    mucmm__free(list);
    mucmm__free(kept);
    mucmm__free(place);
    mucmm__free(number);
    return status;
}
