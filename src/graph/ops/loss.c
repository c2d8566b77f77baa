/* SPDX-License-Identifier: MIT
 *
 * loss.c - NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 *
 * scores x [N, C, D...], targets t [N, D...]; at each place p, with w the weight of the target's
 * class (1 without weights, 0 where the target is ignore_index):
 *   loss_p = -w_p y_p[t_p],  y = x, or the logarithm of the softmax of x over C
 * and their sum, their sum over the sum of w (mean), or each by itself. With g_p the cotangent of
 * loss_p times w_p, and v that of y where y is an output:
 *   dy = v - g_p at the target;  dx = dy, or dy - softmax x sum dy                              */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>

typedef enum reduction { NONE, SUM, MEAN } reduction;

typedef struct loss {
    int64_t n, c, places; /* places: of D */
    bool softmax, ignores;
    int64_t ignore;
    reduction reduction;
} loss;

static mucmm_status describe(const mucmm__call *c, loss *l)
{
    static const char *const names[] = {"none", "sum", "mean"};
    const char *name = mucmm__attr_string(c->node, "reduction", "mean");
    const mucmm__attr *ignore = mucmm__attr_find(c->node, "ignore_index", MUCMM__ATTR_INT);
    const mucmm__desc *x = c->in[0];
    int32_t r = 0;

    while (r < 3 && strcmp(names[r], name) != 0)
        r++;
    if (r == 3)
        return mucmm__op_fail(c, MUCMM_EARG, "reduction is '%.40s'; it must be none, sum or mean",
                              name);
    *l = (loss){.n = x->shape[0],
                .c = x->shape[1],
                .places = mucmm__desc_product(x, 2, x->rank),
                .softmax = strcmp(c->node->op->type, "SoftmaxCrossEntropyLoss") == 0,
                .ignores = ignore != NULL,
                .ignore = ignore ? ignore->i : 0,
                .reduction = (reduction)r};
    return MUCMM_OK;
}

static mucmm_status infer(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0], *t = c->in[1];
    mucmm__desc want = *x;
    mucmm_status status = MUCMM_OK;
    loss l;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    TRY(mucmm__check_type(c, 1, 1u << MUCMM_I32 | 1u << MUCMM_I64));
    if (x->rank < 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the scores have %d dimensions; at least 2 are needed", x->rank);
    TRY(describe(c, &l));
    want.rank = x->rank - 1;
    for (int32_t k = 1; k < want.rank; k++)
        want.shape[k] = x->shape[k + 1];
    if (!mucmm__same_shape(&want, t)) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "scores of shape %s and targets of shape %s",
                              mucmm__shape_text(a, x), mucmm__shape_text(b, t));
    }
    if (mucmm__has_in(c, 2)) {
        TRY(mucmm__check_type(c, 2, MUCMM__TYPES_FLOAT));
        if (c->in[2]->rank != 1 || c->in[2]->shape[0] != l.c)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "there must be %" PRId64 " weights", l.c);
    }
    TRY(mucmm__out(c, 0, x->dtype, l.reduction == NONE ? t->rank : 0, t->shape));
    TRY(mucmm__out_like(c, 1, 0));
done:
    return status;
}

/* The target of place i and its weight; *target < 0 where it is ignored. */
static mucmm_status read_target(const mucmm__call *c, const loss *l, int64_t i, int64_t *target,
                                double *weight)
{
    *target = mucmm__integer_get(c->in[1]->dtype, c->x[1], i);
    *weight = 0;
    if (l->ignores && *target == l->ignore) {
        *target = -1;
        return MUCMM_OK;
    }
    if (*target < 0 || *target >= l->c)
        return mucmm__op_fail(c, MUCMM_EFORMAT,
                              "target %" PRId64 " is %" PRId64 "; there are %" PRId64 " classes", i,
                              *target, l->c);
    *weight = mucmm__has_in(c, 2) ? mucmm__number_get(c->in[2]->dtype, c->x[2], *target) : 1;
    return MUCMM_OK;
}

/* Where the scores of place i begin: class k is k places further on. */
static int64_t start_of(const loss *l, int64_t i)
{
    return i / l->places * l->c * l->places + i % l->places;
}

/* What is subtracted from the scores: ln sum e^x. */
static double log_sum(const mucmm__call *c, const loss *l, int64_t at)
{
    mucmm_dtype t = c->in[0]->dtype;
    double top = -INFINITY, sum = 0;

    if (!l->softmax)
        return 0;
    for (int64_t k = 0; k < l->c; k++)
        top = fmax(top, mucmm__number_get(t, c->x[0], at + k * l->places));
    for (int64_t k = 0; k < l->c; k++)
        sum += exp(mucmm__number_get(t, c->x[0], at + k * l->places) - top);
    return top + log(sum);
}

static mucmm_status forward(mucmm__call *c)
{
    mucmm_dtype t = c->in[0]->dtype;
    double total = 0, weights = 0, weight;
    mucmm_status status = MUCMM_OK;
    int64_t target;
    loss l;

    TRY(describe(c, &l));
    for (int64_t i = 0; i < l.n * l.places; i++) {
        int64_t at = start_of(&l, i);
        double less = log_sum(c, &l, at), value = 0;
        TRY(read_target(c, &l, i, &target, &weight));
        if (target >= 0)
            value = weight * (less - mucmm__number_get(t, c->x[0], at + target * l.places));
        total += value;
        weights += weight;
        if (l.reduction == NONE && mucmm__has_out(c, 0))
            mucmm__number_put(t, c->y[0], i, value);
        for (int64_t k = 0; mucmm__has_out(c, 1) && k < l.c; k++)
            mucmm__number_put(t, c->y[1], at + k * l.places,
                              mucmm__number_get(t, c->x[0], at + k * l.places) - less);
    }
    if (l.reduction != NONE && mucmm__has_out(c, 0))
        mucmm__number_put(t, c->y[0], 0, l.reduction == SUM ? total : total / weights);
done:
    return status;
}

static void place_vjp(const mucmm__call *c, const loss *l, int64_t at, int64_t target, double g)
{
    const float *x = c->x[0], *v = mucmm__has_out(c, 1) ? c->dy[1] : NULL;
    double less = log_sum(c, l, at), sum = target < 0 ? 0 : -g;
    float *dx = c->dx[0];

    for (int64_t k = 0; v && k < l->c; k++)
        sum += (double)v[at + k * l->places];
    for (int64_t k = 0; k < l->c; k++) {
        int64_t p = at + k * l->places;
        double dy = (v ? (double)v[p] : 0) - (k == target ? g : 0);
        dx[p] = (float)(l->softmax ? dy - exp((double)x[p] - less) * sum : dy);
    }
}

static mucmm_status vjp(mucmm__call *c)
{
    const float *dy = mucmm__has_out(c, 0) ? c->dy[0] : NULL;
    double weights = 0, weight;
    mucmm_status status = MUCMM_OK;
    int64_t target;
    loss l;

    TRY(describe(c, &l));
    for (int64_t i = 0; l.reduction == MEAN && i < l.n * l.places; i++) {
        TRY(read_target(c, &l, i, &target, &weight));
        weights += weight;
    }
    for (int64_t i = 0; c->dx[0] && i < l.n * l.places; i++) {
        double g = dy ? (double)dy[l.reduction == NONE ? i : 0] : 0;
        TRY(read_target(c, &l, i, &target, &weight));
        place_vjp(c, &l, start_of(&l, i), target, g * weight / (l.reduction == MEAN ? weights : 1));
    }
done:
    return status;
}

#define ROW(type, since, until, max_out)                                                           \
    {                                                                                              \
        type, since, until, 2, 3, 1, max_out, infer, forward, vjp, 1, 7, 0, 0, NULL, NULL, NULL    \
    }

const mucmm__op mucmm__ops_loss[] = {
    ROW("NegativeLogLikelihoodLoss", 12, 12, 1),
    ROW("NegativeLogLikelihoodLoss", 13, 0, 1),
    ROW("SoftmaxCrossEntropyLoss", 12, 12, 2),
    ROW("SoftmaxCrossEntropyLoss", 13, 0, 2),
    {0},
};
