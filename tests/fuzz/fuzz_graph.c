/* SPDX-License-Identifier: MIT
 *
 * fuzz_graph.c - any bytes as an ONNX model: import, planning, a run on zeros and ones, and the
 * vjp, in little memory. */
#include "fuzz.h"

#define MAX_INPUTS 8
#define MAX_BYTES (1 << 16)

/* Declared shape with open dimensions closed; false if it is too large to be worth a run. */
static bool make_input(const mucmm_named_tensor *declared, mucmm_named_tensor *in, void *data)
{
    int64_t n = 8;

    *in = *declared;
    in->tensor.data = data;
    if (in->tensor.rank < 0)
        in->tensor.rank = 0;
    for (int32_t k = 0; k < in->tensor.rank; k++) {
        if (in->tensor.shape[k] < 0)
            in->tensor.shape[k] = 2;
        if (!mucmm__mul(n, in->tensor.shape[k], &n) || n > MAX_BYTES)
            return false;
    }
    return true;
}

static void run_backwards(mucmm_ctx *ctx, mucmm_run *r, int32_t n_outputs)
{
    mucmm_tensor *v = NULL, grad = *mucmm_run_wrt(r, 0);
    static float numbers[MAX_BYTES / 4], out[MAX_BYTES / 4];

    if (mucmm__alloc(ctx, n_outputs, sizeof *v, &v) != MUCMM_OK)
        return;
    grad.data = out;
    for (int32_t o = 0; o < n_outputs; o++) {
        int64_t n = 4;
        v[o] = *mucmm_run_output(r, o);
        for (int32_t k = 0; k < v[o].rank && n <= MAX_BYTES; k++)
            n *= v[o].shape[k];
        v[o].data = n <= MAX_BYTES && v[o].dtype == MUCMM_F32 ? numbers : NULL;
    }
    mucmm_run_vjp(ctx, r, v, &grad);
    mucmm__free(v);
}

static void run(mucmm_ctx *ctx, mucmm_graph *g, const uint8_t *data)
{
    mucmm_named_tensor in[MAX_INPUTS];
    int32_t n = mucmm_graph_inputs(g);
    mucmm_run_params p;
    mucmm_run *r;

    if (n > MAX_INPUTS)
        return;
    for (int32_t i = 0; i < n; i++)
        if (!make_input(mucmm_graph_input(g, i), &in[i], (void *)(uintptr_t)data))
            return;
    mucmm_run_params_init(&p);
    p.memory = 32 << 20;
    if (mucmm_graph_run(ctx, g, in, n, &p, &r) == MUCMM_OK)
        mucmm_run_free(r);
    p.wrt = n ? &in[0].name : NULL;
    p.n_wrt = n ? 1 : 0;
    if (n && mucmm_graph_run(ctx, g, in, n, &p, &r) == MUCMM_OK) {
        run_backwards(ctx, r, mucmm_graph_outputs(g));
        mucmm_run_free(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t zeros[MAX_BYTES], ones[MAX_BYTES];
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm_graph *g;

    memset(ones, 1, sizeof ones);
    if (mucmm_graph_load_memory(ctx, bytes, size, "fuzz.onnx", &g) == MUCMM_OK) {
        run(ctx, g, zeros);
        run(ctx, g, ones);
        mucmm_graph_free(g);
    }
    mucmm_ctx_free(ctx);
    return 0;
}
