/* SPDX-License-Identifier: MIT
 *
 * Joint moments of the inputs of all views. */
#include "model/raw_moments.h"

#include "linalg/linalg.h"

mucmm_status mucmm__joint_moments(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                  const int64_t *offset, const int64_t *rows, int64_t n,
                                  double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = offset[n_views], block = 0, *chunk = NULL;
    mucmm__moments *moments = NULL;
    float *x = NULL;

    TRY(mucmm__moments_create(ctx, total, 0, &moments));
    block = mucmm__moments_block(moments);
    block = block < n ? block : n;
    TRY(mucmm__alloc(ctx, block, sizeof *chunk, &chunk));
    TRY(mucmm__alloc(ctx, block * total, sizeof *x, &x));
    for (int64_t i = 0; i < n; i += block) {
        int64_t b = n - i < block ? n - i : block;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = rows ? rows[i + j] : i + j;
        for (int32_t m = 0; m < n_views; m++) {
            mucmm_mat part = {x + offset[m], b, offset[m + 1] - offset[m], total};
            TRY(mucmm_data_read(ctx, data[m], chunk, b, &part));
        }
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, total, total}, NULL));
        TRY(mucmm__progress(ctx, "moments", i + b, n, NULL));
    }
    TRY(mucmm__moments_get(ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(chunk);
    mucmm__free(x);
    return status;
}
