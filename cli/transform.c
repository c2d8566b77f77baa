/* SPDX-License-Identifier: MIT
 *
 * mucmm transform: canonical variates of every view's rows, as .npy files.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

const option transform_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(
        true, "DIR",
        "folder for NAME.common.npy and NAME.individual.npy; of a view that is not given, or that "
        "rows lack: "
        "NAME.common-predicted.npy and NAME.common-sd.npy, the standard deviation of its error"),
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    {"method", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear", NULL},
    OPTION_KEY,
    OPTION_MISSING,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

static int write_variates(session *s, output_dir *dir, const char *name, const char *part,
                          const mucmm_mat *m)
{
    const int64_t shape[2] = {m->rows, m->cols};
    int code = 0;

    TRY(output_dir_file(dir, "%s.%s.npy", name, part));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, m->data, shape, 2)));
done:
    return code;
}

/* What the views hold in common [M], [n, k] each; data NULL for a view that is not given. */
typedef struct variates {
    const mucmm_model *m;
    mucmm_representation representation;
    int64_t n;
    mucmm_mat common[MUCMM_MAX_VIEWS];
} variates;

static int transform_view(session *s, variates *c, const mucmm_view *in, output_dir *dir)
{
    int32_t view = mucmm_model_view_index(c->m, in->name);
    int64_t k = mucmm_model_common(c->m), q = mucmm_model_individual(c->m, view);
    mucmm_mat *common = &c->common[view], individual = {NULL, c->n, q, q};
    int code = 0;

    *common = (mucmm_mat){NULL, c->n, k, k};
    TRY(allocate(&common->data, c->n * k, sizeof(float)));
    TRY(allocate(&individual.data, c->n * q, sizeof(float)));
    TRY(check(s, mucmm_transform(s->ctx, c->m, c->representation, view, in->data, common,
                                 q > 0 ? &individual : NULL)));
    TRY(write_variates(s, dir, in->name, "common", common));
    TRY(write_variates(s, dir, in->name, "individual", &individual));
done:
    free(individual.data);
    return code;
}

static bool lacks_rows(const variates *c, const inputs *in, int32_t view)
{
    for (int32_t i = 0; i < in->n; i++)
        if (mucmm_model_view_index(c->m, in->views[i].name) == view)
            return mucmm_data_missing(in->data[i]) > 0;
    return true;
}

/* The common variates of a view that rows lack, from those of the other views. */
static int predict_view(session *s, const variates *c, int32_t view, output_dir *dir)
{
    const char *name = mucmm_model_view_name(c->m, view);
    int64_t k = mucmm_model_common(c->m);
    mucmm_mat predicted = {NULL, c->n, k, k}, sd = {NULL, c->n, k, k};
    mucmm_cmat common[MUCMM_MAX_VIEWS];
    int code = 0;

    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        common[v] = (mucmm_cmat){c->common[v].data, c->n, k, k};
    TRY(allocate(&predicted.data, c->n * k, sizeof(float)));
    TRY(allocate(&sd.data, c->n * k, sizeof(float)));
    TRY(check(
        s, mucmm_predict_common(s->ctx, c->m, c->representation, common, view, &predicted, &sd)));
    TRY(write_variates(s, dir, name, "common-predicted", &predicted));
    TRY(write_variates(s, dir, name, "common-sd", &sd));
done:
    free(predicted.data);
    free(sd.data);
    return code;
}

int run_transform(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    output_dir dir = {.path = given->output};
    variates c = {.representation = given->representation >= 0
                                        ? (mucmm_representation)given->representation
                                        : MUCMM_HEADS};

    TRY(output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_some(&s, m, given, &in));
    c.m = m;
    c.n = mucmm_data_rows(in.data[0]);
    for (int32_t v = 0; v < in.n; v++)
        TRY(transform_view(&s, &c, &in.views[v], &dir));
    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        if (lacks_rows(&c, &in, v))
            TRY(predict_view(&s, &c, v, &dir));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        free(c.common[v].data);
    output_dir_close(&dir, code == 0);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
