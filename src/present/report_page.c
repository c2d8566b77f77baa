/* SPDX-License-Identifier: MIT
 *
 * Lines, tables and charts of a model's report, from numbers. */
#include "present/report_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *mucmm__page_label(const mucmm__page *p, int64_t row, char out[PAGE_LABEL])
{
    return mucmm_views_label(p->views, row, p->params->label, out, PAGE_LABEL);
}

const char *mucmm__page_in_sample(const mucmm__page *p, int64_t row)
{
    return mucmm_scores_row(p->scores, row) == MUCMM_ROW_FITTED ? ", in-sample" : "";
}

bool mucmm__page_cross_fitted(const mucmm__page *p)
{
    return p->held_out && mucmm_model_cross_fit(p->m);
}

bool mucmm__page_nothing_found(const mucmm_summary *s)
{
    return s->components > 0 && isfinite(s->p_values[0]) && s->significant == 0;
}

int64_t mucmm__page_harmonics(const mucmm_summary *s)
{
    int64_t n = 0;

    for (int64_t j = 0; j < s->components; j++)
        n += s->harmonic[j] >= MUCMM_HARMONIC_R2 && s->p_values[j] <= MUCMM_SIGNIFICANT;
    return n;
}

/* ---- texts ------------------------------------------------------------------------- */

static mucmm_status format_text(mucmm_ctx *ctx, const char *format, va_list args, char **out)
{
    va_list again;
    mucmm_status status;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    *out = NULL;
    status = mucmm__alloc(ctx, n + 1, 1, out);
    if (status == MUCMM_OK)
        vsnprintf(*out, (size_t)n + 1, format, args);
    return status;
}

mucmm_status mucmm__page_say(const mucmm__page *p, const char *format, ...)
{
    mucmm_status status;
    char *text;
    va_list args;

    va_start(args, format);
    status = format_text(p->ctx, format, args, &text);
    va_end(args);
    if (status == MUCMM_OK)
        status = mucmm_report_text(p->ctx, p->r, text);
    mucmm__free(text);
    return status;
}

/* ---- tables ------------------------------------------------------------------------ */

void mucmm__page_cell(const mucmm__page *p, mucmm__page_cells *c, const char *format, ...)
{
    mucmm_status status = c->status;
    va_list args;

    TRY(status);
    if (c->n == c->capacity) {
        int64_t capacity = 2 * c->capacity + 64;
        TRY(mucmm__realloc(p->ctx, c->n, capacity, sizeof *c->cell, &c->cell));
        c->capacity = capacity;
    }
    va_start(args, format);
    status = format_text(p->ctx, format, args, &c->cell[c->n]);
    va_end(args);
    c->n += status == MUCMM_OK;
done:
    c->status = status;
}

void mucmm__page_cells_cut(mucmm__page_cells *c, int64_t from)
{
    for (int64_t i = from; i < c->n; i++)
        mucmm__free(c->cell[i]);
    c->n = c->n < from ? c->n : from;
}

mucmm_status mucmm__page_table(const mucmm__page *p, const char *caption, const char *const *head,
                               int64_t cols, mucmm__page_cells *c)
{
    mucmm_status status = c->status;

    if (status == MUCMM_OK)
        status = mucmm_report_table(p->ctx, p->r, caption, head, (const char *const *)c->cell,
                                    c->n / cols, cols);
    mucmm__page_cells_cut(c, 0);
    mucmm__free(c->cell);
    *c = (mucmm__page_cells){0};
    return status;
}

/* ---- charts ------------------------------------------------------------------------ */

mucmm_status mucmm__page_chart(const mucmm__page *p, const char *title, const char *caption,
                               const char *template, const mucmm__json_build *b, json_t *values)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build build = *b;
    json_t *spec = NULL, *data;
    char *text = NULL;

    TRY(mucmm__json_done(p->ctx, &build, values));
    if (json_array_size(values) == 0)
        goto done;
    TRY(mucmm__json_parse(p->ctx, template, strlen(template), NULL, &spec));
    data = json_object();
    mucmm__json_set(&build, data, "values", json_incref(values));
    mucmm__json_set(&build, spec, "data", data);
    TRY(mucmm__json_done(p->ctx, &build, spec));
    TRY(mucmm__json_dump(p->ctx, spec, JSON_COMPACT | JSON_REAL_PRECISION(9), &text));
    TRY(mucmm_report_chart(p->ctx, p->r, title, caption, text));
done:
    mucmm__free(text);
    json_decref(spec);
    json_decref(values);
    return status;
}
