/* SPDX-License-Identifier: MIT
 *
 * What is known of rows against the components, as text, csv and JSON. */
#include "core/json.h"
#include "core/text.h"
#include "io/table.h"
#include "model/relate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Relations that the text lists, at most. */
enum { MOST_LISTED = 20 };
#define LEVEL 0.05

static const char *measure(const mucmm_relate *r, int64_t column)
{
    return mucmm_table_numbers(r->table, column) ? "correlation" : "eta squared";
}

const char *mucmm_related_text(const mucmm_relate *r, int64_t column, char *out, size_t size)
{
    const mucmm_related *c;
    size_t used = 0;

    snprintf(out, size, "%s", "");
    if (column < 0 || column >= r->n_columns || size == 0)
        return out;
    c = &r->columns[column];
    if (c->in_common)
        used = (size_t)snprintf(out, size, "common");
    for (int32_t v = 0; v < r->model->n_views && used < size; v++)
        if (c->in_individual >> v & 1)
            used += (size_t)snprintf(out + used, size - used, "%sindividual of %s",
                                     used > 0 ? ", " : "", r->model->view[v].name);
    if (used == 0)
        used =
            (size_t)snprintf(out, size, "%s", r->in_sample ? "not tested" : "none beyond chance");
    if (c->adjusted && used < size)
        snprintf(out + used, size - used, " (adjusted for)");
    return out;
}

/* ---- text -------------------------------------------------------------------------- */

/* A number of four digits, or - for none, in a cell of nine. */
static void put_cell(mucmm__text *t, double x)
{
    if (isnan(x))
        mucmm__text_format(t, "%9s", "-");
    else
        mucmm__text_format(t, "%9.3f", x);
}

static void put_name(mucmm__text *t, const char *name)
{
    char quoted[MUCMM__QUOTE], printable[4 * MUCMM__QUOTE];

    mucmm_text_printable(mucmm__quote(quoted, name), printable, sizeof printable);
    mucmm__text_add(t, printable, strlen(printable));
    for (size_t n = strlen(printable); n < 20; n++)
        mucmm__text_add(t, " ", 1);
}

/* Low and high of an accuracy, in the width of put_cell. */
static void put_interval(mucmm__text *t, const mucmm_related *c, double rate)
{
    double low, high;

    mucmm_rate_interval(rate, c->rows, &low, &high);
    if (isnan(low))
        mucmm__text_format(t, "%9s", "");
    else
        mucmm__text_format(t, " %3.0f-%3.0f%%", 100 * low, 100 * high);
}

/* Under the accuracies of categories, where any is known. */
static void put_intervals(mucmm__text *t, const mucmm_relate *r, const mucmm_related *c)
{
    bool any = !isnan(c->common);

    for (int32_t v = 0; v < r->model->n_views; v++)
        any |= !isnan(c->individual[v]);
    if (c->levels == 0 || !any)
        return;
    mucmm__text_format(t, "  95 %% intervals%27s", "");
    put_interval(t, c, c->common);
    for (int32_t v = 0; v < r->model->n_views; v++) {
        mucmm__text_format(t, "%*s", (int)strlen(r->model->view[v].name), "");
        put_interval(t, c, c->individual[v]);
    }
    mucmm__text_add(t, "\n", 1);
}

static void put_columns(mucmm__text *t, const mucmm_relate *r)
{
    char where[MUCMM_MAX_VIEWS * 80];

    mucmm__text_format(t, "read from (R2, or accuracy)   rows   chance   common");
    for (int32_t v = 0; v < r->model->n_views; v++)
        mucmm__text_format(t, "  own of %.64s", r->model->view[v].name);
    mucmm__text_format(t, "   in\n");
    for (int64_t j = 0; j < r->n_columns; j++) {
        const mucmm_related *c = &r->columns[j];
        put_name(t, c->name);
        mucmm__text_format(t, "%14" PRId64, c->rows);
        put_cell(t, c->levels > 0 ? c->chance : NAN);
        put_cell(t, c->common);
        for (int32_t v = 0; v < r->model->n_views; v++) {
            for (size_t n = strlen(r->model->view[v].name); n > 0; n--)
                mucmm__text_add(t, " ", 1);
            put_cell(t, c->individual[v]);
        }
        mucmm_related_text(r, j, where, sizeof where);
        mucmm__text_add(t, "   ", 3);
        mucmm__text_add(t, where, strlen(where));
        mucmm__text_add(t, "\n", 1);
        put_intervals(t, r, c);
    }
}

static int by_rate(const void *a, const void *b)
{
    const mucmm_relation *x = *(const mucmm_relation *const *)a;
    const mucmm_relation *y = *(const mucmm_relation *const *)b;
    double p = isnan(x->p_value) ? 2 : x->p_value, q = isnan(y->p_value) ? 2 : y->p_value;

    if (p != q)
        return p < q ? -1 : 1;
    p = fabs(isnan(x->strength) ? 0 : x->strength);
    q = fabs(isnan(y->strength) ? 0 : y->strength);
    return (p < q) - (p > q);
}

static void put_relation(mucmm__text *t, const mucmm_relate *r, const mucmm_relation *a)
{
    char text[MUCMM_P_TEXT];

    mucmm__text_format(t, "%s %" PRId64 " of %.64s", a->individual ? "individual" : "common",
                       a->component, r->model->view[a->view].name);
    mucmm__text_format(t, "%*s", (int)(24 - strlen(r->model->view[a->view].name) % 24), "");
    put_name(t, r->columns[a->column].name);
    mucmm__text_format(t, "%12s", measure(r, a->column));
    put_cell(t, a->strength);
    if (!isnan(a->p_value)) {
        mucmm__text_format(t, "   p %-9s", mucmm_p_text(a->p_value, 0, text));
        mucmm__text_format(t, " rate %s", mucmm_p_text(a->q_value, 0, text));
    }
    mucmm__text_add(t, "\n", 1);
}

static mucmm_status put_strongest(mucmm__text *t, const mucmm_relate *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_relation **order = NULL;
    int64_t listed = 0;

    TRY(mucmm__alloc(t->ctx, r->n, sizeof *order, &order));
    for (int64_t i = 0; i < r->n; i++)
        order[i] = &r->list[i];
    qsort(order, (size_t)r->n, sizeof *order, by_rate);
    while (listed < r->n && listed < MOST_LISTED &&
           (order[listed]->q_value <= LEVEL ||
            (r->in_sample && listed < MOST_LISTED / 2 && !isnan(order[listed]->strength))))
        put_relation(t, r, order[listed++]);
    if (listed == 0)
        mucmm__text_format(t, "no component is related to a column beyond chance\n");
done:
    mucmm__free(order);
    return status;
}

mucmm_status mucmm_relate_text(mucmm_ctx *ctx, const mucmm_relate *r, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__text t = {.ctx = ctx};

    *out = NULL;
    mucmm__text_format(&t, "%" PRId64 " rows, ", r->rows);
    if (r->groups > 0)
        mucmm__text_format(&t, "of %" PRId64 " groups that are exchanged as wholes, ", r->groups);
    mucmm__text_format(&t, "%" PRId64 " relations", r->n);
    mucmm__text_format(&t, "%s\n\n",
                       r->in_sample ? ", IN-SAMPLE: the model was fitted to all of these rows, and "
                                      "nothing is tested"
                                    : "; the model was not fitted to these rows");
    put_columns(&t, r);
    mucmm__text_format(&t, "\n%s (false discovery rate at most %.2g)\n\n",
                       r->in_sample ? "strongest relations" : "relations beyond chance", LEVEL);
    status = put_strongest(&t, r);
    if (status != MUCMM_OK)
        t.status = status;
    return mucmm__text_done(&t, out);
}

/* ---- csv and JSON ------------------------------------------------------------------ */

static void put_quoted(mucmm__text *t, const char *s)
{
    mucmm__text_add(t, "\"", 1);
    for (; *s; s++)
        mucmm__text_add(t, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    mucmm__text_add(t, "\"", 1);
}

/* With a point in any locale; empty for NaN. */
static void put_number(mucmm__text *t, double x)
{
    char s[64];

    mucmm__text_add(t, ",", 1);
    if (isnan(x))
        return;
    snprintf(s, sizeof s, "%.17g", x);
    for (char *p = s; *p; p++)
        *p = *p == ',' ? '.' : *p;
    mucmm__text_add(t, s, strlen(s));
}

mucmm_status mucmm_relate_csv(mucmm_ctx *ctx, const mucmm_relate *r, char **out)
{
    mucmm__text t = {.ctx = ctx};

    *out = NULL;
    mucmm__text_format(&t, "part,view,component,column,measure,rows,strength,p_value,rate\n");
    for (int64_t i = 0; i < r->n; i++) {
        const mucmm_relation *a = &r->list[i];
        mucmm__text_format(&t, "%s,%.64s,%" PRId64 ",", a->individual ? "individual" : "common",
                           r->model->view[a->view].name, a->component);
        put_quoted(&t, r->columns[a->column].name);
        mucmm__text_format(&t, ",%s,%" PRId64, measure(r, a->column), a->rows);
        put_number(&t, a->strength);
        put_number(&t, a->p_value);
        put_number(&t, a->q_value);
        mucmm__text_add(&t, "\n", 1);
    }
    return mucmm__text_done(&t, out);
}

/* [low, high] of an accuracy; null of what is none. */
static json_t *interval_json(mucmm__json_build *b, const mucmm_related *c, double rate)
{
    double ends[2];

    mucmm_rate_interval(c->levels > 0 ? rate : NAN, c->rows, &ends[0], &ends[1]);
    return isnan(ends[0]) ? json_null() : mucmm__json_numbers(b, ends, 2);
}

static json_t *column_json(mucmm__json_build *b, const mucmm_relate *r, int64_t j)
{
    const mucmm_related *c = &r->columns[j];
    json_t *o = json_object(), *own = json_object(), *in = json_array(), *ends = json_object();

    for (int32_t v = 0; v < r->model->n_views; v++) {
        mucmm__json_set(b, own, r->model->view[v].name, mucmm__json_real(c->individual[v]));
        mucmm__json_set(b, ends, r->model->view[v].name, interval_json(b, c, c->individual[v]));
        if (c->in_individual >> v & 1)
            mucmm__json_add(b, in, mucmm__json_string(r->model->view[v].name));
    }
    mucmm__json_set(b, o, "column", mucmm__json_string(c->name));
    mucmm__json_set(b, o, "rows", json_integer(c->rows));
    mucmm__json_set(b, o, "levels", json_integer(c->levels));
    mucmm__json_set(b, o, "chance", mucmm__json_real(c->levels > 0 ? c->chance : NAN));
    mucmm__json_set(b, o, "common", mucmm__json_real(c->common));
    mucmm__json_set(b, o, "individual", own);
    mucmm__json_set(b, o, "common_interval", interval_json(b, c, c->common));
    mucmm__json_set(b, o, "individual_intervals", ends);
    mucmm__json_set(b, o, "adjusted", json_boolean(c->adjusted));
    mucmm__json_set(b, o, "in_common", json_boolean(c->in_common));
    mucmm__json_set(b, o, "in_individual", in);
    return o;
}

static json_t *relation_json(mucmm__json_build *b, const mucmm_relate *r, const mucmm_relation *a)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "part", mucmm__json_string(a->individual ? "individual" : "common"));
    mucmm__json_set(b, o, "view", mucmm__json_string(r->model->view[a->view].name));
    mucmm__json_set(b, o, "component", json_integer(a->component));
    mucmm__json_set(b, o, "column", mucmm__json_string(r->columns[a->column].name));
    mucmm__json_set(b, o, "measure", mucmm__json_string(measure(r, a->column)));
    mucmm__json_set(b, o, "rows", json_integer(a->rows));
    mucmm__json_set(b, o, "strength", mucmm__json_real(a->strength));
    mucmm__json_set(b, o, "p_value", mucmm__json_real(a->p_value));
    mucmm__json_set(b, o, "rate", mucmm__json_real(a->q_value));
    return o;
}

mucmm_status mucmm_relate_json(mucmm_ctx *ctx, const mucmm_relate *r, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build build = {0}, *b = &build;
    json_t *o = json_object(), *columns = json_array(), *list = json_array();

    *out = NULL;
    for (int64_t j = 0; j < r->n_columns; j++)
        mucmm__json_add(b, columns, column_json(b, r, j));
    for (int64_t i = 0; i < r->n; i++)
        mucmm__json_add(b, list, relation_json(b, r, &r->list[i]));
    mucmm__json_set(b, o, "rows", json_integer(r->rows));
    if (r->groups > 0)
        mucmm__json_set(b, o, "groups", json_integer(r->groups));
    mucmm__json_set(b, o, "in_sample", json_boolean(r->in_sample));
    mucmm__json_set(b, o, "columns", columns);
    mucmm__json_set(b, o, "relations", list);
    TRY(mucmm__json_done(ctx, b, o));
    TRY(mucmm__json_dump(ctx, o, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out));
done:
    json_decref(o);
    return status;
}
