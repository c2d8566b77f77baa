/* SPDX-License-Identifier: MIT
 *
 * Tables of a model's report: leakage and completeness, partners found, carriers and stability of
 * components. */
#include "present/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Name, heads and, where the heads are trained, the yardstick. */
enum { NAME_COLS = 1, COLS = 3 };

static int64_t columns(const mucmm__page *p)
{
    return p->trained ? COLS : COLS - 1;
}

static mucmm_status show(const mucmm__page *p, const char *caption, const char *first,
                         mucmm__page_cells *c)
{
    const char *head[] = {first, p->trained ? "trained heads" : "closed form", "linear yardstick"};

    return mucmm__page_table(p, caption, head, columns(p), c);
}

/* ---- leakage ----------------------------------------------------------------------- */

/* Has view v individual variates? What is empty has no rows in a table. */
static bool has_individual(const mucmm__page *p, int32_t v)
{
    return mucmm_model_individual(p->m, v) > 0;
}

/* A dependence, its mean by chance and its p-value; what is not known is left out. */
static void tested_cell(const mucmm__page *p, mucmm__page_cells *c, double value, double chance,
                        double p_value, int64_t permutations)
{
    char text[MUCMM_P_TEXT];

    mucmm_p_text(p_value, permutations, text);
    if (!isfinite(value))
        mucmm__page_cell(p, c, "-");
    else if (isfinite(chance) && isfinite(p_value))
        mucmm__page_cell(p, c, "%.3f (chance %.3f, p %s)", value, chance, text);
    else if (isfinite(p_value))
        mucmm__page_cell(p, c, "%.3f (p %s)", value, text);
    else
        mucmm__page_cell(p, c, "%.3f", value);
}

/* Place i of a kind of dependence, from each summary. */
typedef enum dependence { DEPENDENCE_LINEAR, DEPENDENCE_KERNEL, DEPENDENCE_PAIR } dependence;

static void tested_cells(const mucmm__page *p, mucmm__page_cells *c, dependence kind, int64_t i)
{
    const mucmm_summary *of[] = {p->heads, p->linear};

    for (int64_t j = 0; j < columns(p) - NAME_COLS; j++) {
        const mucmm_summary *s = of[j];
        if (kind == DEPENDENCE_LINEAR)
            tested_cell(p, c, s->leakage_linear[i], s->leakage_linear_chance[i],
                        s->leakage_linear_p[i], s->leakage_permutations);
        else if (kind == DEPENDENCE_KERNEL) /* by chance 0, which needs no words */
            tested_cell(p, c, s->leakage_kernel[i], NAN, s->leakage_kernel_p[i],
                        s->leakage_permutations);
        else
            tested_cell(p, c, s->leakage_individual[i], s->leakage_individual_chance[i],
                        s->leakage_individual_p[i], s->leakage_permutations);
    }
}

static void completeness_cells(const mucmm__page *p, mucmm__page_cells *c, int32_t v, int figure)
{
    const mucmm_summary *of[] = {p->heads, p->linear};

    for (int64_t j = 0; j < columns(p) - NAME_COLS; j++) {
        double value = figure == 0   ? of[j]->completeness_linear[v]
                       : figure == 1 ? of[j]->completeness_nonlinear[v]
                                     : of[j]->effective_rank[v];
        mucmm__page_cell(p, c, !isfinite(value) ? "-" : figure == 2 ? "%.1f" : "%.3f", value);
    }
}

static mucmm_status show_completeness(const mucmm__page *p)
{
    static const char *const figures[] = {"linear", "any kind", "effective rank"};
    mucmm__page_cells c = {0};

    for (int32_t v = 0; v < p->n_views; v++)
        for (int i = 0; i < 3 && has_individual(p, v); i++) {
            mucmm__page_cell(p, &c, "individual part of %s, %s", p->view[v].name, figures[i]);
            completeness_cells(p, &c, v, i);
        }
    return show(p,
                "1 = common and individual part together rebuild the view, 0 = the individual part "
                "adds nothing; - = too few rows to say. Without it a small dependence says little: "
                "what is empty depends on nothing. Effective rank: in how many directions the "
                "individual part varies.",
                "", &c);
}

mucmm_status mucmm__report_leakage(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm__page_cells c = {0};
    bool any = false;

    for (int32_t v = 0; v < p->n_views; v++)
        any = any || has_individual(p, v);
    if (!any)
        return mucmm_report_text(p->ctx, p->r, "No view has an individual part.");
    for (int32_t v = 0; v < p->n_views; v++) {
        const char *view = p->view[v].name;
        if (!has_individual(p, v))
            continue;
        mucmm__page_cell(p, &c, "individual part of %s on the common part, linear", view);
        tested_cells(p, &c, DEPENDENCE_LINEAR, v);
        mucmm__page_cell(p, &c, "individual part of %s on the common part, any kind", view);
        tested_cells(p, &c, DEPENDENCE_KERNEL, v);
        for (int32_t w = v + 1; w < p->n_views; w++) {
            if (!has_individual(p, w))
                continue;
            mucmm__page_cell(p, &c, "individual parts of %s and %s", view, p->view[w].name);
            tested_cells(p, &c, DEPENDENCE_PAIR, (int64_t)v * p->n_views + w);
        }
    }
    TRY(show(p,
             "0 = none left, 1 = full dependence; - = too few rows to say. Chance: the mean "
             "where there is none, 0 for dependence of any kind. A small p says that what is "
             "left is more than chance, not that it is much.",
             "", &c));
    TRY(show_completeness(p));
done:
    return status;
}

/* ---- retrieval --------------------------------------------------------------------- */

static void percent_cells(const mucmm__page *p, mucmm__page_cells *c, double heads, double linear)
{
    const double values[] = {heads, linear};

    for (int64_t j = 0; j < columns(p) - NAME_COLS; j++) {
        double low, high;
        mucmm_rate_interval(values[j], (j ? p->linear : p->heads)->rows, &low, &high);
        mucmm__page_cell(p, c, isfinite(values[j]) ? "%.1f %% (%.1f to %.1f)" : "-",
                         100 * values[j], 100 * low, 100 * high);
    }
}

mucmm_status mucmm__report_retrieval(const mucmm__page *p)
{
    const mucmm_summary *a = p->heads, *b = p->linear;
    mucmm__page_cells c = {0};
    char caption[200];

    for (int32_t v = 0; v < p->n_views; v++)
        for (int32_t w = 0; w < p->n_views; w++) {
            const char *from = p->view[v].name, *to = p->view[w].name;
            int64_t i = (int64_t)v * p->n_views + w;
            if (v == w)
                continue;
            mucmm__page_cell(p, &c, "%s to %s, first", from, to);
            percent_cells(p, &c, a->retrieval_1[i], b->retrieval_1[i]);
            mucmm__page_cell(p, &c, "%s to %s, among 10", from, to);
            percent_cells(p, &c, a->retrieval_10[i], b->retrieval_10[i]);
        }
    snprintf(caption, sizeof caption,
             "Share of the rows whose partner is found, with its 95 %% interval (Wilson); by "
             "chance %.3g %% and %.3g %%.",
             fmin(100, 100.0 / (double)a->rows), fmin(100, 1000.0 / (double)a->rows));
    return show(p, caption, "", &c);
}

/* ---- in-sample --------------------------------------------------------------------- */

/* What the model makes of the rows it has seen, beside the rows that testify. */
mucmm_status mucmm__table_in_sample(const mucmm__page *p)
{
    const mucmm_summary *in_sample = mucmm_scores_in_sample(p->scores, MUCMM_HEADS);
    const char *head[] = {"component", p->held_out ? "held-out" : "new rows", "in-sample"};
    mucmm__page_cells c = {0};

    if (!in_sample)
        return MUCMM_OK;
    for (int64_t j = 0; j < p->heads->components; j++) {
        const double values[] = {p->heads->correlations[j], in_sample->correlations[j]};
        mucmm__page_cell(p, &c, "%" PRId64, j);
        for (int i = 0; i < 2; i++)
            mucmm__page_cell(p, &c, isfinite(values[i]) ? "%.2f" : "-", values[i]);
    }
    return mucmm__page_table(p,
                             "Correlations on rows that the model was fitted to, beside those that "
                             "testify. They are larger also where nothing is shared.",
                             head, sizeof head / sizeof *head, &c);
}

/* ---- carriers ---------------------------------------------------------------------- */

const char *mucmm_summary_carriers(const mucmm_model *m, const mucmm_summary *s, int64_t component,
                                   char *out, size_t size)
{
    const double *carried = s->carried ? s->carried + component * s->views : NULL;
    int64_t count = 0;
    size_t used = 0;

    for (int32_t v = 0; carried && v < s->views; v++)
        count += carried[v] == 1;
    if (!carried || isnan(carried[0]))
        snprintf(out, size, "not computed");
    else if (count == 0 || count == s->views)
        snprintf(out, size, "%s", count == 0 ? "none beyond chance" : "all");
    else
        for (int32_t v = 0; v < s->views && used < size; v++)
            if (carried[v] == 1)
                used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? " + " : "",
                                         mucmm_model_view_name(m, v));
    return out;
}

/* Of more than two views: which of them each component is about. */
mucmm_status mucmm__table_carriers(const mucmm__page *p)
{
    const mucmm_summary *of[] = {p->heads, p->linear};
    mucmm__page_cells c = {0};
    char text[MUCMM_CARRIERS_SIZE];

    if (!p->heads->carried)
        return MUCMM_OK;
    for (int64_t j = 0; j < p->heads->components; j++) {
        int64_t before = c.n;
        bool all = true;
        mucmm__page_cell(p, &c, "%" PRId64, j);
        for (int64_t i = 0; i < columns(p) - NAME_COLS; i++) {
            mucmm_summary_carriers(p->m, of[i], j, text, sizeof text);
            mucmm__page_cell(p, &c, "%s", text);
            all = all && strcmp(text, "all") == 0;
        }
        if (all)
            mucmm__page_cells_cut(&c, before);
    }
    if (c.status == MUCMM_OK && c.n == 0) {
        mucmm__free(c.cell);
        return mucmm__page_say(p,
                               "All views carry every component: the variates of each agree beyond "
                               "chance with those of the others.");
    }
    return show(p,
                "Components that not all views carry: those views do whose variates agree beyond "
                "chance. In the other views the variate is noise.",
                "component", &c);
}

/* ---- stability --------------------------------------------------------------------- */

static mucmm_status stability_table(const mucmm__page *p, const mucmm_stability *s,
                                    const char *caption)
{
    const char *head[] = {"component", "comes back",  "similarity", "at worst",
                          "subspace",  "correlation", "from",       "to"};
    mucmm__page_cells c = {0};

    for (int64_t j = 0; j < s->components; j++) {
        const double values[] = {s->similarity[j],   s->similarity_low[j],  s->subspace[j],
                                 s->correlations[j], s->correlation_low[j], s->correlation_high[j]};
        mucmm__page_cell(p, &c, "%" PRId64, j);
        mucmm__page_cell(p, &c, "%s", s->comes_back[j] ? "yes" : "NO");
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            mucmm__page_cell(p, &c, isfinite(values[i]) ? "%.2f" : "-", values[i]);
    }
    return mucmm__page_table(p, caption, head, sizeof head / sizeof *head, &c);
}

/* Which components come back in other fits; nothing if the fit was not asked. */
mucmm_status mucmm__table_stability(const mucmm__page *p)
{
    const mucmm_stability *linear = mucmm_model_stability(p->m, MUCMM_LINEAR);
    const mucmm_stability *heads = mucmm_model_stability(p->m, MUCMM_HEADS);
    char caption[400];
    mucmm_status status = MUCMM_OK;

    if (heads && heads != linear) {
        snprintf(caption, sizeof caption,
                 "Which components of the trained heads come back from %" PRId64
                 " other starts of the training: %" PRId64 " of %" PRId64
                 ". Judged on the held-out rows of the fit; at worst, from and to: of all starts.",
                 heads->compared, heads->returning, heads->components);
        TRY(stability_table(p, heads, caption));
    }
    if (linear) {
        snprintf(caption, sizeof caption,
                 "Which components of the closed form come back in %" PRId64
                 " fits to training rows drawn with replacement: %" PRId64 " of %" PRId64
                 ". Judged on the rows not drawn; at worst, from and to: without the 5 %% at the "
                 "end.",
                 linear->compared, linear->returning, linear->components);
        TRY(stability_table(p, linear, caption));
    }
done:
    return status;
}
