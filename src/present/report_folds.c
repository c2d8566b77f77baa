/* SPDX-License-Identifier: MIT
 *
 * Tables of a model's report where every row trained: what the models of the folds say of the rows
 * that they did not see, the exact test, and the classical ones. */
#include "present/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void number_cell(const mucmm__page *p, mucmm__page_cells *c, int digits, double x)
{
    if (isfinite(x))
        mucmm__page_cell(p, c, "%.*f", digits, x);
    else
        mucmm__page_cell(p, c, "-");
}

/* Of permutations, or (0) of a distribution. */
static void p_cell(const mucmm__page *p, mucmm__page_cells *c, double p_value, int64_t permutations)
{
    char text[MUCMM_P_TEXT];

    mucmm__page_cell(p, c, "%s", mucmm_p_text(p_value, permutations, text));
}

static mucmm_status components(const mucmm__page *p, const mucmm_cross_fit *r)
{
    const char *head[] = {"component", "held-out", "interval", "in-sample", "p"};
    mucmm__page_cells c = {0};
    char caption[480], folds[160] = "";

    for (int64_t j = 0; j < r->components; j++) {
        mucmm__page_cell(p, &c, "%" PRId64, j);
        number_cell(p, &c, 2, r->correlations[j]);
        if (isfinite(r->low[j]))
            mucmm__page_cell(p, &c, "%.2f to %.2f", r->low[j], r->high[j]);
        else
            mucmm__page_cell(p, &c, "-");
        number_cell(p, &c, 2, r->in_sample[j]);
        p_cell(p, &c, r->p_values[j], r->permutations);
    }
    if (r->folds > 0)
        snprintf(folds, sizeof folds,
                 " Held-out: each row judged by a model that did not see it (%d folds, drawn %d "
                 "time%s), with %.0f %% intervals.",
                 r->folds, r->repeats, r->repeats == 1 ? "" : "s", 100 * r->level);
    snprintf(caption, sizeof caption,
             "All %" PRId64 " rows of the fit trained.%s p: %s%" PRId64 " permutations.", r->rows,
             folds,
             p->trained ? "twice the median over the folds, each of "
                        : "more is shared than by the components before; the pairing permuted and "
                          "everything fitted again, ",
             r->permutations);
    return mucmm__page_table(p, caption, head, sizeof head / sizeof *head, &c);
}

static mucmm_status classical(const mucmm__page *p, const mucmm_cross_fit *r)
{
    const char *head[] = {"number", "correlation", "Wilks' lambda", "F",
                          "df",     "p (Rao)",     "chi2",          "p (Bartlett)"};
    mucmm__page_cells c = {0};

    if (r->n_classical == 0)
        return MUCMM_OK;
    for (int64_t j = 0; j < r->n_classical; j++) {
        const mucmm_classical *t = &r->classical[j];
        mucmm__page_cell(p, &c, "%" PRId64, j);
        number_cell(p, &c, 4, t->correlation);
        number_cell(p, &c, 4, t->wilks);
        number_cell(p, &c, 3, t->f);
        mucmm__page_cell(p, &c, "%.0f, %.1f", t->f_df1, t->f_df2);
        p_cell(p, &c, t->f_p, 0);
        number_cell(p, &c, 3, t->chi_squared);
        p_cell(p, &c, t->chi_squared_p, 0);
    }
    return mucmm__page_table(p,
                             "The classical tests that this canonical correlation and all after it "
                             "are 0, for rows that are normal; in-sample.",
                             head, sizeof head / sizeof *head, &c);
}

mucmm_status mucmm__table_folds(const mucmm__page *p)
{
    const mucmm_cross_fit *r = mucmm_model_cross_fit(p->m);
    mucmm_status status = MUCMM_OK;

    if (!r)
        return MUCMM_OK;
    TRY(components(p, r));
    TRY(classical(p, r));
done:
    return status;
}
