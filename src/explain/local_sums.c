/* SPDX-License-Identifier: MIT
 *
 * Sums over the neighbourhoods of the cells of a map. */
#include "explain/local_sums.h"

#include <math.h>

/* n values that are `step` apart, with a Gaussian; reflected at the ends, so that the sum stays.
 * line: room for 2 n + 2 reach. */
static void add_local(float *x, int64_t n, int64_t step, const double *kernel, int64_t reach,
                      double *line)
{
    double *sum = line + n + 2 * reach;

    for (int64_t i = -reach; i < n + reach; i++) {
        int64_t at = i % (2 * n);
        at = at < 0 ? at + 2 * n : at;
        line[i + reach] = (double)x[(at < n ? at : 2 * n - 1 - at) * step];
    }
    for (int64_t i = 0; i < n; i++)
        sum[i] = kernel[0] * line[i + reach];
    for (int64_t k = 1; k <= reach; k++) {
        const double *before = line + reach - k, *after = line + reach + k;
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += kernel[k] * (after[i] + before[i]);
    }
    for (int64_t i = 0; i < n; i++)
        x[i * step] = (float)sum[i];
}

mucmm_status mucmm__local_sums(mucmm_ctx *ctx, int64_t rows, int64_t cols, double sd, float *x)
{
    mucmm_status status = MUCMM_OK;
    int64_t longest = rows > cols ? rows : cols;
    int64_t reach = (int64_t)ceil(3 * sd);
    double *kernel = NULL, *line = NULL, sum = 0;

    TRY(mucmm__alloc(ctx, reach + 1, sizeof *kernel, &kernel));
    TRY(mucmm__alloc(ctx, 2 * longest + 2 * reach, sizeof *line, &line));
    for (int64_t k = 0; k <= reach; k++) {
        kernel[k] = exp(-0.5 * (double)(k * k) / (sd * sd));
        sum += k > 0 ? 2 * kernel[k] : kernel[k];
    }
    for (int64_t k = 0; k <= reach; k++)
        kernel[k] /= sum;
    for (int64_t i = 0; i < rows; i++)
        add_local(x + i * cols, cols, 1, kernel, reach, line);
    for (int64_t j = 0; j < cols; j++)
        add_local(x + j, rows, cols, kernel, reach, line);
done:
    mucmm__free(kernel);
    mucmm__free(line);
    return status;
}
