/* SPDX-License-Identifier: MIT
 *
 * The parameters of a fit: their defaults and their ranges.
 * */
#include "model/fit_params.h"

#include "model/adjust.h"
#include "model/heads.h"

void mucmm_fit_params_init_sized(mucmm_fit_params *p, size_t size)
{
    const mucmm_fit_params defaults = {
        .head = MUCMM_HEAD_AUTO,
        .scaling = MUCMM_SCALE_VIEW,
        .n_hidden = 2,
        .hidden = {512, 512},
        .validation = 0.1,
        .seed = 1,
        .ridge = MUCMM_RIDGE_CHOSEN,
        .weight_decay = 1e-4,
        .input_noise = 0.3,
        .independence = 1,
        .stages = 1,
        .folds = MUCMM_AUTO,
    };

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static mucmm_status check_range(mucmm_ctx *ctx, const char *name, double value, double low,
                                double high)
{
    if (!(value >= low && value <= high))
        return mucmm__fail(ctx, MUCMM_EARG, "%s is %g; it must be from %g to %g", name, value, low,
                           high);
    return MUCMM_OK;
}

static mucmm_status check_individual(mucmm_ctx *ctx, const mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const char *what = "the number of individual dimensions";
    const double large = 1e9;

    TRY(check_range(ctx, "the number of numbers of individual dimensions", p->n_view_individual, 0,
                    MUCMM_MAX_VIEWS));
    for (int32_t i = 0; i < p->n_view_individual; i++)
        if (p->view_individual[i] != MUCMM_AUTO)
            TRY(check_range(ctx, what, (double)p->view_individual[i], 0, large));
    if (p->n_view_individual == 0 && p->individual != MUCMM_AUTO)
        TRY(check_range(ctx, what, (double)p->individual, 0, large));
done:
    return status;
}

mucmm_status mucmm__individual_list(mucmm_ctx *ctx, mucmm_fit_params *p, int32_t n_views)
{
    int64_t most = 0;
    bool any = false;

    if (p->n_view_individual == 0)
        return MUCMM_OK;
    if (p->n_view_individual != n_views)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%d numbers of individual dimensions for %d views; give one for each "
                           "view, or one for all",
                           p->n_view_individual, n_views);
    for (int32_t i = 0; i < n_views; i++) {
        any = any || p->view_individual[i] == MUCMM_AUTO;
        most = p->view_individual[i] > most ? p->view_individual[i] : most;
    }
    p->individual = any ? MUCMM_AUTO : most;
    return MUCMM_OK;
}

static mucmm_status check_folds(mucmm_ctx *ctx, const mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;

    if (p->folds == 1)
        return mucmm__fail(
            ctx, MUCMM_EARG,
            "folds is 1, which leaves no rows to fit on; it must be 0 or at least 2");
    TRY(check_range(ctx, "folds", p->folds, MUCMM_AUTO, MUCMM_MAX_FOLDS));
    TRY(check_range(ctx, "repeats", p->repeats, 0, MUCMM_MAX_REPEATS));
done:
    return status;
}

mucmm_status mucmm__fit_params_check(mucmm_ctx *ctx, const mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const double large = 1e9;

    if (p->head != MUCMM_HEAD_LINEAR && p->head != MUCMM_HEAD_MLP && p->head != MUCMM_HEAD_AUTO)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "head is %d; there are 0 (linear), 1 (mlp) and 2 (auto)", (int)p->head);
    if (p->scaling != MUCMM_SCALE_VIEW && p->scaling != MUCMM_SCALE_COLUMN)
        return mucmm__fail(ctx, MUCMM_EARG, "scaling is %d; there are 0 (view) and 1 (column)",
                           (int)p->scaling);
    if (p->robust != MUCMM_ROBUST_NONE && p->robust != MUCMM_ROBUST_WINSOR &&
        p->robust != MUCMM_ROBUST_RANK)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "robust is %d; there are 0 (none), 1 (winsor) and 2 (rank)",
                           (int)p->robust);
    if (p->common != MUCMM_AUTO)
        TRY(check_range(ctx, "the number of common dimensions", (double)p->common, 1, large));
    TRY(check_individual(ctx, p));
    TRY(check_range(ctx, "the number of hidden layers", p->n_hidden, 0, MUCMM_MAX_HIDDEN));
    for (int i = 0; i < p->n_hidden; i++)
        TRY(check_range(ctx, "a hidden layer's width", (double)p->hidden[i], 1, 1 << 20));
    TRY(check_range(ctx, "epochs", (double)p->common_epochs, 0, large));
    TRY(check_range(ctx, "individual epochs", (double)p->individual_epochs, 0, large));
    TRY(check_range(ctx, "batch", (double)p->batch, 0, large));
    TRY(check_range(ctx, "validation", p->validation, 0, 0.5));
    if (p->ridge != MUCMM_RIDGE_CHOSEN && p->ridge != MUCMM_RIDGE_LEDOIT_WOLF)
        TRY(check_range(ctx, "ridge", p->ridge, 0, large));
    TRY(check_range(ctx, "learning rate", p->learning_rate, 0, 10));
    TRY(check_range(ctx, "weight decay", p->weight_decay, 0, 10));
    TRY(check_range(ctx, "input noise", p->input_noise, 0, 10));
    TRY(check_range(ctx, "independence", p->independence, 0, 1));
    TRY(check_range(ctx, "stages", p->stages, 0, MUCMM__LATER + 1));
    TRY(check_range(ctx, "bootstrap", p->bootstrap, 0, MUCMM_MAX_BOOTSTRAP));
    TRY(check_range(ctx, "restarts", p->restarts, 0, MUCMM_MAX_RESTARTS));
    TRY(check_range(ctx, "the number of spline columns", p->adjust_nonlinear, 0,
                    MUCMM__MOST_SPLINES));
    TRY(check_folds(ctx, p));
    if (p->restarts > 0 && p->head == MUCMM_HEAD_LINEAR)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "restarts are for trained heads: the closed form starts from nothing "
                           "random and would come out the same; leave out `restarts`, and for its "
                           "stability give `bootstrap`");
    if (p->restarts > 0 && p->stages != 1)
        return mucmm__fail(
            ctx, MUCMM_EARG,
            "restarts compare dimensions that are trained at once, not stages; leave "
            "out `restarts` or `stages`");
done:
    return status;
}
