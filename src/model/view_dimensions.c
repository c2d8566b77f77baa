/* SPDX-License-Identifier: MIT
 *
 * What a view has room for (section 4 of the method): every view its own q, and of more than two
 * views some that have fewer columns than there are common components. */
#include "model/view_dimensions.h"

#include <inttypes.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t mucmm__individual_asked(const mucmm_fit_params *p, int32_t m)
{
    return p->n_view_individual > 0 ? p->view_individual[m] : p->individual;
}

int64_t mucmm__most_individual(const mucmm_model *m)
{
    int64_t most = 0;

    for (int32_t i = 0; i < m->n_views; i++)
        most = m->view[i].q > most ? m->view[i].q : most;
    return most;
}

bool mucmm__any_individual(const mucmm_model *m)
{
    return mucmm__most_individual(m) > 0;
}

/* Does view m keep its q although k leaves no room for it? A number for all views does not. */
static bool keeps_q(const mucmm__fit *f, int32_t m)
{
    bool chosen = mucmm__individual_asked(f->p, m) == MUCMM_AUTO;

    return f->model->n_views > 2 &&
           (f->p->n_view_individual > 0 || chosen || (f->inside && f->inside->like));
}

static int64_t dims_of(const mucmm__fit *f, int32_t m)
{
    return f->offset[m + 1] - f->offset[m];
}

/* The second largest of more than two numbers, the smaller of two. */
static int64_t decisive(int32_t n, const int64_t *x)
{
    int64_t first = INT64_MIN, second = INT64_MIN;

    for (int32_t i = 0; i < n; i++)
        if (x[i] > first) {
            second = first;
            first = x[i];
        } else if (x[i] > second) {
            second = x[i];
        }
    return second;
}

static mucmm_status refuse_common(mucmm__fit *f, int64_t k, int32_t m)
{
    return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                       "%" PRId64
                       " common dimensions are asked for, but view '%s' has only %" PRId64
                       " columns%s; give a smaller `common`",
                       k, f->model->view[m].name, f->model->view[m].p,
                       f->model->n_views > 2 ? ", and only one view has more" : "");
}

mucmm_status mucmm__check_dimensions(mucmm__fit *f)
{
    int64_t k = f->p->common == MUCMM_AUTO ? 1 : f->p->common, cols[MUCMM_MAX_VIEWS];
    int32_t n = f->model->n_views;

    for (int32_t m = 0; m < n; m++)
        cols[m] = f->model->view[m].p;
    for (int32_t m = 0; m < n; m++) {
        int64_t q = f->model->view[m].q, of_all = n > 2 ? 1 : k;
        if (k > decisive(n, cols) && cols[m] == decisive(n, cols))
            return refuse_common(f, k, m);
        if (f->p->n_view_individual > 0 && q > cols[m] - of_all)
            return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                               "%" PRId64 " common and %" PRId64 " individual dimensions are asked "
                               "for, but view '%s' has only %" PRId64 " columns; give a smaller "
                               "`individual`",
                               of_all, q, f->model->view[m].name, cols[m]);
    }
    return MUCMM_OK;
}

int64_t mucmm__carried(const mucmm__fit *f, int32_t m, int64_t k)
{
    int64_t dims = dims_of(f, m), q = f->model->view[m].q;

    if (f->model->n_views == 2)
        return k;
    if (!keeps_q(f, m) && q > dims - k)
        q = dims > k ? dims - k : 0;
    return least(k, dims - q > 1 ? dims - q : 1);
}

void mucmm__cap_individual(mucmm__fit *f)
{
    mucmm_model *model = f->model;

    for (int32_t m = 0; m < model->n_views && !(f->inside && f->inside->like); m++) {
        mucmm__view_info *v = &model->view[m];
        int64_t dims = dims_of(f, m), room = dims - (keeps_q(f, m) ? 1 : least(model->k, dims));
        if (v->q <= room)
            continue;
        mucmm__warn(f->ctx,
                    "view '%s': %" PRId64 " individual dimensions, not %" PRId64 ": its %" PRId64
                    " %s leave no more beside the common ones",
                    v->name, room, v->q, dims, f->basis[m] ? "directions" : "columns");
        v->q = room;
    }
}

int64_t mucmm__room_for_common(const mucmm__fit *f, const int64_t *dims)
{
    int64_t room[MUCMM_MAX_VIEWS];

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t q = f->model->view[m].q;
        room[m] = q < dims[m] && !(keeps_q(f, m) && q > 0) ? dims[m] - q : dims[m];
    }
    return decisive(f->model->n_views, room);
}

mucmm_status mucmm__carried_columns(mucmm_ctx *ctx, int64_t dims, int64_t k, int64_t stride,
                                    const double *a, double **out, int64_t *carried)
{
    mucmm_status status = MUCMM_OK;
    int64_t *column = NULL, n = 0;

    TRY(mucmm__alloc(ctx, k, sizeof *column, &column));
    for (int64_t j = 0; j < k; j++) {
        bool zero = true;
        for (int64_t i = 0; i < dims && zero; i++)
            zero = a[i * stride + j] == 0;
        if (!zero)
            column[n++] = j;
    }
    TRY(mucmm__alloc(ctx, dims * n, sizeof **out, out));
    for (int64_t i = 0; i < dims; i++)
        for (int64_t j = 0; j < n; j++)
            (*out)[i * n + j] = a[i * stride + column[j]];
    *carried = n;
done:
    mucmm__free(column);
    return status;
}
