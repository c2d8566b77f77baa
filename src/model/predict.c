/* SPDX-License-Identifier: MIT
 *
 * The common variates of a view that a row lacks, from those of the views it has: the best linear
 * prediction under the joint covariance of the common variates of all views, with an error bar that
 * depends on what is predicted and is calibrated on held-out rows (section 5 of the method). */
#include "model/local_scale.h"
#include "model/represent.h"

#include <math.h>
#include <string.h>

/* Relative to the mean variance of the variates that predict: those of strongly correlated views
 * may be nearly dependent. */
#define PREDICTION_RIDGE 1e-8
/* Fewer held-out rows say too little of an error. */
#define LEAST_HELD_OUT 5

/* ---- prediction -------------------------------------------------------------------- */

/* The prediction for rows that have the same views. */
typedef struct predictor {
    int64_t k, w, first;       /* first: where the variates of the view begin that is predicted */
    int64_t n_from, *from;     /* variates that predict: numbers among all w                  */
    double *weights;           /* [n_from, k]                                                 */
    double *sd;                /* [k], or what local scales are multiplied by                 */
    mucmm__local_scale *local; /* [k]; NULL: the same everywhere                          */
} predictor;

/* weights = (S_from,from + ridge)^-1 S_from,view; work [n_from, n_from]. */
static mucmm_status solve_weights(mucmm_ctx *ctx, const double *cov, predictor *p, double *work)
{
    mucmm_status status = MUCMM_OK;
    int64_t s = p->n_from;
    double trace = 0;

    for (int64_t i = 0; i < s; i++) {
        const double *row = cov + p->from[i] * p->w;
        for (int64_t j = 0; j < s; j++)
            work[i * s + j] = row[p->from[j]];
        memcpy(p->weights + i * p->k, row + p->first, (size_t)p->k * sizeof *row);
        trace += work[i * (s + 1)];
    }
    for (int64_t i = 0; i < s; i++)
        work[i * (s + 1)] += PREDICTION_RIDGE * trace / (double)s;
    TRY(mucmm__cholesky(ctx, s, work, "the covariance of the views' common variates"));
    TRY(mucmm__solve_lower(ctx, false, s, p->k, work, p->weights));
    TRY(mucmm__solve_lower(ctx, true, s, p->k, work, p->weights));
done:
    return status;
}

/* Mean square of c_j - weights_j'c under a matrix of mean products. */
static double error_variance(const double *products, const predictor *p, int64_t j)
{
    int64_t at = p->first + j;
    double sum = products[at * (p->w + 1)];

    for (int64_t a = 0; a < p->n_from; a++) {
        const double *row = products + p->from[a] * p->w;
        double inner = -2 * row[at];
        for (int64_t b = 0; b < p->n_from; b++)
            inner += row[p->from[b]] * p->weights[b * p->k + j];
        sum += p->weights[a * p->k + j] * inner;
    }
    return sum > 0 ? sum : 0;
}

static void predictor_drop(predictor *p)
{
    mucmm__free(p->from);
    mucmm__free(p->weights);
    mucmm__free(p->sd);
    mucmm__free(p->local);
    *p = (predictor){0};
}

/* ---- error bars -------------------------------------------------------------------- */

/* Of a row of all views' variates [w]: what is predicted of variate j, and the length of what
 * predicts. */
static double predict_one(const predictor *p, const double *mean, const float *row, int64_t j,
                          double *length)
{
    double sum = mean[p->first + j], square = 0;

    for (int64_t a = 0; a < p->n_from; a++) {
        double x = (double)row[p->from[a]] - mean[p->from[a]];
        sum += p->weights[a * p->k + j] * x;
        square += x * x;
    }
    *length = sqrt(square);
    return sum;
}

/* Of the rows kept of a part: features [2, n] and absolute errors [n] of variate j. */
static void sampled_errors(const predictor *p, const mucmm__joint *joint, mucmm_rows part,
                           int64_t j, double *features, double *errors)
{
    int64_t n = joint->sampled[part];

    for (int64_t i = 0; i < n; i++) {
        const float *row = joint->sample[part] + i * p->w;
        features[i] = predict_one(p, joint->mean, row, j, &features[n + i]);
        errors[i] = fabs((double)row[p->first + j] - features[i]);
    }
}

/* Local scales of the training rows' errors, calibrated on the held-out rows; where these are too
 * few for that (below 19), the scales are raised by as much as the errors there are larger on the
 * whole, raised [k]. */
static mucmm_status find_scales(mucmm_ctx *ctx, const mucmm__joint *joint, predictor *p,
                                const double *raised)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = joint->sampled[MUCMM_ROWS_TRAIN], other = joint->sampled[MUCMM_ROWS_HELD_OUT];
    int64_t most = n > other ? n : other;
    double *features = NULL, *errors = NULL, factor;

    TRY(mucmm__alloc(ctx, p->k, sizeof *p->local, &p->local));
    TRY(mucmm__alloc(ctx, 2 * most, sizeof *features, &features));
    TRY(mucmm__alloc(ctx, most, sizeof *errors, &errors));
    for (int64_t j = 0; j < p->k; j++) {
        sampled_errors(p, joint, MUCMM_ROWS_TRAIN, j, features, errors);
        TRY(mucmm__local_scale_fit(ctx, n, features, errors, &p->local[j]));
        sampled_errors(p, joint, MUCMM_ROWS_HELD_OUT, j, features, errors);
        for (int64_t i = 0; i < other; i++)
            errors[i] /= mucmm__local_scale_at(&p->local[j], features[i], features[other + i]);
        factor = mucmm__conformal_factor(other, errors);
        p->sd[j] = (isfinite(factor) ? factor : raised[j]) / MUCMM__COVERAGE_SD;
    }
done:
    mucmm__free(features);
    mucmm__free(errors);
    return status;
}

/* p->sd [k]: the same everywhere, or local. */
static mucmm_status find_error(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__joint *joint,
                               predictor *p)
{
    mucmm_status status = MUCMM_OK;
    double *raised = NULL;

    TRY(mucmm__alloc(ctx, p->k, sizeof *p->sd, &p->sd));
    TRY(mucmm__alloc(ctx, p->k, sizeof *raised, &raised));
    for (int64_t j = 0; j < p->k; j++) {
        double train = error_variance(joint->train, p, j), variance = train;
        if (m->rows[MUCMM_ROWS_HELD_OUT] >= LEAST_HELD_OUT)
            variance = fmax(variance, error_variance(joint->held_out, p, j));
        p->sd[j] = sqrt(variance);
        raised[j] = train > 0 ? sqrt(variance / train) : 1;
    }
    if (joint->sampled[MUCMM_ROWS_TRAIN] >= MUCMM__LEAST_LOCAL)
        TRY(find_scales(ctx, joint, p, raised));
done:
    mucmm__free(raised);
    return status;
}

/* present: bit m is set if the rows have view m; error: of its sd too. */
static mucmm_status predictor_make(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__joint *joint,
                                   int32_t view, uint32_t present, bool error, predictor *p)
{
    mucmm_status status = MUCMM_OK;
    double *work = NULL;

    *p = (predictor){.k = m->k, .w = m->n_views * m->k, .first = view * m->k};
    TRY(mucmm__alloc(ctx, p->w, sizeof *p->from, &p->from));
    for (int32_t v = 0; v < m->n_views; v++)
        for (int64_t j = 0; j < m->k && present >> v & 1; j++)
            p->from[p->n_from++] = v * m->k + j;
    TRY(mucmm__alloc(ctx, p->n_from * p->k, sizeof *p->weights, &p->weights));
    TRY(mucmm__alloc(ctx, p->n_from * p->n_from, sizeof *work, &work));
    if (p->n_from > 0)
        TRY(solve_weights(ctx, joint->train, p, work));
    if (error)
        TRY(find_error(ctx, m, joint, p));
done:
    mucmm__free(work);
    return status;
}

/* Row i of predicted and, if it is asked for, sd; row [w] is scratch. */
static void predict_row(const predictor *p, const double *mean, const mucmm_cmat *common, int64_t i,
                        float *row, float *predicted, float *sd)
{
    for (int64_t a = 0; a < p->n_from; a++) {
        const mucmm_cmat *c = &common[p->from[a] / p->k];
        row[p->from[a]] = c->data[i * c->stride + p->from[a] % p->k];
    }
    for (int64_t j = 0; j < p->k; j++) {
        double length, value = predict_one(p, mean, row, j, &length), scale = 1;
        predicted[j] = (float)value;
        if (sd && p->local)
            scale = mucmm__local_scale_at(&p->local[j], value, length);
        if (sd)
            sd[j] = (float)(scale * p->sd[j]);
    }
}

/* ---- rows -------------------------------------------------------------------------- */

/* Views other than the one predicted that row i has. */
static uint32_t row_views(const mucmm_model *m, const mucmm_cmat *common, int32_t view, int64_t i)
{
    uint32_t present = 0;

    for (int32_t v = 0; v < m->n_views; v++)
        if (v != view && common[v].data && !isnan(common[v].data[i * common[v].stride]))
            present |= 1u << v;
    return present;
}

static mucmm_status check_prediction(mucmm_ctx *ctx, const mucmm_model *m,
                                     const mucmm__joint *joint, const mucmm_cmat *common,
                                     int32_t view, const mucmm_mat *predicted, const mucmm_mat *sd)
{
    const mucmm_mat *out[] = {predicted, sd};

    if (view < 0 || view >= m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG, "view %d is out of range: the model has %d", view,
                           m->n_views);
    if (!joint->mean)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "view '%s' cannot be predicted: the model does not hold the covariance "
                           "of its common variates (an earlier version fitted it, or it has more "
                           "than %d of them); fit it again, or give the view",
                           m->view[view].name, MUCMM__COVARIANCE_MAX);
    for (int i = 0; i < 2; i++)
        if (out[i] &&
            (out[i]->rows != predicted->rows || out[i]->cols != m->k || out[i]->stride < m->k))
            return mucmm__fail(ctx, MUCMM_ESHAPE, "%s is [%lld, %lld]; it must be [%lld, %lld]",
                               i ? "sd" : "predicted", (long long)out[i]->rows,
                               (long long)out[i]->cols, (long long)predicted->rows,
                               (long long)m->k);
    for (int32_t v = 0; v < m->n_views; v++)
        if (v != view && common[v].data &&
            (common[v].rows != predicted->rows || common[v].cols != m->k ||
             common[v].stride < m->k))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "the common variates of view '%s' are [%lld, %lld]; they must be "
                               "[%lld, %lld]",
                               m->view[v].name, (long long)common[v].rows,
                               (long long)common[v].cols, (long long)predicted->rows,
                               (long long)m->k);
    return MUCMM_OK;
}

/* The rows from `first` on that have the views `present`. */
static mucmm_status predict_rows(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__joint *joint,
                                 const mucmm_cmat *common, int32_t view, uint32_t present,
                                 int64_t first, const mucmm_mat *predicted, const mucmm_mat *sd)
{
    mucmm_status status = MUCMM_OK;
    predictor p = {0};
    float *row = NULL;

    TRY(predictor_make(ctx, m, joint, view, present, sd != NULL, &p));
    TRY(mucmm__alloc(ctx, p.w, sizeof *row, &row));
    for (int64_t i = first; i < predicted->rows; i++)
        if (row_views(m, common, view, i) == present)
            predict_row(&p, joint->mean, common, i, row, predicted->data + i * predicted->stride,
                        sd ? sd->data + i * sd->stride : NULL);
done:
    mucmm__free(row);
    predictor_drop(&p);
    return status;
}

mucmm_status mucmm_predict_common(mucmm_ctx *ctx, const mucmm_model *m,
                                  mucmm_representation representation, const mucmm_cmat *common,
                                  int32_t view, const mucmm_mat *predicted, const mucmm_mat *sd)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__joint *joint = &mucmm__model_solution(m, representation)->joint;
    bool *seen = NULL;

    TRY(check_prediction(ctx, m, joint, common, view, predicted, sd));
    TRY(mucmm__alloc(ctx, (int64_t)1 << m->n_views, sizeof *seen, &seen));
    for (int64_t i = 0; i < predicted->rows; i++) {
        uint32_t present = row_views(m, common, view, i);
        if (seen[present])
            continue;
        seen[present] = true;
        TRY(predict_rows(ctx, m, joint, common, view, present, i, predicted, sd));
    }
done:
    mucmm__free(seen);
    return status;
}
