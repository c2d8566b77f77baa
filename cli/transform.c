/* SPDX-License-Identifier: MIT
 *
 * mucmm transform: canonical variates of every view's rows, as .npy files.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

const option transform_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(true, "DIR", "folder for NAME.common.npy and NAME.individual.npy"),
    {"method", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    OPTION_KEY,
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

static int transform_view(session *s, const mucmm_model *m, mucmm_method method, int32_t view,
                          const mucmm_view *in, output_dir *dir)
{
    int64_t n = mucmm_data_rows(in->data), k = mucmm_model_common(m);
    int64_t q = mucmm_model_individual(m, view);
    mucmm_mat common = {NULL, n, k, k}, individual = {NULL, n, q, q};
    int code = 0;

    TRY(allocate(&common.data, n * k, sizeof(float)));
    TRY(allocate(&individual.data, n * q, sizeof(float)));
    TRY(check(s, mucmm_transform(s->ctx, m, method, view, in->data, &common,
                                 q > 0 ? &individual : NULL)));
    TRY(write_variates(s, dir, in->name, "common", &common));
    TRY(write_variates(s, dir, in->name, "individual", &individual));
done:
    free(common.data);
    free(individual.data);
    return code;
}

int run_transform(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    output_dir dir = {.path = given->output};
    mucmm_method method =
        given->representation >= 0 ? (mucmm_method)given->representation : MUCMM_HEADS;

    TRY(output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_for(&s, m, given, &in));
    for (int32_t v = 0; v < in.n; v++)
        TRY(transform_view(&s, m, method, v, &in.views[v], &dir));
done:
    output_dir_close(&dir, code == 0);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
