/* SPDX-License-Identifier: MIT
 *
 * A methods paragraph: what was done in a fit, one sentence for each step that was taken, with its
 * numbers. */
#include "model/adjust.h"
#include "model/cite.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Correlations that are listed, at most. */
enum { LISTED = 8 };

typedef struct paragraph {
    mucmm__text *t;
    const mucmm_model *m;
    bool *used;
    bool trained;                 /* the common heads */
    const mucmm_cross_fit *cross; /* that judged, or NULL */
    const mucmm_summary *s;       /* of the rows that testify */
} paragraph;

static void put(paragraph *p, const char *text)
{
    mucmm__text_add(p->t, text, strlen(text));
}

static void put_count(paragraph *p, int64_t n)
{
    mucmm__text_format(p->t, "%" PRId64, n);
}

/* " one noun" with its plural by -s. */
static void put_counted(paragraph *p, int64_t n, const char *noun)
{
    mucmm__text_format(p->t, "%" PRId64 " %s%s", n, noun, n == 1 ? "" : "s");
}

/* With at most `digits` digits, and a point in any locale. */
static void put_real(paragraph *p, double x, int digits)
{
    double scale = pow(10, digits - 1 - floor(log10(fabs(x) > 0 ? fabs(x) : 1)));

    mucmm__text_double(p->t, round(x * scale) / scale);
}

static void cite(paragraph *p, mucmm__reference r, const char *words)
{
    p->used[r] = true;
    put(p, words);
}

/* ---- what was given ---------------------------------------------------------------- */

static void say_views(paragraph *p)
{
    put(p, "What ");
    put_count(p, p->m->n_views);
    put(p, " views of the same samples share, and what each holds alone, was estimated (");
    for (int32_t v = 0; v < p->m->n_views; v++) {
        const mucmm__view_info *view = &p->m->view[v];
        put(p, v > 0 ? "; " : "");
        put(p, view->name);
        put(p, ": ");
        put_counted(p, view->p, view->description ? "feature" : "column");
        put(p, view->description ? " from a pre-trained network or a description of raw data" : "");
    }
    mucmm__text_format(p->t, ") with mucmm %d.%d.%d, ", MUCMM_VERSION_MAJOR, MUCMM_VERSION_MINOR,
                       MUCMM_VERSION_PATCH);
    cite(p, MUCMM__REF_SHI,
         "which follows the idea of correlation maximization and minimization (Shi and Niethammer "
         "2023).");
}

static bool grouped(const paragraph *p)
{
    return p->m->digest.n_groups > 0;
}

static void say_folds(paragraph *p)
{
    put(p, " All ");
    put_counted(p, p->m->rows[MUCMM_ROWS_TRAIN], "sample");
    put(p, " trained the model that is kept; ");
    if (p->cross->folds == 0) {
        put(p, "none was held out.");
        return;
    }
    put(p, "correlations are cross-fitted: the samples were cut into ");
    put_counted(p, p->cross->folds, "fold");
    put(p, grouped(p) ? " of whole groups, drawn anew " : " at random, drawn anew ");
    put_counted(p, p->cross->repeats, "time");
    put(p, ", and each was judged by models fitted without its fold (intervals: bootstrap of the "
           "samples, ");
    cite(p, MUCMM__REF_EFRON, "Efron 1979).");
}

static void say_split(paragraph *p)
{
    int64_t train = p->m->rows[MUCMM_ROWS_TRAIN], held_out = p->m->rows[MUCMM_ROWS_HELD_OUT];
    int64_t choosing = p->m->choosing_rows;

    put(p, " Of ");
    put_counted(p, train + held_out + choosing, "sample");
    put(p, " with all views ");
    put_count(p, train);
    put(p, " trained the model");
    if (choosing > 0) {
        put(p, held_out > 0 ? ", " : " and ");
        put_count(p, choosing);
        put(p, " chose between what was trained");
    }
    if (held_out > 0) {
        put(p, " and ");
        put_count(p, held_out);
        put(p, p->m->held_out_chose ? " were held out" : " were held out and decided nothing");
        put(p, grouped(p) ? " (whole groups, drawn" : " (drawn");
        mucmm__text_format(p->t, " at random with seed %" PRIu64 ").", p->m->params.seed);
    } else
        put(p, "; none was held out, so that all correlations are in-sample.");
}

static void say_rows(paragraph *p)
{
    if (p->cross)
        say_folds(p);
    else
        say_split(p);
    if (!p->m->facts.incomplete)
        return;
    put(p, " Samples that lack views entered means and covariances by maximum likelihood under a "
           "Gaussian model with the EM algorithm ");
    cite(p, MUCMM__REF_DEMPSTER, "(Dempster, Laird and Rubin 1977).");
}

/* ---- what was made of the columns -------------------------------------------------- */

static void say_robust(paragraph *p)
{
    if (p->m->params.robust == MUCMM_ROBUST_WINSOR) {
        put(p, " Values farther than three standard deviations (by the median absolute deviation) "
               "from the median of their column were moved to there ");
        cite(p, MUCMM__REF_HUBER, "(Huber 1981).");
    } else if (p->m->params.robust == MUCMM_ROBUST_RANK)
        put(p, " Every column was replaced by the normal scores of its ranks.");
}

/* "empty cells of VIEW (12 of 100 training samples' 40 columns) ..." */
static void say_filled(paragraph *p)
{
    mucmm_imputation of;
    bool any = false;

    for (int32_t v = 0; v < p->m->n_views; v++) {
        if (!mucmm_model_imputation(p->m, v, &of) || of.empty == 0)
            continue;
        put(p, any ? "; " : " Empty cells were filled from the other cells of their view by ");
        if (!any)
            cite(p, MUCMM__REF_RUBIN,
                 "factor analysis (Rubin and Thayer 1982) of the training "
                 "samples: ");
        any = true;
        put_counted(p, of.empty, "cell");
        put(p, " of ");
        put(p, p->m->view[v].name);
        put(p, of.r2 > 0 ? " by " : " by the means of the columns");
        if (of.r2 > 0)
            put_counted(p, of.factors, "factor");
    }
    put(p, any ? "." : "");
}

static void say_adjusted(paragraph *p)
{
    const mucmm__adjust *a = p->m->adjust;

    if (!a)
        return;
    put(p, a->n == 1 ? " The covariate " : " The covariates ");
    for (int32_t i = 0; i < a->n; i++) {
        put(p, i == 0 ? "" : i + 1 == a->n ? " and " : ", ");
        put(p, a->list[i].name);
    }
    put(p, a->n == 1 ? " was" : " were");
    put(p, " taken out of every column by a linear regression on the training samples");
    if (a->nonlinear > 1) {
        put(p, ", numbers as natural cubic splines of up to ");
        put_counted(p, a->nonlinear, "column");
        cite(p, MUCMM__REF_HASTIE, " (Hastie, Tibshirani and Friedman 2009)");
    }
    put(p, ".");
}

static void say_scaling(paragraph *p)
{
    put(p, p->m->params.scaling == MUCMM_SCALE_COLUMN
               ? " Columns were centred and divided by their standard deviations."
               : " Columns were centred, and each view was divided by the root of their mean "
                 "variance.");
}

/* ---- the common part --------------------------------------------------------------- */

static bool small_sample(const paragraph *p)
{
    int64_t widest = 0;

    for (int32_t v = 0; v < p->m->n_views; v++)
        widest = p->m->view[v].p > widest ? p->m->view[v].p : widest;
    return p->m->rows[MUCMM_ROWS_TRAIN] < 5 * widest || p->m->rows[MUCMM_ROWS_HELD_OUT] == 0 ||
           p->m->choosing_rows == 0;
}

static void say_ridge(paragraph *p)
{
    if (p->m->ridge == MUCMM_RIDGE_LEDOIT_WOLF) {
        put(p, " with the shrinkage of ");
        cite(p, MUCMM__REF_LEDOIT, "Ledoit and Wolf (2004)");
        return;
    }
    if (p->m->ridge == 0) {
        put(p, " without a ridge");
        return;
    }
    put(p, " with a ridge of ");
    put_real(p, p->m->ridge, 3);
    put(p, " in units of the mean variance ");
    cite(p, MUCMM__REF_VINOD, "(Vinod 1976)");
    if (!p->m->ridge_chosen)
        return;
    put(p, p->m->facts.incomplete
               ? p->cross ? ", chosen by cross-validation" : ", chosen without the held-out samples"
           : small_sample(p) ? ", chosen by cross-validation within the training samples"
                             : ", chosen by the choosing samples");
}

static void say_closed_form(paragraph *p)
{
    if (p->m->n_views == 2)
        cite(p, MUCMM__REF_HOTELLING, "canonical correlation analysis (Hotelling 1936)");
    else
        cite(p, MUCMM__REF_KETTENRING,
             "generalized canonical correlation analysis (MAXVAR, Kettenring 1971)");
    say_ridge(p);
}

static void say_networks(paragraph *p)
{
    const mucmm_fit_params *of = &p->m->params;

    put(p, "neural networks (");
    if (of->n_hidden == 0)
        put(p, "no hidden layers");
    else
        put(p, of->n_hidden == 1 ? "a hidden layer of " : "hidden layers of ");
    for (int32_t i = 0; i < of->n_hidden; i++) {
        put(p, i > 0 ? ", " : "");
        put_count(p, of->hidden[i]);
    }
    put(p, of->n_hidden > 0 ? " units, beside a linear skip) trained" : ") trained");
    put(p, " to maximize ");
    if (p->m->n_views == 2)
        cite(p, MUCMM__REF_ANDREW, "total correlation (deep CCA, Andrew et al. 2013)");
    else
        cite(p, MUCMM__REF_BENTON,
             "the MAXVAR criterion (deep generalized CCA, Benton et al. 2017)");
}

static void say_found(paragraph *p)
{
    const mucmm_dimensions *d = &p->m->dimensions;

    if (p->m->params.common != MUCMM_AUTO || d->candidates == 0)
        return;
    put(p, " The number of components is that of the leading ones with p of at most ");
    put_real(p, d->level, 3);
    put(p, p->cross ? " in the test below" : " on the choosing samples");
    put(p, d->common == 0 ? "; none was, and one was kept." : ".");
}

static void say_common(paragraph *p)
{
    put(p, " The ");
    put_counted(p, p->m->k, "common component");
    put(p, p->m->k == 1 ? " is that of " : " are those of ");
    if (p->trained) {
        say_networks(p);
        put(p, "; the closed form beside them is ");
    }
    say_closed_form(p);
    put(p, ".");
    if (p->m->facts.common_kept == MUCMM_KEPT_NO_BETTER)
        put(p, " Trained networks were tried and said no more on the choosing samples, so that the "
               "closed form was kept.");
    say_found(p);
}

/* ---- the individual part ----------------------------------------------------------- */

static const mucmm_candidate *chosen(const mucmm_model *m)
{
    for (int32_t i = 0; i < m->n_front; i++)
        if (m->front[i].chosen)
            return &m->front[i];
    return NULL;
}

static void say_candidate(paragraph *p)
{
    const mucmm_candidate *c = p->m->heads.rho && !p->m->individual_closed ? chosen(p->m) : NULL;

    if (!c || c->kind == MUCMM_CANDIDATE_RESIDUAL)
        put(p, "leading directions of what the common components leave of it, uncorrelated with "
               "them.");
    else if (c->kind == MUCMM_CANDIDATE_TRANSPORT)
        put(p, "leading directions of what the common components leave of it, carried by a "
               "trained bijection to where they depend on these least.");
    else {
        put(p, "outputs of networks trained to rebuild the view and to be independent of the "
               "common components, by random Fourier features ");
        cite(p, MUCMM__REF_RAHIMI, "(Rahimi and Recht 2007).");
    }
}

static void say_individual(paragraph *p)
{
    int64_t most = 0;
    bool found = false;

    for (int32_t v = 0; v < p->m->n_views; v++)
        found = found || p->m->dimensions.n_errors[v] > 0;
    for (int32_t v = 0; v < p->m->n_views; v++)
        most = p->m->view[v].q > most ? p->m->view[v].q : most;
    if (most == 0)
        return;
    put(p, " The individual part of ");
    for (int32_t v = 0; v < p->m->n_views; v++) {
        put(p, v == 0 ? "" : v + 1 == p->m->n_views ? " and " : ", ");
        put(p, p->m->view[v].name);
        mucmm__text_format(p->t, " (%" PRId64 ")", p->m->view[v].q);
    }
    put(p, " holds so many ");
    say_candidate(p);
    if (!found)
        return;
    put(p, " Numbers that were not given are those that rebuild columns that were not seen best ");
    cite(p, MUCMM__REF_OWEN, "(bi-cross-validation, Owen and Perry 2009).");
}

/* ---- what testifies ---------------------------------------------------------------- */

/* Is there a p-value? Of rows that all trained it is the exact test's, also without folds. */
static const double *p_values(const paragraph *p)
{
    return p->cross ? p->cross->p_values : p->s->p_values;
}

static bool tested(const paragraph *p)
{
    return p->s->components > 0 && isfinite(p_values(p)[0]) &&
           (!p->cross || p->cross->permutations > 0);
}

static void say_test(paragraph *p)
{
    if (!tested(p))
        return;
    if (p->cross && !p->trained) {
        put(p, " Components were tested in turn by ");
        put_counted(p, p->cross->permutations, "permutation");
        put(p, " of the pairing, the closed form refitted in each ");
        cite(p, MUCMM__REF_WINKLER_2020, "(after Winkler et al. 2020)");
    } else if (p->cross) {
        put(p, " P-values are twice the median over all folds of those of ");
        put_counted(p, p->cross->permutations, "permutation");
        put(p, " of the pairing ");
        cite(p, MUCMM__REF_MEINSHAUSEN, "(Meinshausen, Meier and Buehlmann 2009)");
    } else {
        put(p, " Components were tested on the held-out samples by ");
        if (p->s->permutations > 0)
            put_counted(p, p->s->permutations, "permutation");
        else
            put(p, "permutations");
        put(p, " of the pairing with the step-down maximum statistic ");
        cite(p, MUCMM__REF_WESTFALL, "(Westfall and Young 1993)");
    }
    if (grouped(p))
        cite(p, MUCMM__REF_WINKLER_2015, ", whole groups being exchanged (Winkler et al. 2015)");
    put(p, ".");
}

static void say_significant(paragraph *p)
{
    int64_t significant = 0;

    if (!tested(p))
        return;
    for (int64_t j = 0; j < p->s->components; j++)
        significant += p_values(p)[j] <= MUCMM_SIGNIFICANT;
    put(p, " ");
    put_count(p, significant);
    put(p, " of ");
    put_counted(p, p->s->components, "component");
    put(p, significant == 1 ? " was" : " were");
    put(p, " significant (p <= 0.05).");
}

static void say_correlations(paragraph *p)
{
    const mucmm_summary *s = p->s;
    int64_t n = s->components < LISTED ? s->components : LISTED;

    if (s->components == 0 || !isfinite(s->correlations[0]))
        return;
    put(p, p->cross && p->cross->folds > 0       ? " The cross-fitted correlation"
           : p->m->rows[MUCMM_ROWS_HELD_OUT] > 0 ? " The held-out correlation"
                                                 : " The in-sample correlation");
    put(p, s->components == 1 ? " is " : "s are ");
    for (int64_t j = 0; j < n; j++) {
        put(p, j > 0 ? ", " : "");
        put_real(p, s->correlations[j], 3);
    }
    put(p, s->components > n ? ", ... ." : ".");
}

static void say_stability(paragraph *p)
{
    const mucmm_stability *linear = p->m->linear.stability, *heads = p->m->heads.stability;

    if (linear) {
        put(p, " Stability of the closed form and intervals of loadings: ");
        put_counted(p, linear->compared, "bootstrap replicate");
        cite(p, MUCMM__REF_EFRON, " (Efron 1979), components paired one to one; ");
        put_count(p, linear->returning);
        put(p, " of ");
        put_count(p, linear->components);
        put(p, linear->returning == 1 ? " came back." : " come back.");
    }
    if (heads) {
        put(p, " Of the trained components ");
        put_count(p, heads->returning);
        put(p, " of ");
        put_count(p, heads->components);
        put(p, " come back from ");
        put_counted(p, heads->compared, "other start");
        put(p, ".");
    }
}

void mucmm__cite_paragraph(mucmm__text *t, const mucmm_model *m, bool used[MUCMM__REFERENCES])
{
    const bool judged = m->cross_fit ? m->cross_fit->folds > 0 : m->rows[MUCMM_ROWS_HELD_OUT] > 0;
    const mucmm__solution *r = m->heads.rho ? &m->heads : &m->linear;
    paragraph p = {.t = t,
                   .m = m,
                   .used = used,
                   .trained = m->facts.common_kept == MUCMM_KEPT_TRAINED,
                   .cross = m->cross_fit,
                   .s = r->summary[judged ? MUCMM_ROWS_HELD_OUT : MUCMM_ROWS_TRAIN]};
    void (*const sentences[])(paragraph *) = {
        say_views,  say_rows,       say_filled, say_robust,      say_adjusted,     say_scaling,
        say_common, say_individual, say_test,   say_significant, say_correlations, say_stability};

    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        sentences[i](&p);
    if (!p.cross && m->rows[MUCMM_ROWS_HELD_OUT] > 0)
        return; /* the split named it */
    mucmm__text_format(t, " All random numbers have the seed %" PRIu64 ".", m->params.seed);
}
