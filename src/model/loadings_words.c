/* SPDX-License-Identifier: MIT
 *
 * Loadings as text, csv and JSON. */
#include "core/json.h"
#include "core/text.h"
#include "model/loadings_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* The text shows so many columns of so many variates of a part. */
enum { SHOWN_COLUMNS = 10, SHOWN_VARIATES = 4 };

static const char *part_word(const mucmm_loading *a)
{
    return a->individual ? "individual" : "common";
}

static const char *representation_word(const mucmm_loading *a)
{
    return a->representation == MUCMM_HEADS ? "heads" : "linear";
}

/* The column's name, or its number. */
static const char *column_word(const mucmm_loadings *l, const mucmm_loading *a, char number[32])
{
    const char *name = mucmm_loadings_column(l, a->view, a->column);

    snprintf(number, 32, "%" PRId64, a->column);
    return name ? name : number;
}

/* ---- csv --------------------------------------------------------------------------- */

static void put_number(mucmm__text *t, double x)
{
    mucmm__text_add(t, ",", 1);
    mucmm__text_double(t, x);
}

mucmm_status mucmm_loadings_csv(mucmm_ctx *ctx, const mucmm_loadings *l, char **out)
{
    mucmm__text t = {.ctx = ctx};
    char number[32];

    *out = NULL;
    mucmm__text_format(&t, "view,part,representation,component,column,weight,loading,low,high,"
                           "comes_back\n");
    for (int64_t i = 0; i < l->n; i++) {
        const mucmm_loading *a = &l->list[i];
        mucmm__text_cell(&t, l->model->view[a->view].name);
        mucmm__text_format(&t, ",%s,%s,%" PRId64 ",", part_word(a), representation_word(a),
                           a->component);
        mucmm__text_cell(&t, column_word(l, a, number));
        put_number(&t, a->weight);
        put_number(&t, a->loading);
        put_number(&t, a->low);
        put_number(&t, a->high);
        mucmm__text_format(&t, ",%s\n", a->comes_back < 0 ? "" : a->comes_back ? "yes" : "no");
    }
    return mucmm__text_done(&t, out);
}

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *loading_json(mucmm__json_build *b, const mucmm_loadings *l, const mucmm_loading *a)
{
    const char *name = mucmm_loadings_column(l, a->view, a->column);
    json_t *o = json_object();

    mucmm__json_set(b, o, "view", mucmm__json_string(l->model->view[a->view].name));
    mucmm__json_set(b, o, "part", mucmm__json_string(part_word(a)));
    mucmm__json_set(b, o, "representation", mucmm__json_string(representation_word(a)));
    mucmm__json_set(b, o, "component", json_integer(a->component));
    mucmm__json_set(b, o, "column", json_integer(a->column));
    mucmm__json_set(b, o, "name", mucmm__json_string(name));
    mucmm__json_set(b, o, "weight", mucmm__json_real(a->weight));
    mucmm__json_set(b, o, "loading", mucmm__json_real(a->loading));
    mucmm__json_set(b, o, "low", mucmm__json_real(a->low));
    mucmm__json_set(b, o, "high", mucmm__json_real(a->high));
    mucmm__json_set(b, o, "comes_back",
                    a->comes_back < 0 ? json_null() : json_boolean(a->comes_back));
    return o;
}

mucmm_status mucmm_loadings_json(mucmm_ctx *ctx, const mucmm_loadings *l, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {0};
    json_t *root = json_object(), *list = json_array();

    *out = NULL;
    for (int64_t i = 0; i < l->n; i++)
        mucmm__json_add(&b, list, loading_json(&b, l, &l->list[i]));
    mucmm__json_set(&b, root, "rows", mucmm__json_string(l->given ? "given" : "training"));
    mucmm__json_set(&b, root, "n", json_integer(l->rows));
    mucmm__json_set(&b, root, "interval", json_real(0.95));
    mucmm__json_set(&b, root, "loadings", list);
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out));
done:
    json_decref(root);
    return status;
}

/* ---- text -------------------------------------------------------------------------- */

static bool same_variate(const mucmm_loading *a, const mucmm_loading *b)
{
    return a->representation == b->representation && a->view == b->view &&
           a->individual == b->individual && a->component == b->component;
}

static void put_variate(mucmm__text *t, const mucmm_loadings *l, const mucmm_loading *a)
{
    mucmm__text_format(t, "\n%s component %" PRId64 " of ", part_word(a), a->component);
    mucmm__text_format(t, "%.64s%s%s\n", l->model->view[a->view].name,
                       a->representation == MUCMM_HEADS ? ", trained heads" : ", closed form",
                       a->comes_back == 0 ? "; does not come back in the bootstrap" : "");
}

static void put_line(mucmm__text *t, const mucmm_loadings *l, const mucmm_loading *a)
{
    char number[32], word[32], printable[64];

    snprintf(number, sizeof number, "column %" PRId64, a->column);
    mucmm_text_printable(mucmm_loadings_column(l, a->view, a->column) ? column_word(l, a, word)
                                                                      : number,
                         printable, sizeof printable);
    mucmm__text_format(t, "  %-40s ", printable);
    if (isnan(a->loading))
        mucmm__text_format(t, "%8s", "-");
    else
        mucmm__text_format(t, "%8.3f", a->loading);
    if (!isnan(a->low))
        mucmm__text_format(t, "   (%6.3f to %6.3f)", a->low, a->high);
    mucmm__text_add(t, "\n", 1);
}

mucmm_status mucmm_loadings_text(mucmm_ctx *ctx, const mucmm_loadings *l, char **out)
{
    mucmm__text t = {.ctx = ctx};
    int64_t nth = 0;
    bool less = false;

    *out = NULL;
    mucmm__text_format(&t, "correlations of columns with variates on %" PRId64 " %s rows%s\n",
                       l->rows, l->given ? "given" : "training",
                       l->model->linear.loading_ends[0] && !l->given ? " (95 % bootstrap interval)"
                                                                     : "");
    for (int64_t i = 0; i < l->n; i++) {
        const mucmm_loading *a = &l->list[i];
        nth = i > 0 && same_variate(a, a - 1) ? nth + 1 : 0;
        if (a->component >= SHOWN_VARIATES || nth >= SHOWN_COLUMNS) {
            less = true;
            continue;
        }
        if (nth == 0)
            put_variate(&t, l, a);
        put_line(&t, l, a);
    }
    if (less)
        mucmm__text_format(&t, "\nthe largest of some components; a csv file or JSON has all\n");
    return mucmm__text_done(&t, out);
}
