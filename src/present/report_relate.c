/* SPDX-License-Identifier: MIT
 *
 * What is known of the rows against what the model makes of them: the section of a report. */
#include "present/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void put_number(const mucmm__page *p, mucmm__page_cells *c, double x)
{
    if (isnan(x))
        mucmm__page_cell(p, c, "-");
    else
        mucmm__page_cell(p, c, "%.2f", x);
}

/* A rate with its interval. */
static void put_read(const mucmm__page *p, mucmm__page_cells *c, const mucmm_related *column,
                     double x)
{
    double low, high;

    mucmm_rate_interval(column->levels > 0 ? x : NAN, column->rows, &low, &high);
    if (isnan(low))
        put_number(p, c, x);
    else
        mucmm__page_cell(p, c, "%.2f (%.2f to %.2f)", x, low, high);
}

static mucmm_status add_columns(const mucmm__page *p, const mucmm_relate *r)
{
    const char *head[5 + MUCMM_MAX_VIEWS] = {"column", "rows", "chance", "read from common"};
    char own[MUCMM_MAX_VIEWS][96], where[MUCMM_MAX_VIEWS * 80];
    mucmm__page_cells cells = {0};
    int64_t n;
    const mucmm_related *columns = mucmm_relate_columns(r, &n);

    for (int32_t v = 0; v < p->n_views; v++) {
        snprintf(own[v], sizeof own[v], "from individual of %s", p->view[v].name);
        head[4 + v] = own[v];
    }
    head[4 + p->n_views] = "related to";
    for (int64_t j = 0; j < n; j++) {
        mucmm__page_cell(p, &cells, "%s", columns[j].name);
        mucmm__page_cell(p, &cells, "%" PRId64, columns[j].rows);
        put_number(p, &cells, columns[j].levels > 0 ? columns[j].chance : NAN);
        put_read(p, &cells, &columns[j], columns[j].common);
        for (int32_t v = 0; v < p->n_views; v++)
            put_read(p, &cells, &columns[j], columns[j].individual[v]);
        mucmm__page_cell(p, &cells, "%s", mucmm_related_text(r, j, where, sizeof where));
    }
    return mucmm__page_table(
        p,
        "How well a linear reader, cross-validated, reads each column from the "
        "parts: R2 of numbers, accuracy of categories with its 95 % interval "
        "(beside it what guessing the largest one gets right).",
        head, 5 + p->n_views, &cells);
}

static mucmm_status add_relations(const mucmm__page *p, const mucmm_relate *r)
{
    static const char *const head[] = {"component", "column", "strength", "p", "rate"};
    mucmm__page_cells cells = {0};
    int64_t n, columns;
    const mucmm_relation *list = mucmm_relate_list(r, &n);
    const mucmm_related *column = mucmm_relate_columns(r, &columns);
    char text[MUCMM_P_TEXT];

    for (int64_t i = 0; i < n; i++) {
        const mucmm_relation *a = &list[i];
        if (!(a->q_value <= 0.05))
            continue;
        mucmm__page_cell(p, &cells, "%s %" PRId64 " of %s", a->individual ? "individual" : "common",
                         a->component, p->view[a->view].name);
        mucmm__page_cell(p, &cells, "%s", column[a->column].name);
        mucmm__page_cell(p, &cells, "%s %.2f",
                         column[a->column].levels > 0 ? "eta squared" : "correlation", a->strength);
        mucmm__page_cell(p, &cells, "%s", mucmm_p_text(a->p_value, 0, text));
        mucmm__page_cell(p, &cells, "%s", mucmm_p_text(a->q_value, 0, text));
    }
    if (cells.n == 0 && cells.status == MUCMM_OK)
        return mucmm__page_say(p, "No component is related to a column beyond chance.");
    return mucmm__page_table(
        p,
        "Components that are related to a column beyond chance: false discovery "
        "rate (Benjamini and Hochberg) at most 0.05.",
        head, 5, &cells);
}

/* Rows of a group are no more independent of each other here than in the scores. */
static mucmm_status relate_page(const mucmm__page *p, mucmm_relate **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_score_params score;
    mucmm_relate_params params;

    mucmm_score_params_init(&score);
    TRY(mucmm__params_take(p->ctx, "mucmm_score_params", p->params->score, &score, sizeof score));
    mucmm_relate_params_init(&params);
    params.groups = score.groups;
    TRY(mucmm_relate_create(p->ctx, p->m, p->view, p->n_views,
                            mucmm_data_covariates(p->view[0].data), &params, out));
done:
    return status;
}

static mucmm_status say_rows(const mucmm__page *p, const mucmm_relate *r)
{
    if (mucmm_relate_in_sample(r))
        return mucmm__page_say(p,
                               "In-sample: the model was fitted to all of these %" PRId64
                               " rows, so nothing is tested.",
                               mucmm_relate_rows(r));
    if (mucmm_relate_groups(r) > 0)
        return mucmm__page_say(p,
                               "Of %" PRId64 " rows that the model was not fitted to, in %" PRId64
                               " groups that are exchanged as wholes.",
                               mucmm_relate_rows(r), mucmm_relate_groups(r));
    return mucmm__page_say(p, "Of %" PRId64 " rows that the model was not fitted to.",
                           mucmm_relate_rows(r));
}

mucmm_status mucmm__report_relate(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm_relate *r = NULL;

    TRY(relate_page(p, &r));
    TRY(say_rows(p, r));
    TRY(add_columns(p, r));
    if (!mucmm_relate_in_sample(r))
        TRY(add_relations(p, r));
done:
    mucmm_relate_free(r);
    return status;
}
