/* SPDX-License-Identifier: MIT
 *
 * The whole report on a model and some rows: its sections, in their order. */
#include "present/report_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- parameters -------------------------------------------------------------------- */

static const mucmm_report_params defaults = {
    .struct_size = sizeof defaults,
    .sections = MUCMM_SECTION_ALL,
    .shown = 6,
    .map = MUCMM_MAP_DEFAULT,
    .untested_word = "permutations 0",
    .keep_heads_word = "head MUCMM_HEAD_MLP",
};

void mucmm_report_params_init_sized(mucmm_report_params *p, size_t size)
{
    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_report_params *p,
                                 const mucmm_views *views)
{
    if (p->shown < 1 || p->shown > MUCMM_REPORT_MAX_SHOWN)
        return mucmm__fail(ctx, MUCMM_EARG, "report: shown is %" PRId64 "; it is 1 to %d", p->shown,
                           MUCMM_REPORT_MAX_SHOWN);
    if (p->sections & ~(uint32_t)MUCMM_SECTION_ALL)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "report: sections is 0x%x; it is a sum of MUCMM_SECTION_ values",
                           p->sections);
    if (p->map < MUCMM_MAP_DEFAULT || p->map > MUCMM_MAP_LCMV)
        return mucmm__fail(ctx, MUCMM_EARG, "report: map is %d; it is a mucmm_map_kind", p->map);
    if (!p->untested_word || !p->keep_heads_word)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "report: untested_word or keep_heads_word is NULL; they are texts");
    if (p->label && !mucmm_views_cell(views, 0, p->label))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "`label` is '%s', and the study's table has no such column", p->label);
    return MUCMM_OK;
}

/* ---- sections ---------------------------------------------------------------------- */

typedef struct section {
    uint32_t bit;
    const char *title, *note;
    mucmm_status (*add)(const mucmm__page *p);
} section;

/* note: of mucmm__report_NAME. */
static const section sections[] = {
    {MUCMM_SECTION_SHORT, "In short", NULL, mucmm__report_short},
    {MUCMM_SECTION_SHARED, "What the views share", NULL, mucmm__report_shared},
    {MUCMM_SECTION_SHARES, "Shares of variance", NULL, mucmm__report_shares},
    {MUCMM_SECTION_SHARED, "What is known of the rows", NULL, mucmm__report_relate},
    {MUCMM_SECTION_RETRIEVAL, "Finding the partner",
     "From one view of a sample, is its other view the nearest of all by the common part?",
     mucmm__report_retrieval},
    {MUCMM_SECTION_LEAKAGE, "Leakage",
     "The parts should be independent of each other. What is left:", mucmm__report_leakage},
    {MUCMM_SECTION_SCORES, "Scores of the samples", NULL, mucmm__report_scores},
    {MUCMM_SECTION_SAMPLES, "Samples",
     "Pictures stand beside their maps, words are shaded, columns have bars. Unless another method "
     "was asked for, columns show the pattern; words, sounds and pictures behind a network show "
     "what each word, moment or spot adds to the score (integrated gradients, 8 steps), counted "
     "from no word, from silence, from the mean of up to 400 training pictures. What is individual "
     "in such pictures is read off by a filter that passes nothing of what the views share (lcmv), "
     "counted from the picture out of focus.",
     mucmm__report_samples},
    {MUCMM_SECTION_COUPLING, "Which word goes with which spot",
     "The samples whose views agree most. Point at a word or a spot (or touch it, or go there with "
     "Tab and the arrow keys) to see what of the other view goes with it; columns of tables and "
     "moments of sounds are words and spots, too. Shown is what two cells add to the common score "
     "together: red and + agree, blue, hatched and - speak against each other, and all of them add "
     "up to the two views' part of the score (integrated gradients, 8 steps, made complete).",
     mucmm__report_coupling},
    {MUCMM_SECTION_COMPONENTS, "Components",
     "The samples at both ends of components, in the order of the training rows' correlations.",
     mucmm__report_components},
    {MUCMM_SECTION_TRAINING, "Training", NULL, mucmm__report_training},
    {MUCMM_SECTION_FITTED, "What was fitted on what", NULL, mucmm__report_fitted},
    {MUCMM_SECTION_METHODS, "Methods",
     "What was done in the fit, for the methods section of a paper, and what it refers to.",
     mucmm__report_methods},
    {MUCMM_SECTION_AGAIN, "Make it again", NULL, mucmm__report_again},
    {MUCMM_SECTION_GLOSSARY, "Words used here", NULL, mucmm__report_glossary},
};

static bool is_wanted(const mucmm__page *p, const section *s)
{
    if (s->add == mucmm__report_relate && !mucmm_data_covariates(p->view[0].data))
        return false;
    return (p->params->sections & s->bit) && (s->bit != MUCMM_SECTION_AGAIN || p->params->again);
}

static mucmm_status add_sections(const mucmm__page *p)
{
    enum { N_SECTIONS = sizeof sections / sizeof *sections };
    mucmm_status status = MUCMM_OK;

    for (int i = 0; i < N_SECTIONS; i++) {
        const section *s = &sections[i];
        if (!is_wanted(p, s))
            continue;
        TRY(mucmm__progress(p->ctx, "report", i, N_SECTIONS, s->title));
        TRY(mucmm_report_section(p->ctx, p->r, s->title));
        if (s->note)
            TRY(mucmm_report_text(p->ctx, p->r, s->note));
        TRY(s->add(p));
    }
    TRY(mucmm__progress(p->ctx, "report", N_SECTIONS, N_SECTIONS, ""));
done:
    return status;
}

/* ---- the page ---------------------------------------------------------------------- */

/* Are these the scores of all views of these rows? */
static mucmm_status check_scores(mucmm_ctx *ctx, const mucmm__page *p)
{
    const mucmm_summary *in_sample = mucmm_scores_in_sample(p->scores, MUCMM_HEADS);
    int64_t complete = p->heads->rows + (in_sample ? in_sample->rows : 0);

    if (mucmm_scores_rows(p->scores) != p->rows ||
        p->heads->components != mucmm_model_common(p->m) || p->heads->views != p->n_views)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "report: the scores are of %" PRId64 " rows, %" PRId64
                           " components and %" PRId64
                           " views; these rows and the model have %" PRId64 ", %" PRId64 " and %d",
                           mucmm_scores_rows(p->scores), p->heads->components, p->heads->views,
                           p->rows, mucmm_model_common(p->m), p->n_views);
    for (int32_t v = 0; v < p->n_views; v++)
        if (!mucmm_scores_individual(p->scores, v))
            return mucmm__fail(ctx, MUCMM_ESHAPE, "report: the scores are without view '%s'",
                               p->view[v].name);
    if (complete != p->rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "report: %" PRId64 " of the %" PRId64
                           " rows lack a view; a report needs rows that have all (`missing` "
                           "drop)",
                           p->rows - complete, p->rows);
    return MUCMM_OK;
}

/* The page of these views in the model's order; *matched is the caller's to free, also after a
 * failure. */
static mucmm_status start_page(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_views *views,
                               const mucmm_report_params *params, mucmm_report_params *own,
                               mucmm_views **matched, mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;

    *own = defaults;
    *p = (mucmm__page){.ctx = ctx, .m = m, .params = own};
    if (!m || !views)
        TRY(mucmm__fail(ctx, MUCMM_EARG, "report: model or views is NULL"));
    TRY(mucmm__params_take(ctx, "mucmm_report_params", params, own, sizeof *own));
    TRY(mucmm_views_match(ctx, views, m, 1, matched));
    TRY(check_params(ctx, own, *matched));
    p->views = *matched;
    p->n_views = mucmm_views_count(*matched);
    p->view = mucmm_views_list(*matched);
    p->rows = mucmm_views_rows(*matched);
    p->trained = mucmm_model_about(m)->common_kept != MUCMM_KEPT_ASKED;
    p->shown = own->shown < p->rows ? own->shown : p->rows;
done:
    return status;
}

/* Where every row given was fitted to, the held-out rows of the fit testify. */
static void choose_witnesses(mucmm__page *p)
{
    const mucmm_summary *held_out = mucmm_model_summary(p->m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);

    p->fitted = mucmm_scores_fitted(p->scores);
    p->held_out = p->heads->rows == 0 && held_out && held_out->rows > 0;
    if (!p->held_out)
        return;
    p->heads = held_out;
    p->linear = mucmm_model_summary(p->m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
}

static mucmm_status fill_page(mucmm__page *p, mucmm_report *r, const mucmm_scores *scores)
{
    mucmm_status status = MUCMM_OK;

    p->r = r;
    p->scores = scores;
    p->heads = mucmm_scores_summary(scores, MUCMM_HEADS);
    p->linear = mucmm_scores_summary(scores, MUCMM_LINEAR);
    TRY(check_scores(p->ctx, p));
    choose_witnesses(p);
    TRY(add_sections(p));
done:
    return status;
}

mucmm_status mucmm_report_add(mucmm_ctx *ctx, mucmm_report *r, const mucmm_model *m,
                              const mucmm_views *views, const mucmm_scores *scores,
                              const mucmm_report_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_report_params own;
    mucmm_views *matched = NULL;
    mucmm__page p;

    if (!r || !scores)
        return mucmm__fail(ctx, MUCMM_EARG, "report: report or scores is NULL");
    TRY(start_page(ctx, m, views, params, &own, &matched, &p));
    TRY(fill_page(&p, r, scores));
done:
    mucmm_views_free(matched);
    return status;
}

static mucmm_status make_title(mucmm_ctx *ctx, const char *model, char **out)
{
    const char *folder = model ? strrchr(model, '/') : NULL, *name = folder ? folder + 1 : model;
    size_t size = sizeof "Report on " + strlen(name ? name : "a model");
    mucmm_status status = mucmm__alloc(ctx, (int64_t)size, 1, out);

    if (status == MUCMM_OK)
        snprintf(*out, size, "Report on %s", name ? name : "a model");
    return status;
}

mucmm_status mucmm_model_report(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_views *views,
                                const mucmm_report_params *params, const char *path)
{
    mucmm_status status = MUCMM_OK;
    mucmm_report_params own;
    mucmm_views *matched = NULL;
    mucmm_scores *scores = NULL;
    mucmm_report *r = NULL;
    char *title = NULL;
    mucmm__page p;

    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "report: path is NULL");
    TRY(start_page(ctx, m, views, params, &own, &matched, &p));
    TRY(mucmm_score(ctx, m, p.view, p.n_views, own.score, &scores));
    TRY(make_title(ctx, own.model_label, &title));
    TRY(mucmm_report_create(ctx, title, &r));
    TRY(fill_page(&p, r, scores));
    TRY(mucmm_report_write(ctx, r, path));
done:
    mucmm__free(title);
    mucmm_report_free(r);
    mucmm_scores_free(scores);
    mucmm_views_free(matched);
    return status;
}
