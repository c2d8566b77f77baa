/* SPDX-License-Identifier: MIT
 *
 * What the stages of a fit share: rows, batches of them, networks inside a stage, the history.
 * */
#include "model/fit_state.h"

#include "model/represent.h"

#include <string.h>

const int64_t *mucmm__rows_of(const mucmm__fit *f, mucmm__rows part, int64_t *n)
{
    const int64_t counts[] = {f->n_train, f->n_choosing, f->n_held_out};
    const int64_t *const rows[] = {f->train, f->choosing, f->held_out};

    *n = counts[part];
    return rows[part];
}

mucmm_status mucmm__batch_features(mucmm__fit *f, int32_t view, const int64_t *rows, int64_t n,
                                   mucmm__stage stage, int64_t step, float *clean, float *noisy)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = n * f->model->view[view].p, *numbers = NULL;

    TRY(mucmm__alloc(f->ctx, n, sizeof *numbers, &numbers));
    for (int64_t i = 0; i < n; i++)
        numbers[i] = f->train[rows[i]];
    TRY(mucmm__features(f->ctx, &f->model->view[view], f->data[view], numbers, n, clean));
    if (noisy)
        mucmm__add_noise(f->ctx, size, (float)f->p->input_noise,
                         mucmm__rng_key(f->p->seed, mucmm__stream(stage) + 500000 + (uint64_t)view),
                         (uint64_t)(step * size), clean, noisy);
done:
    mucmm__free(numbers);
    return status;
}

mucmm_status mucmm__part_head(mucmm__fit *f, const mucmm__part *part, const float *params,
                              const float *stats, mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;
    float *own_stats = NULL;

    TRY(mucmm__head_alloc(f->ctx, &part->net, head));
    TRY(mucmm__alloc(f->ctx, part->net.n_stats, sizeof *own_stats, &own_stats));
    memcpy(head->params, params + part->params, (size_t)part->net.n_params * sizeof *params);
    memcpy(own_stats, stats + part->stats, (size_t)part->net.n_stats * sizeof *stats);
    mucmm__mlp_fold(&part->net, head->params, own_stats);
done:
    mucmm__free(own_stats);
    return status;
}

mucmm_status mucmm__add_epoch(mucmm_ctx *ctx, mucmm_model *m, mucmm__epoch e)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = m->n_history;

    if ((n & (n - 1)) == 0) /* room for twice as many when they are none or a power of 2 */
        status = mucmm__realloc(ctx, n, n > 0 ? 2 * n : 1, sizeof *m->history, &m->history);
    if (status == MUCMM_OK)
        m->history[m->n_history++] = e;
    return status;
}
