/* SPDX-License-Identifier: MIT
 *
 * Why a map is none. The network is gone through once more for the row in question, node by node.
 */
#include "explain/faults.h"

#include <math.h>
#include <string.h>

mucmm__map_state mucmm__state_of_map(const float *map, int64_t cols)
{
    bool zero = true;

    for (int64_t j = 0; j < cols; j++) {
        if (!isfinite(map[j]))
            return MUCMM__MAP_NONE;
        zero = zero && map[j] == 0;
    }
    return zero ? MUCMM__MAP_ZERO : MUCMM__MAP_SOME;
}

/* ---- one sample -------------------------------------------------------------------- */

typedef struct asked_sample {
    const mucmm__samples *s;
    int64_t i;
    float *h, *dh; /* [p] */
} asked_sample;

/* d score / d features. One that is not finite is no fault of the network: it is left out. */
static mucmm_status cotangents(mucmm_ctx *ctx, void *user, int64_t n, const float *features,
                               float *out)
{
    mucmm_status status = MUCMM_OK;
    const asked_sample *a = user;
    const mucmm__samples *s = a->s;
    const mucmm__view_info *v = &s->m->view[s->view];
    const mucmm_data *d = s->data[s->view];
    double score;

    memcpy(a->h, features, (size_t)(n * v->p) * sizeof *a->h);
    TRY(mucmm__scale_features(ctx, v, d, s->rows + a->i, n, a->h));
    TRY(mucmm__samples_score(ctx, s, a->i, n, a->h, &score, a->dh));
    TRY(mucmm__features_vjp(ctx, v, d, s->rows + a->i, n, a->h, a->dh, out));
    if (mucmm__state_of_map(out, v->p) == MUCMM__MAP_NONE)
        memset(out, 0, (size_t)v->p * sizeof *out);
done:
    return status;
}

mucmm_status mucmm__samples_fault(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i,
                                  const float *raw, mucmm__fault *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = s->m->view[s->view].p;
    asked_sample a = {s, i, NULL, NULL};

    TRY(mucmm__alloc(ctx, p, sizeof *a.h, &a.h));
    TRY(mucmm__alloc(ctx, p, sizeof *a.dh, &a.dh));
    TRY(mucmm__encoded_fault(ctx, s->data[s->view], s->rows[i], raw, cotangents, &a, out));
done:
    mucmm__free(a.h);
    mucmm__free(a.dh);
    return status;
}

mucmm_status mucmm__gradient_passes(mucmm_ctx *ctx, const mucmm__samples *s, const float *maps)
{
    mucmm_status status = MUCMM_OK;
    char text[MUCMM__FAULT_TEXT];

    if (!s->encoded || mucmm__state_of_map(maps, s->n * s->cols) != MUCMM__MAP_ZERO || s->n < 1)
        return MUCMM_OK;
    TRY(mucmm__encoded_stop(ctx, s->data[s->view], s->rows[0], false, text));
    if (text[0])
        TRY(mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                        "view '%s': no gradient gets from the features to the raw input, so there "
                        "are no maps: %s; a pattern (`method`) and parts need none",
                        s->m->view[s->view].name, text));
done:
    return status;
}
