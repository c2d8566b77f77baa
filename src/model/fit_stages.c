/* SPDX-License-Identifier: MIT
 *
 * Which stages of common heads are trained, and what is kept of them: section 2 of the method.
 *
 * All dimensions are trained at once, from both starts: from the closed form and from scratch, and
 * from scratch again for every restart; the one with the largest total correlation of fixed
 * projections on the choosing rows is kept, unless the closed form itself says more, and with
 * restarts its components are compared with those of the others. If stages are asked for, later
 * ones look for what nonlinear features of the variates found before do not predict. */
#include "model/fit_stages.h"
#include "model/fit_rows.h"

#include "model/fit_common.h"
#include "model/fit_rows.h"
#include "model/represent.h"
#include "model/stability.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Of the tests that decide on sizes of stages. */
#define PERMUTATIONS 1000
/* Fewer rows than these decide nothing: one stage, trained heads, and no restarts. */
#define LEAST_ROWS 20
/* Trained heads must say more than the closed form by this share, and by so many standard errors
 * (they were chosen among epochs and starts); of a component at least so much variance counts as
 * unexplained (what is below is rounding). */
#define TIE 1e-3
#define CHANCE 3
#define LEAST_UNEXPLAINED 1e-6

/* ---- what is found ----------------------------------------------------------------- */

/* All common variates of every view so far, c[m] [n, width], as doubles, on every `every`-th row.
 */
static mucmm_status common_variates(mucmm__fit *f, const mucmm__solution *rep, mucmm__rows part,
                                    int64_t every, mucmm__block *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t n, count, k = mucmm__common_width(&rep->view[0]), *picked = NULL;
    const int64_t *rows = mucmm__rows_of(f, part, &n);
    float *y = NULL;

    count = (n + every - 1) / every;
    TRY(mucmm__alloc(f->ctx, count, sizeof *picked, &picked));
    TRY(mucmm__alloc(f->ctx, count * k, sizeof *y, &y));
    for (int64_t i = 0; i < count; i++)
        picked[i] = rows[i * every];
    for (int32_t m = 0; m < f->model->n_views; m++) {
        c[m] = (mucmm__block){NULL, count, k};
        TRY(mucmm__alloc(f->ctx, count * k, sizeof(double), &c[m].data));
        TRY(mucmm__represent(f->ctx, f->model, rep, m, f->data[m], picked, count, y, NULL));
        mucmm__to_double(y, count * k, c[m].data);
    }
done:
    mucmm__free(picked);
    mucmm__free(y);
    return status;
}

static void blocks_drop(mucmm__block *c)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(c[m].data);
        c[m] = (mucmm__block){0};
    }
}

/* r2 [k], judged on the rows of a part: mean over the views. NaN where there are too few training
 * rows to fit anything. */
static mucmm_status harmonic_marks(mucmm__fit *f, const mucmm__solution *rep, mucmm__rows part,
                                   double *r2)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(&rep->view[0]);
    int64_t every = (f->n_train + MUCMM__EVALUATION_ROWS - 1) / MUCMM__EVALUATION_ROWS;
    mucmm__block train[MUCMM_MAX_VIEWS] = {{0}}, judged[MUCMM_MAX_VIEWS] = {{0}};
    double *one = NULL;
    int64_t n_judged;

    mucmm__rows_of(f, part, &n_judged);
    TRY(mucmm__alloc(f->ctx, k, sizeof *one, &one));
    for (int64_t j = 0; j < k; j++)
        r2[j] = f->n_train < 8 * (k + 1) || n_judged == 0 ? NAN : 0;
    if (isnan(r2[0]))
        goto done;
    TRY(common_variates(f, rep, MUCMM__TRAINING, every, train));
    TRY(common_variates(f, rep, part, 1, judged));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        TRY(mucmm__harmonics(f->ctx, &train[m], &judged[m], one));
        for (int64_t j = 0; j < k; j++)
            r2[j] += one[j] / f->model->n_views;
    }
done:
    blocks_drop(train);
    blocks_drop(judged);
    mucmm__free(one);
    return status;
}

mucmm_status mucmm__mark_harmonics(mucmm__fit *f, mucmm__solution *r)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(f->ctx, f->model->k, sizeof *r->harmonic, &r->harmonic));
    TRY(harmonic_marks(f, r, MUCMM__HELD_OUT, r->harmonic));
done:
    return status;
}

/* Where trained heads found the number of components, what found them is trained again: the closed
 * form has not so many, so there is no start from it. */
static int64_t start_width(const mucmm__fit *f, int64_t k)
{
    return f->start_width > k ? f->start_width : k;
}

static int32_t first_start(const mucmm__fit *f)
{
    return f->start_width > 0 ? MUCMM__STAGE_SCRATCH : MUCMM__STAGE_SKIP;
}

/* Of heads with width outputs in their canonical form the k leading ones. */
static mucmm_status lead_heads(mucmm__fit *f, int64_t width, int64_t k, mucmm__deflated *found)
{
    mucmm_status status = MUCMM_OK;
    double *select = NULL, *zero = NULL;

    if (width == k)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, width * k, sizeof *select, &select));
    TRY(mucmm__alloc(f->ctx, width, sizeof *zero, &zero));
    for (int64_t j = 0; j < k; j++)
        select[j * k + j] = 1;
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__head_affine(f->ctx, &found[m].head, zero, select, k));
done:
    mucmm__free(select);
    mucmm__free(zero);
    return status;
}

/* The common heads of rep, from the start number `stage`, which is trained already: canonical form,
 * and rho [k]. */
static mucmm_status take_start(mucmm__fit *f, mucmm__stage stage, int64_t k, bool kept,
                               mucmm__solution *rep)
{
    mucmm_status status = MUCMM_OK;
    mucmm__deflated found[MUCMM_MAX_VIEWS] = {0};
    int64_t width = start_width(f, k);
    double *rho = NULL;

    TRY(mucmm__alloc(f->ctx, width, sizeof *rho, &rho));
    TRY(mucmm__common_heads(f, stage, width, kept, found, rho));
    TRY(lead_heads(f, width, k, found));
    memcpy(rep->rho, rho, (size_t)k * sizeof *rho);
    for (int32_t m = 0; m < f->model->n_views; m++) {
        rep->view[m].common = found[m].head;
        found[m].head = (mucmm__head){0};
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__deflated_drop(&found[m]);
    mucmm__free(rho);
    return status;
}

/* ---- a trial ----------------------------------------------------------------------- */

/* How many components of rep lead to the last that counts, judged on f->choosing. */
static mucmm_status count_leading(mucmm__fit *f, const mucmm__solution *rep, double level,
                                  int64_t *leading)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    int64_t k = mucmm__common_width(&rep->view[0]);
    double *correlations = NULL, *p_values = NULL, *r2 = NULL;

    TRY(mucmm__alloc(f->ctx, k, sizeof *correlations, &correlations));
    TRY(mucmm__alloc(f->ctx, k, sizeof *p_values, &p_values));
    TRY(mucmm__alloc(f->ctx, k, sizeof *r2, &r2));
    TRY(harmonic_marks(f, rep, MUCMM__CHOOSING, r2));
    TRY(common_variates(f, rep, MUCMM__CHOOSING, 1, c));
    TRY(mucmm__test_rows(f, MUCMM__CHOOSING, c, PERMUTATIONS, correlations, p_values, NULL));
    for (int64_t j = 0; j < k; j++) {
        if (r2[j] >= MUCMM_HARMONIC_R2)
            continue;
        if (!(p_values[j] <= level))
            break;
        *leading = j + 1;
    }
done:
    blocks_drop(c);
    mucmm__free(correlations);
    mucmm__free(p_values);
    mucmm__free(r2);
    return status;
}

/* Training and judging, of the trial's own parameters. */
static mucmm_status run_trial(mucmm__fit *f, int64_t k, double level, int64_t *leading)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution rep = {0};
    int64_t half = f->n_choosing / 2, *choosing = f->choosing, all = f->n_choosing;

    while (f->p->groups && half < all - 1 && /* they stand group by group */
           f->p->groups[choosing[half]] == f->p->groups[choosing[half - 1]])
        half++;
    TRY(mucmm__alloc(f->ctx, k, sizeof *rep.rho, &rep.rho));
    f->n_choosing = half;
    TRY(take_start(f, MUCMM__STAGE_SCRATCH, k, false, &rep));
    f->choosing = choosing + half;
    f->n_choosing = all - half;
    TRY(count_leading(f, &rep, level, leading));
done:
    f->choosing = choosing;
    f->n_choosing = all;
    mucmm__solution_drop(&rep);
    return status;
}

mucmm_status mucmm__try_common(mucmm__fit *f, int64_t k, double level, int64_t *leading)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_fit_params *asked = f->p;
    mucmm_fit_params trial = *asked;
    int64_t known = f->model->k;

    *leading = 0;
    trial.common = k;
    trial.checkpoint = NULL;
    f->p = &trial;
    f->model->k = k;
    TRY(mucmm__choose_batch(f));
    mucmm__resolve_epochs(f, &trial);
    TRY(run_trial(f, k, level, leading));
done:
    f->p = asked;
    f->model->k = known;
    f->stage_now = 0;
    mucmm__trainer_drop(&f->stage[MUCMM__STAGE_SCRATCH]);
    mucmm__free(f->model->history);
    f->model->history = NULL;
    f->model->n_history = 0;
    return status;
}

/* Tests the variates from `first` on: which are significant on the choosing rows and no harmonics,
 * keep [k - first], and how many are the former and both. */
static mucmm_status choose_components(mucmm__fit *f, int64_t first, bool *keep,
                                      int64_t *significant, int64_t *kept)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = &f->model->heads;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    double *correlations = NULL, *p_values = NULL, *r2 = NULL;
    int64_t k = mucmm__common_width(&rep->view[0]), fresh = k - first;

    TRY(mucmm__alloc(f->ctx, k, sizeof *r2, &r2));
    TRY(harmonic_marks(f, rep, MUCMM__CHOOSING, r2));
    TRY(mucmm__alloc(f->ctx, fresh, sizeof *correlations, &correlations));
    TRY(mucmm__alloc(f->ctx, fresh, sizeof *p_values, &p_values));
    TRY(common_variates(f, rep, MUCMM__CHOOSING, 1, c));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        for (int64_t i = 0; i < c[m].rows; i++) /* the new columns alone */
            memmove(c[m].data + i * fresh, c[m].data + i * k + first,
                    (size_t)fresh * sizeof(double));
        c[m].cols = fresh;
    }
    TRY(mucmm__test_rows(f, MUCMM__CHOOSING, c, PERMUTATIONS, correlations, p_values, NULL));
    *significant = *kept = 0;
    for (int64_t j = 0; j < fresh; j++) {
        keep[j] = p_values[j] <= MUCMM_SIGNIFICANT && !(r2[first + j] >= MUCMM_HARMONIC_R2);
        *significant += p_values[j] <= MUCMM_SIGNIFICANT;
        *kept += keep[j];
    }
done:
    blocks_drop(c);
    mucmm__free(correlations);
    mucmm__free(p_values);
    mucmm__free(r2);
    return status;
}

/* ---- the stages -------------------------------------------------------------------- */

/* Of the last stage of every view only the components that are kept. */
static mucmm_status drop_components(mucmm__fit *f, mucmm__solution *rep, int64_t k,
                                    const bool *keep, int64_t kept)
{
    mucmm_status status = MUCMM_OK;
    int64_t first = mucmm__common_width(&rep->view[0]) - k, at = 0;
    double *select = NULL, *zero = NULL, *weights = NULL;

    TRY(mucmm__alloc(f->ctx, k * kept, sizeof *select, &select));
    TRY(mucmm__alloc(f->ctx, k, sizeof *zero, &zero));
    for (int64_t j = 0; j < k; j++)
        if (keep[j]) {
            select[j * kept + at] = 1;
            rep->rho[first + at++] = rep->rho[first + j];
        }
    for (int32_t m = 0; m < f->model->n_views; m++) {
        mucmm__view_heads *v = &rep->view[m];
        mucmm__deflated *d = v->n_later > 0 ? &v->later[v->n_later - 1] : NULL;
        TRY(mucmm__head_affine(f->ctx, d ? &d->head : &v->common, zero, select, kept));
        if (!d)
            continue;
        int64_t width = mucmm__psi_width(&d->psi);
        TRY(mucmm__alloc(f->ctx, width * kept, sizeof *weights, &weights));
        TRY(mucmm__dgemm(f->ctx, false, false, width, kept, k, 1, d->weights, k, select, kept, 0,
                         weights, kept));
        mucmm__free(d->weights);
        d->weights = weights;
        weights = NULL;
    }
done:
    mucmm__free(select);
    mucmm__free(zero);
    mucmm__free(weights);
    return status;
}

/* targets[m], rest[m]: the variates on the choosing rows, and what nonlinear features of those
 * before do not predict of them; with too few training rows to learn that, the variates themselves.
 */
static mucmm_status take_out_harmonics(mucmm__fit *f, const mucmm__solution *rep,
                                       mucmm__block *targets, mucmm__block *rest)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(&rep->view[0]);
    int64_t every = (f->n_train + MUCMM__EVALUATION_ROWS - 1) / MUCMM__EVALUATION_ROWS;
    mucmm__block train[MUCMM_MAX_VIEWS] = {{0}}, c[MUCMM_MAX_VIEWS] = {{0}};

    TRY(common_variates(f, rep, MUCMM__TRAINING, every, train));
    TRY(common_variates(f, rep, MUCMM__CHOOSING, 1, c));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        size_t size = (size_t)(c[m].rows * k) * sizeof(double);
        targets[m] = rest[m] = (mucmm__block){NULL, c[m].rows, k};
        TRY(mucmm__alloc(f->ctx, c[m].rows * k, sizeof(double), &targets[m].data));
        TRY(mucmm__alloc(f->ctx, c[m].rows * k, sizeof(double), &rest[m].data));
        if (f->n_train >= 8 * (k + 1)) {
            TRY(mucmm__less_harmonics(f->ctx, &train[m], &c[m], targets[m].data, rest[m].data));
        } else {
            memcpy(targets[m].data, c[m].data, size);
            memcpy(rest[m].data, c[m].data, size);
        }
    }
done:
    blocks_drop(train);
    blocks_drop(c);
    return status;
}

/* Cov(rest) over the standard deviations of the targets, column j, views m and l; adds to influence
 * [n] what each row has in it (that of a correlation: x y - rho (x^2 + y^2) / 2), times weight. */
static double fresh_correlation(const mucmm__block *targets, const mucmm__block *rest, int32_t m,
                                int32_t l, int64_t j, double weight, double *influence)
{
    const double *x[] = {targets[m].data, targets[l].data, rest[m].data, rest[l].data};
    int64_t n = rest[m].rows, k = rest[m].cols;
    double mean[4] = {0}, square[2] = {0}, rho = 0;

    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < 4; v++)
            mean[v] += x[v][i * k + j] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < 2; v++)
            square[v] += pow(x[v][i * k + j] - mean[v], 2) / (double)n;
    if (!(square[0] * square[1] > 0))
        return 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            double d[4], both;
            for (int v = 0; v < 4; v++)
                d[v] = x[v][i * k + j] - mean[v];
            both = d[2] * d[3] / sqrt(square[0] * square[1]);
            if (pass == 0)
                rho += both / (double)n;
            else
                influence[i] +=
                    weight * (both - rho * (d[0] * d[0] / square[0] + d[1] * d[1] / square[1]) / 2);
        }
    return rho;
}

/* sum_j -log(1 - rho_j^2) / 2, rho_j the correlations on the choosing rows (means over pairs of
 * views) of what nonlinear features of the components before j do not predict: harmonics say
 * nothing that has not been counted. Of jointly Gaussian views and the closed form it is the
 * information they have in common, in nats. influence [n]: gets sign times what each row has in it
 * added (the delta method). */
static mucmm_status information(mucmm__fit *f, const mucmm__solution *rep, double sign,
                                double *nats, double *influence)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block targets[MUCMM_MAX_VIEWS] = {{0}}, rest[MUCMM_MAX_VIEWS] = {{0}};
    int32_t views = f->model->n_views;
    double *of_rho = NULL, pairs = 0.5 * views * (views - 1);

    *nats = 0;
    TRY(take_out_harmonics(f, rep, targets, rest));
    TRY(mucmm__alloc(f->ctx, rest[0].rows, sizeof *of_rho, &of_rho));
    for (int64_t j = 0; j < rest[0].cols; j++) {
        double rho = 0, left;
        memset(of_rho, 0, (size_t)rest[0].rows * sizeof *of_rho);
        for (int32_t m = 0; m < views; m++)
            for (int32_t l = 0; l < m; l++)
                rho += fresh_correlation(targets, rest, m, l, j, 1 / pairs, of_rho) / pairs;
        if (rho <= 0)
            continue;
        left = fmax(1 - rho * rho, LEAST_UNEXPLAINED);
        *nats -= log(left) / 2;
        for (int64_t i = 0; i < rest[0].rows; i++)
            influence[i] += sign * rho / left * of_rho[i];
    }
done:
    blocks_drop(targets);
    blocks_drop(rest);
    mucmm__free(of_rho);
    return status;
}

/* How many nats more the trained heads have than the closed form, and the standard error of that:
 * both are of the same rows, whose chances cancel. */
static mucmm_status compare_information(mucmm__fit *f, double *closed, double *trained, double *se)
{
    mucmm_status status = MUCMM_OK;
    double *influence = NULL, square = 0, n = (double)f->n_choosing;

    TRY(mucmm__alloc(f->ctx, f->n_choosing, sizeof *influence, &influence));
    TRY(information(f, &f->model->linear, -1, closed, influence));
    TRY(information(f, &f->model->heads, 1, trained, influence));
    for (int64_t i = 0; i < f->n_choosing; i++)
        square += influence[i] * influence[i];
    *se = sqrt(square) / n;
done:
    mucmm__free(influence);
    return status;
}

/* Where what is shared is linear, total correlation can prefer trained heads to the truth: for it a
 * harmonic of a strong component is worth as much as a weak one and more. In nats the strong
 * components, which training only blurs, weigh more, and harmonics nothing. */
static mucmm_status prefer_closed_form(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    double closed, trained, se;

    /* components that trained heads alone found (mucmm__try_common) are theirs */
    if (f->p->head != MUCMM_HEAD_AUTO || f->n_choosing < LEAST_ROWS || f->start_width > 0)
        return MUCMM_OK;
    TRY(compare_information(f, &closed, &trained, &se));
    if (trained - closed > fmax(TIE * closed, CHANCE * se))
        goto done;
    mucmm__info(f->ctx,
                "common heads: the closed form is kept; by what its components add to those before "
                "them it has %.2f nats on the choosing rows, trained heads %.2f",
                closed, trained);
    mucmm__common_drop(&model->heads);
    for (int32_t m = 0; m < model->n_views; m++)
        TRY(mucmm__head_copy(f->ctx, &model->linear.view[m].common, &model->heads.view[m].common));
    memcpy(model->heads.rho, model->linear.rho, (size_t)model->k * sizeof(double));
    model->start = -1;
done:
    return status;
}

/* All starts; of those with the largest total correlation on choosing rows the first, or the closed
 * form.
 */
static mucmm_status first_stage(mucmm__fit *f, int64_t k)
{
    mucmm_status status = MUCMM_OK;
    int32_t best = first_start(f);

    for (int32_t s = best; s < MUCMM__STAGE_RESTART + f->p->restarts; s++) {
        TRY(mucmm__train_common(f, (mucmm__stage)s, start_width(f, k)));
        best = f->stage[s].best > f->stage[best].best ? s : best;
    }
    f->stage_now = f->stage_now < MUCMM__STAGE_LATER ? MUCMM__STAGE_LATER : f->stage_now;
    f->model->start = best;
    TRY(take_start(f, (mucmm__stage)best, k, true, &f->model->heads));
    TRY(prefer_closed_form(f));
done:
    return status;
}

static mucmm_status check_restarts(mucmm__fit *f)
{
    if (f->p->restarts > 0 && f->n_held_out < LEAST_ROWS)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "%" PRId64 " held-out rows are too few to compare restarts on; at least "
                           "%d are needed: give a larger `validation`, or leave out `restarts`",
                           f->n_held_out, LEAST_ROWS);
    return MUCMM_OK;
}

/* Which components of the heads that are kept come back from the other starts, on the held-out
 * rows. */
static mucmm_status compare_starts(mucmm__fit *f, int64_t k)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution *rep = &f->model->heads, other = {0};
    mucmm__block ours[MUCMM_MAX_VIEWS] = {{0}}, theirs[MUCMM_MAX_VIEWS] = {{0}};
    mucmm__comparisons c = {0};
    int32_t starts = MUCMM__STAGE_RESTART + f->p->restarts, others;
    int64_t *rows = NULL;

    TRY(mucmm__alloc(f->ctx, f->n_held_out, sizeof *rows, &rows));
    for (int64_t i = 0; i < f->n_held_out; i++)
        rows[i] = i;
    TRY(common_variates(f, rep, MUCMM__HELD_OUT, 1, ours));
    others = starts - first_start(f) - (f->model->start >= 0);
    TRY(mucmm__comparisons_create(f->ctx, f->model->n_views, k, others, f->n_held_out, &c));
    mucmm__include(&c, rows, ours);
    for (int32_t s = first_start(f); s < starts; s++) {
        if (s == f->model->start)
            continue;
        TRY(mucmm__alloc(f->ctx, k, sizeof *other.rho, &other.rho));
        TRY(take_start(f, (mucmm__stage)s, k, false, &other));
        TRY(common_variates(f, &other, MUCMM__HELD_OUT, 1, theirs));
        TRY(mucmm__compare(f->ctx, &c, rows, ours, theirs));
        blocks_drop(theirs);
        mucmm__solution_drop(&other);
    }
    TRY(mucmm__stability_make(f->ctx, &c, 0, &rep->stability));
done:
    mucmm__comparisons_drop(&c);
    mucmm__solution_drop(&other);
    blocks_drop(ours);
    blocks_drop(theirs);
    mucmm__free(rows);
    return status;
}

/* Stage number t after the first, of k dimensions, behind the variates found so far. */
static mucmm_status later_stage(mucmm__fit *f, int32_t t, int64_t k)
{
    mucmm__solution *rep = &f->model->heads;
    mucmm__deflated found[MUCMM_MAX_VIEWS] = {0};
    double *rho = rep->rho + mucmm__common_width(&rep->view[0]);
    mucmm_status status =
        mucmm__common_heads(f, (mucmm__stage)(MUCMM__STAGE_LATER + t), k, true, found, rho);

    for (int32_t m = 0; m < f->model->n_views; m++)
        if (status == MUCMM_OK)
            rep->view[m].later[rep->view[m].n_later++] = found[m];
        else
            mucmm__deflated_drop(&found[m]);
    return status;
}

/* The stages after the first, until all dimensions are used. Of each what is not new is dropped,
 * unless it is the last: because it added nothing, or must be. keep [k]. */
static mucmm_status later_stages(mucmm__fit *f, int64_t found, bool *keep)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->model->k, size, significant, kept;
    int32_t later = f->p->stages > 0 ? f->p->stages - 1 : MUCMM__LATER;

    for (int32_t t = 0; found < total; t++) {
        size = total - found;
        TRY(later_stage(f, t, size));
        TRY(choose_components(f, found, keep, &significant, &kept));
        mucmm__info(f->ctx, "stage %d: %" PRId64 " of %" PRId64 " dimensions are new", t + 2, kept,
                    size);
        if (kept == 0 || kept == size || t + 1 == later)
            break;
        TRY(drop_components(f, &f->model->heads, size, keep, kept));
        found += kept;
    }
done:
    return status;
}

/* All dimensions at once. If some of them are harmonics, they are given to later stages; what comes
 * out is kept if it has more dimensions that are none. */
mucmm_status mucmm__fit_common(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__solution *rep = &f->model->heads;
    int64_t total = f->model->k, significant = 0, once = 0, staged = 0;
    bool *keep = NULL;

    TRY(mucmm__alloc(f->ctx, total, sizeof *keep, &keep));
    TRY(mucmm__alloc(f->ctx, total, sizeof(double), &rep->rho));
    TRY(check_restarts(f));
    TRY(first_stage(f, total));
    if (f->p->restarts > 0)
        TRY(compare_starts(f, total));
    if (f->p->stages != 1 && f->n_choosing >= LEAST_ROWS)
        TRY(choose_components(f, 0, keep, &significant, &once));
    if (once > 0 && once < significant) {
        TRY(drop_components(f, rep, total, keep, once));
        TRY(later_stages(f, once, keep));
        TRY(choose_components(f, 0, keep, &significant, &staged));
        mucmm__info(f->ctx,
                    "dimensions that are no harmonics: %" PRId64 " at once, %" PRId64 " in stages",
                    once, staged);
        if (staged <= once) {
            mucmm__common_drop(rep);
            TRY(first_stage(f, total)); /* trained already */
        }
    }
    f->stage_now = f->stage_now < MUCMM__STAGE_TRANSPORT ? MUCMM__STAGE_TRANSPORT : f->stage_now;
done:
    mucmm__free(keep);
    return status;
}
