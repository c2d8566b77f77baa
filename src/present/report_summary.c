/* SPDX-License-Identifier: MIT
 *
 * Words of a model's report: in short, what was fitted on what, how to make it again, and the
 * meaning of the words. */
#include "model/model_json.h"
#include "present/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- in short ---------------------------------------------------------------------- */

/* Whose numbers the page shows. */
static mucmm_status say_rows(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    char note[MUCMM_NOTE_SIZE];

    TRY(mucmm__page_say(p, "%" PRId64 " samples, %d views.", p->rows, p->n_views));
    if (mucmm_scores_note(p->scores, note, sizeof note)[0])
        TRY(mucmm__page_say(p, "%s", note));
    if (mucmm__page_cross_fitted(p))
        TRY(mucmm__page_say(p,
                            "So all numbers below that are not called in-sample are those of the "
                            "fit, which judged every row by a model that did not see it."));
    else if (p->held_out)
        TRY(mucmm__page_say(p,
                            "So all numbers below that are not called in-sample are those of the "
                            "%" PRId64 " rows that the fit held out.",
                            p->heads->rows));
done:
    return status;
}

static double largest_correlation(const mucmm_summary *s)
{
    double largest = s->correlations[0];

    for (int64_t j = 1; j < s->components; j++)
        largest = fmax(largest, s->correlations[j]);
    return largest;
}

/* The rows that testify, where those are not all. */
static const char *witnesses(const mucmm__page *p, char *out, size_t size)
{
    out[0] = '\0';
    if (mucmm__page_cross_fitted(p))
        snprintf(out, size, " (cross-fitted)");
    else if (p->held_out)
        snprintf(out, size, " on the held-out rows");
    else if (p->fitted > 0)
        snprintf(out, size, " on these %" PRId64 " rows", p->heads->rows);
    return out;
}

static mucmm_status say_components(const mucmm__page *p)
{
    const mucmm_summary *s = p->heads;
    char on[64];

    witnesses(p, on, sizeof on);
    if (s->rows == 0)
        return mucmm__page_say(p, "No row testifies to what the views share.");
    if (!isfinite(s->correlations[0]))
        return mucmm__page_say(p, "%" PRId64 " row%s too few to say what the views share.", s->rows,
                               s->rows == 1 ? " is" : "s are");
    if (mucmm__page_nothing_found(s))
        return mucmm__page_say(p,
                               "Nothing shared was found%s: none of %" PRId64
                               " components correlates beyond chance; the largest correlation is "
                               "%.2f.",
                               on, s->components, largest_correlation(s));
    if (isfinite(s->p_values[0]))
        return mucmm__page_say(p,
                               "%" PRId64 " of %" PRId64
                               " components are shared by the views beyond chance%s; the largest "
                               "correlation is %.2f.",
                               s->significant, s->components, on, largest_correlation(s));
    return mucmm__page_say(p,
                           "%" PRId64 " components, not tested against chance (%s); the largest "
                           "correlation%s is %.2f.",
                           s->components, p->params->untested_word, on, largest_correlation(s));
}

static mucmm_status say_harmonics(const mucmm__page *p)
{
    int64_t n = mucmm__page_harmonics(p->heads);

    if (n == 0)
        return MUCMM_OK;
    return mucmm__page_say(
        p, "%" PRId64 " of these %s, which leaves %" PRId64 " common dimensions.", n,
        n == 1 ? "is a curve of others (a harmonic)" : "are curves of others (harmonics)",
        p->heads->dimensions);
}

/* What of the heads is the closed form, because training brought nothing. */
static mucmm_status say_closed_form(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    const char *keep = p->params->keep_heads_word;
    size_t size = MUCMM_NOTE_SIZE + strlen(keep);
    char *note = NULL;

    TRY(mucmm__alloc(p->ctx, (int64_t)size, 1, &note));
    if (mucmm_model_closed_form_note(p->m, keep, note, size)[0])
        TRY(mucmm__page_say(p, "%s", note));
done:
    mucmm__free(note);
    return status;
}

mucmm_status mucmm__report_short(const mucmm__page *p)
{
    const mucmm_summary *s = p->heads;
    mucmm_status status = MUCMM_OK;

    TRY(say_rows(p));
    TRY(say_components(p));
    TRY(say_harmonics(p));
    TRY(say_closed_form(p));
    for (int32_t v = 0; v < p->n_views && !mucmm__page_nothing_found(s); v++)
        if (isfinite(s->shared_share[v]))
            TRY(mucmm__page_say(
                p,
                "%s: %.0f %% of its variance is common (%.0f %% can be told from the other views), "
                "%.0f %% individual.",
                p->view[v].name, 100 * s->shared_share[v], 100 * s->redundancy[v],
                100 * s->individual_share[v]));
done:
    return status;
}

mucmm_status mucmm__report_shared(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__chart_spectrum(p));
    TRY(mucmm__table_in_sample(p));
    TRY(mucmm__table_folds(p));
    TRY(mucmm__chart_dimensions(p));
    TRY(mucmm__table_carriers(p));
    TRY(mucmm__table_stability(p));
done:
    return status;
}

/* ---- what was fitted on what ------------------------------------------------------- */

static mucmm_status views_table(const mucmm__page *p)
{
    const char *head[] = {"view", "rows", "columns", "individual", "from"};
    mucmm__page_cells c = {0};

    for (int32_t v = 0; v < p->n_views; v++) {
        mucmm__page_cell(p, &c, "%s", p->view[v].name);
        mucmm__page_cell(p, &c, "%" PRId64, mucmm_data_rows(p->view[v].data));
        mucmm__page_cell(p, &c, "%" PRId64, mucmm_model_view_cols(p->m, v));
        mucmm__page_cell(p, &c, "%" PRId64, mucmm_model_individual(p->m, v));
        mucmm__page_cell(p, &c, "%s", mucmm_data_label(p->view[v].data));
    }
    return mucmm__page_table(p, "The rows that this page is about.", head,
                             sizeof head / sizeof *head, &c);
}

/* The parameters of the fit, under the names that they have in a model's JSON. */
static mucmm_status settings_table(const mucmm__page *p)
{
    const char *head[] = {"setting", "value"}, *key;
    mucmm__json_build b = {false};
    json_t *params = mucmm__fit_params_json(&b, mucmm_model_params(p->m)), *value;
    mucmm_status status = mucmm__json_done(p->ctx, &b, params);
    mucmm__page_cells c = {0};

    if (status == MUCMM_OK)
        json_object_foreach(params, key, value)
        {
            char *text = NULL;
            mucmm__page_cell(p, &c, "%s", key);
            status =
                mucmm__json_dump(p->ctx, value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6), &text);
            if (status != MUCMM_OK)
                break;
            mucmm__page_cell(p, &c, "%s", text);
            mucmm__free(text);
        }
    json_decref(params);
    c.status = status != MUCMM_OK ? status : c.status;
    return mucmm__page_table(p, "Settings of the fit.", head, sizeof head / sizeof *head, &c);
}

/* Empty cells, and what they are filled with. */
static mucmm_status say_filled(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm_imputation of;

    for (int32_t v = 0; v < p->n_views; v++) {
        if (!mucmm_model_imputation(p->m, v, &of) || of.empty == 0)
            continue;
        if (of.r2 > 0)
            TRY(mucmm__page_say(p,
                                "%" PRId64 " of the %.0f cells of %s were empty. They are filled "
                                "from the other cells of their row, by %" PRId64
                                " factors of the columns; cells that were hidden for a test are "
                                "told with R2 %.2f.",
                                of.empty, (double)of.rows * (double)mucmm_model_view_cols(p->m, v),
                                p->view[v].name, of.factors, of.r2));
        else
            TRY(mucmm__page_say(p,
                                "%" PRId64 " of the %.0f cells of %s were empty. They are filled "
                                "by the means of their columns: the other cells do not tell them.",
                                of.empty, (double)of.rows * (double)mucmm_model_view_cols(p->m, v),
                                p->view[v].name));
    }
done:
    return status;
}

mucmm_status mucmm__report_fitted(const mucmm__page *p)
{
    const char *name = p->params->model_label;
    mucmm_status status = MUCMM_OK;

    if (mucmm__page_cross_fitted(p))
        TRY(mucmm__page_say(p,
                            "Model %s%s%" PRId64 " common components, fitted on all %" PRId64
                            " rows. The numbers of this page are cross-fitted: each row was judged "
                            "by models of folds that did not see it.",
                            name ? name : "of ", name ? ": " : "", mucmm_model_common(p->m),
                            mucmm_model_about(p->m)->training_rows));
    else
        TRY(mucmm__page_say(
            p,
            "Model %s%s%" PRId64 " common components, fitted on %" PRId64 " rows; %" PRId64
            " more chose, and %" PRId64
            " were held out. The numbers of this page are of %s %" PRId64 " rows%s.",
            name ? name : "of ", name ? ": " : "", mucmm_model_common(p->m),
            mucmm_model_about(p->m)->training_rows, mucmm_model_about(p->m)->choosing_rows,
            mucmm_model_about(p->m)->held_out_rows, p->held_out ? "these" : "the", p->heads->rows,
            p->held_out     ? ""
            : p->fitted > 0 ? " given to the report that it was not fitted to"
                            : " given to the report"));
    TRY(say_filled(p));
    TRY(views_table(p));
    TRY(settings_table(p));
done:
    return status;
}

/* ---- how to make it again ---------------------------------------------------------- */

mucmm_status mucmm__report_methods(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    char *text = NULL;

    TRY(mucmm_model_cite_text(p->ctx, p->m, &text));
    TRY(mucmm_report_code(p->ctx, p->r, text));
done:
    mucmm__free(text);
    return status;
}

mucmm_status mucmm__report_again(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    const char *charts = mucmm_report_charts();

    TRY(mucmm_report_code(p->ctx, p->r, p->params->again));
    TRY(mucmm__page_say(p, "mucmm %d.%d.%d%s%s; %d threads", MUCMM_VERSION_MAJOR,
                        MUCMM_VERSION_MINOR, MUCMM_VERSION_PATCH, charts[0] ? ", " : "", charts,
                        mucmm_ctx_threads(p->ctx)));
    if (p->params->again_note)
        TRY(mucmm__page_say(p, "%s", p->params->again_note));
done:
    return status;
}

/* ---- glossary ---------------------------------------------------------------------- */

mucmm_status mucmm__report_glossary(const mucmm__page *p)
{
    static const char *const terms[][2] = {
        {"Common part", "What the views of one sample share: what one view tells about the other."},
        {"Individual part", "What a view holds that the other views tell nothing about."},
        {"Variate",
         "A number computed from one view of a sample, such as its place on a component."},
        {"Component", "One direction of the common part: one variate in each view, made to agree."},
        {"Harmonic",
         "A component that is only a curve of those before it, as an overtone is of its note: the "
         "square of the first, for example. It correlates truly, but is no dimension of its own. "
         "Marked where those before it predict at least half of its variance."},
        {"Comes back",
         "A component comes back if other fits, to samples of the same kind or from another start, "
         "find it again: the "
         "correlation of its variate with that of the most similar component there, its "
         "similarity, is 0.7 or more on average, and its correlation between the views there is "
         "above 0 but for the worst 5 % (of starts: in all). If not, the maps and names of this "
         "component may be those of chance. Is the subspace large beside it, the component is "
         "mixed with others there, but what they hold together stays."},
        {"Correlation",
         "How well the variates of two views agree over the samples: 1 fully, 0 not at "
         "all."},
        {"Loading",
         "How strongly a column, pixel or word goes with a variate; a pattern map is made "
         "of loadings."},
        {"Pattern",
         "A map that shows what in the input goes up and down with a score. It leaves out "
         "what only serves to cancel noise, which a gradient does not."},
        {"Share",
         "How much of a view's variance can be told from its common part, and how much more "
         "from its individual part."},
        {"Leakage",
         "Dependence that should not be there: of the individual part on the common one, "
         "or between the individual parts of two views."},
        {"Yardstick",
         "The same numbers for the best linear method, in closed form. Trained networks "
         "are worth their price only where they are better."},
        {"p-value", "How often wrong pairings of the views, drawn at random, correlate at least as "
                    "much. Below 0.05 is called significant; all components are accounted for."},
        {"Common score", "How much the views of one sample agree, compared with other samples."},
        {"Coupling",
         "What two cells of two views, such as a word and a spot, add to the common score "
         "together. All pairs of cells add up to it."},
        {"In-sample",
         "Of rows that the model was fitted to. A model agrees with such rows better "
         "than with others, also where there is nothing to find: their numbers say how "
         "well it remembers, and only other rows testify to what is shared."},
        {"Individual score", "How unusual the individual part of one view of a sample is."},
    };
    mucmm_status status = MUCMM_OK;

    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        TRY(mucmm_report_term(p->ctx, p->r, terms[i][0], terms[i][1]));
done:
    return status;
}
