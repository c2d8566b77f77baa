/* SPDX-License-Identifier: MIT
 *
 * The rows of a view as an .npy file. */
#include "io/io.h"

mucmm_status mucmm_data_write(mucmm_ctx *ctx, const mucmm_data *d, const char *path)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_data_rows(d), p = mucmm_data_cols(d);
    int64_t row[MUCMM_MAX_RANK], shape[MUCMM_MAX_RANK] = {n, p};
    int32_t rank = mucmm_data_shape(d, row);
    float *values = NULL;

    if (rank < MUCMM_MAX_RANK)
        for (int32_t i = 0; i < rank; i++)
            shape[i + 1] = row[i];
    TRY(mucmm__alloc(ctx, n * p, sizeof *values, &values));
    TRY(mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){values, n, p, p}));
    TRY(mucmm_npy_write(ctx, path, values, shape, rank < MUCMM_MAX_RANK ? rank + 1 : 2));
done:
    mucmm__free(values);
    return status;
}
