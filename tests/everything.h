/* SPDX-License-Identifier: MIT
 *
 * everything.h - one of each object of the library, small, for tests that call all functions: a
 * problem and its models, null models, a graph, an encoder and encoded data. */
#ifndef MUCMM_TEST_EVERYTHING_H
#define MUCMM_TEST_EVERYTHING_H

#include "onnx_builder.h"
#include "workspace.h"

#define N_ROWS 120
#define K 2
#define N_EXPLAINED 3
#define ENCODED 4 /* features of a row behind the encoder */
#define ENCODER "{\"kind\": \"table\", \"encoder\": \"net.onnx\", \"tensor\": \"features\"}"

static problem q;
static mucmm_model *model, *encoded_model;
static mucmm_null *null_models;
static mucmm_graph *graph;
static mucmm_source *source;
static mucmm_encoder *encoder;
static mucmm_data *encoded;
static mucmm_view encoded_view[2];
static const int64_t explained[N_EXPLAINED] = {3, 50, 119};

static inline mucmm_mat mat(float *x, int64_t rows, int64_t cols)
{
    return (mucmm_mat){x, rows, cols, cols};
}

/* x [-1, 8] -> hidden = tanh(x w) [-1, 5], and a convolution beside it, so that more than one kind
 * of operator is shared; the first four of hidden are the features. */
static inline void make_graph(void)
{
    net n = net_new(13);
    double *w = normals(7, 0, 40, .3);
    float weights[40];
    size_t size;
    uint8_t *bytes_of_net;

    for (int i = 0; i < 40; i++)
        weights[i] = (float)w[i];
    free(w);
    net_input(&n, "x", MUCMM_F32, "-1x8");
    net_floats(&n, "w", "8x5", weights);
    net_floats(&n, "kernel", "1x1x3", weights);
    net_ints(&n, "deep", "3", (const int64_t[]){0, 1, 8});
    net_ints(&n, "flat", "2", (const int64_t[]){0, 8});
    net_ints(&n, "from", "1", (const int64_t[]){0});
    net_ints(&n, "to", "1", (const int64_t[]){ENCODED});
    net_ints(&n, "axis", "1", (const int64_t[]){1});
    net_node(&n, "Reshape", "x deep", "x3", "");
    net_node(&n, "Conv", "x3 kernel", "smooth3", "pads=[1,1]");
    net_node(&n, "Reshape", "smooth3 flat", "smooth", "");
    net_node(&n, "MatMul", "smooth w", "mixed", "");
    net_node(&n, "Tanh", "mixed", "hidden", "");
    net_node(&n, "Slice", "hidden from to axis", "features", "");
    net_output(&n, "hidden");
    graph = net_load(ctx, &n);
    bytes_of_net = net_bytes(&n, &size);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("net.onnx"), bytes_of_net, size));
    net_drop(&n);
}

static inline void make_encoded(void)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_null_params np;

    CHECK_OK(ctx, mucmm_source_wrap(ctx, q.data[0], &source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, ENCODER, folder, &encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, NULL, &encoded));
    encoded_view[0] = (mucmm_view){"left", encoded};
    encoded_view[1] = q.view[1];
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, encoded_view, 2, &p, &encoded_model));
    mucmm_null_params_init(&np);
    np.models = 3;
    CHECK_OK(ctx, mucmm_null_fit(ctx, model, MUCMM_LINEAR, q.view, 2, &np, &null_models));
}

static inline int set_up_all(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    if (set_up(state) != 0)
        return -1;
    q = new_problem(ctx, 2, N_ROWS, true, 71);
    p.batch = 60;
    model = fit(ctx, &q, &p);
    make_graph();
    make_encoded();
    return 0;
}

static inline int tear_down_all(void **state)
{
    mucmm_null_free(null_models);
    mucmm_model_free(encoded_model);
    mucmm_data_free(encoded);
    mucmm_encoder_free(encoder);
    mucmm_source_free(source);
    mucmm_graph_free(graph);
    mucmm_model_free(model);
    drop_problem(&q);
    return tear_down(state);
}

#endif
