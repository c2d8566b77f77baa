/* SPDX-License-Identifier: MIT
 *
 * Loadings as correlations (structure coefficients): from the covariances and deviations that the
 * model holds of its training rows, or from rows that are given. */
#include "model/loadings_table.h"

#include "model/loadings.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fewer rows correlate perfectly. */
#define LEAST_ROWS 3

void mucmm_loadings_params_init_sized(mucmm_loadings_params *p, size_t size)
{
    const mucmm_loadings_params defaults = {.representation = MUCMM_REPRESENTATIONS_ALL};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

void mucmm_loadings_free(mucmm_loadings *l)
{
    if (!l)
        return;
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        for (int64_t j = 0; l->names[v] && j < l->model->view[v].p; j++)
            mucmm__free(l->names[v][j]);
        mucmm__free(l->names[v]);
    }
    mucmm__free(l->list);
    mucmm_model_free(l->model);
    mucmm__free(l);
}

const mucmm_loading *mucmm_loadings_list(const mucmm_loadings *l, int64_t *n)
{
    *n = l->n;
    return l->list;
}

const char *mucmm_loadings_column(const mucmm_loadings *l, int32_t view, int64_t column)
{
    const char *name = mucmm_model_view_column(l->model, view, column);

    if (name || view < 0 || view >= l->model->n_views || !l->names[view] || column < 0 ||
        column >= l->model->view[view].p)
        return name;
    return l->names[view][column]; /* the model knows none */
}

/* ---- a view of a representation ---------------------------------------------------- */

/* What its list is made of. */
typedef struct table {
    const mucmm_model *m;
    const mucmm__solution *r;
    mucmm_representation representation;
    int32_t view;
    int64_t p, k, q;
    float *found;      /* [p, k + q] covariances of rows that were given, or NULL */
    const float *cov;  /* [p, k + q] */
    double *deviation; /* [p + k + q] */
    double *weight;    /* [p, k + q] of the columns as they are read; NaN: there is none */
    double *loading;   /* [p, k + q] */
} table;

static void table_drop(table *t)
{
    mucmm__free(t->found);
    mucmm__free(t->deviation);
    mucmm__free(t->weight);
    mucmm__free(t->loading);
}

static bool one_matrix(const mucmm__mlp *net)
{
    return net->n_layers == 0 ? net->skip >= 0 : net->n_layers == 1 && net->skip < 0;
}

/* w[column] of output j of a head that is one matrix. */
static double matrix_weight(const mucmm__head *head, int64_t j, int64_t column)
{
    int64_t at = head->net.skip < 0 ? head->net.layers[0].weight : head->net.skip;

    return (double)head->params[at + j * head->net.in + column];
}

/* u = individual(h) + mix c */
static void fill_weights(const table *t)
{
    const mucmm__view_heads *v = &t->r->view[t->view];
    bool common = v->n_later == 0 && one_matrix(&v->common.net);
    bool individual =
        t->q > 0 && !v->transport.out && one_matrix(&v->individual.net) && (common || !v->mix);

    for (int64_t a = 0; a < t->p; a++) {
        double *w = t->weight + a * (t->k + t->q), scale = t->m->view[t->view].scale[a];
        for (int64_t j = 0; j < t->k; j++)
            w[j] = common ? matrix_weight(&v->common, j, a) / scale : NAN;
        for (int64_t j = 0; j < t->q; j++) {
            w[t->k + j] = individual ? matrix_weight(&v->individual, j, a) / scale : NAN;
            for (int64_t l = 0; individual && v->mix && l < t->k; l++)
                w[t->k + j] += (double)v->mix[j * t->k + l] * w[l];
        }
    }
}

static void fill_loadings(const table *t)
{
    int64_t w = t->k + t->q;

    for (int64_t i = 0; i < t->p * w; i++) {
        double size = t->deviation[i / w] * t->deviation[t->p + i % w];
        t->loading[i] = size > 0 ? fmin(fmax((double)t->cov[i] / size, -1), 1) : NAN;
    }
}

/* From the rows that have the view. */
static mucmm_status find(mucmm_ctx *ctx, const mucmm_data *data, int64_t *rows, int64_t *n,
                         table *t)
{
    mucmm_status status = MUCMM_OK;

    *n = 0;
    for (int64_t i = 0; i < mucmm_data_rows(data); i++)
        if (mucmm_data_has(data, i))
            rows[(*n)++] = i;
    if (*n < LEAST_ROWS)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "view '%s' has %" PRId64 " rows; correlations need at least %d",
                           t->m->view[t->view].name, *n, LEAST_ROWS);
    TRY(mucmm__alloc(ctx, t->p, (size_t)(t->k + t->q) * sizeof(float), &t->found));
    TRY(mucmm__loadings(ctx, t->m, t->r, t->view, data, rows, *n, NULL, NULL, t->found,
                        t->deviation));
    t->cov = t->found;
done:
    return status;
}

/* Covariances and deviations of the training rows, or of those given. */
static mucmm_status take(mucmm_ctx *ctx, const mucmm_data *data, int64_t *n, table *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = t->k + t->q, *rows = NULL;

    TRY(mucmm__alloc(ctx, t->p + w, sizeof(double), &t->deviation));
    TRY(mucmm__alloc(ctx, t->p, (size_t)w * sizeof(double), &t->weight));
    TRY(mucmm__alloc(ctx, t->p, (size_t)w * sizeof(double), &t->loading));
    if (data) {
        TRY(mucmm__alloc(ctx, mucmm_data_rows(data), sizeof *rows, &rows));
        TRY(find(ctx, data, rows, n, t));
    } else {
        t->cov = t->r->loadings[t->view];
        memcpy(t->deviation, t->r->deviations[t->view], (size_t)(t->p + w) * sizeof(double));
        *n = t->r->summary[MUCMM_ROWS_TRAIN]->rows;
    }
    fill_weights(t);
    fill_loadings(t);
done:
    mucmm__free(rows);
    return status;
}

/* ---- the list ---------------------------------------------------------------------- */

/* Columns with the sizes they are sorted by. */
typedef struct place {
    double size;
    int64_t column;
} place;

static int larger_first(const void *a, const void *b)
{
    const place *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

/* What the fit's bootstrap, or its starts, say of a component of c. */
static void add_stability(const table *t, bool given, mucmm_loading *to)
{
    /* heads that are the closed form have its components */
    const mucmm__solution *linear = &t->m->linear, *r = t->m->start < 0 ? linear : t->r;
    const mucmm_stability *s = r->stability;
    const float *ends = r == linear ? linear->loading_ends[t->view] : NULL;
    int64_t at = to->column * t->k + to->component;

    if (s)
        to->comes_back = s->comes_back[to->component];
    if (given || !ends || isnan(to->loading))
        return;
    to->low = (double)ends[at];
    to->high = (double)ends[t->p * t->k + at];
}

/* The columns of variate j, the leading ones first. */
static void add_variate(const table *t, int64_t j, int64_t top, place *order, mucmm_loadings *l)
{
    int64_t w = t->k + t->q;

    for (int64_t a = 0; a < t->p; a++) {
        double x = fabs(t->loading[a * w + j]);
        order[a] = (place){isnan(x) ? -1 : x, a};
    }
    qsort(order, (size_t)t->p, sizeof *order, larger_first);
    for (int64_t i = 0; i < top; i++) {
        int64_t at = order[i].column * w + j;
        mucmm_loading *to = &l->list[l->n++];
        *to = (mucmm_loading){.representation = t->representation,
                              .view = t->view,
                              .individual = j >= t->k,
                              .component = j < t->k ? j : j - t->k,
                              .column = order[i].column,
                              .weight = t->weight[at],
                              .loading = t->loading[at],
                              .low = NAN,
                              .high = NAN,
                              .comes_back = -1};
        if (j < t->k)
            add_stability(t, l->given, to);
    }
}

static mucmm_status add_view(mucmm_ctx *ctx, mucmm_representation representation, int32_t view,
                             const mucmm_data *data, int64_t top, mucmm_loadings *l)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &l->model->view[view];
    table t = {.m = l->model,
               .r = mucmm__model_solution(l->model, representation),
               .representation = l->model->heads.rho ? representation : MUCMM_LINEAR,
               .view = view,
               .p = v->p,
               .k = l->model->k,
               .q = v->q};
    place *order = NULL;
    int64_t n, each = top > 0 && top < v->p ? top : v->p, more = each * (t.k + t.q);

    TRY(take(ctx, data, &n, &t));
    if (l->rows == 0)
        l->rows = n;
    TRY(mucmm__alloc(ctx, t.p, sizeof *order, &order));
    TRY(mucmm__realloc(ctx, l->n, l->n + more, sizeof *l->list, &l->list));
    for (int64_t j = 0; j < t.k + t.q; j++)
        add_variate(&t, j, each, order, l);
done:
    mucmm__free(order);
    table_drop(&t);
    return status;
}

static mucmm_status copy_names(mucmm_ctx *ctx, int32_t view, const mucmm_data *data,
                               mucmm_loadings *l)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = l->model->view[view].p;

    TRY(mucmm__alloc(ctx, p, sizeof **l->names, &l->names[view]));
    for (int64_t j = 0; j < p; j++)
        if (mucmm_data_column(data, j))
            TRY(mucmm__strdup(ctx, mucmm_data_column(data, j), &l->names[view][j]));
done:
    return status;
}

static mucmm_status check(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_loadings_params *p,
                          bool given)
{
    if (p->representation < MUCMM_REPRESENTATIONS_ALL || p->representation > MUCMM_LINEAR)
        return mucmm__fail(ctx, MUCMM_EARG, "`representation` is %d; it must be heads or linear",
                           p->representation);
    if (p->top < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "`top` is %" PRId64 "; it must be at least 0", p->top);
    for (int32_t v = 0; v < m->n_views && !given; v++)
        if (!m->linear.deviations[v] || (m->heads.rho && !m->heads.deviations[v]))
            return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                               "the model is of an earlier version and holds no correlations of "
                               "its training rows; give rows (`view`)");
    return MUCMM_OK;
}

mucmm_status mucmm_loadings_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                   int32_t n_views, const mucmm_loadings_params *params,
                                   mucmm_loadings **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS] = {0};
    mucmm_loadings_params p;
    mucmm_loadings *l = NULL;

    *out = NULL;
    mucmm_loadings_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_loadings_params", params, &p, sizeof p));
    TRY(check(ctx, m, &p, views != NULL));
    if (views)
        TRY(mucmm__match_given(ctx, m, views, n_views, data));
    TRY(mucmm__alloc(ctx, 1, sizeof *l, &l));
    l->model = mucmm__model_keep(m);
    l->given = views != NULL;
    l->top = p.top;
    for (int32_t v = 0; v < m->n_views; v++)
        if (data[v])
            TRY(copy_names(ctx, v, data[v], l));
    for (int r = MUCMM_HEADS; r <= MUCMM_LINEAR; r++) {
        if ((p.representation >= 0 && p.representation != r) ||
            (p.representation < 0 && r == MUCMM_HEADS && !m->heads.rho))
            continue;
        for (int32_t v = 0; v < m->n_views; v++)
            if (!views || data[v])
                TRY(add_view(ctx, (mucmm_representation)r, v, data[v], p.top, l));
    }
    *out = l;
    l = NULL;
done:
    mucmm_loadings_free(l);
    return status;
}
