/* SPDX-License-Identifier: MIT
 *
 * mucmm transform: canonical variates of every view's rows, as .npy files.
 */
#include "cli.h"

#include <string.h>

const option transform_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(
        true, "DIR|FILE.csv",
        "folder for NAME.common.npy and NAME.individual.npy; of a view that is not given, or that "
        "rows lack: "
        "NAME.common-predicted.npy and NAME.common-sd.npy, the standard deviation of its error. "
        "FILE.csv: one table of all of them, with the rows' keys"),
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    {"method", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear", NULL},
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_COVARIATES,
    OPTION_MISSING,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

/* NAME.PART.npy, unless there is no such part. */
static int write_part(session *s, output_dir *dir, const char *name, const char *part,
                      mucmm_cmat values)
{
    const int64_t shape[2] = {values.rows, values.cols};
    int code = 0;

    if (!values.data)
        return 0;
    TRY(output_dir_file(dir, "%s.%s.npy", name, part));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, values.data, shape, 2)));
done:
    return code;
}

static int write_view(session *s, output_dir *dir, const mucmm_model *m, const mucmm_variates *of,
                      int32_t view)
{
    const char *name = mucmm_model_view_name(m, view);
    int code = 0;

    TRY(write_part(s, dir, name, "common", mucmm_variates_common(of, view)));
    TRY(write_part(s, dir, name, "individual", mucmm_variates_individual(of, view)));
    TRY(write_part(s, dir, name, "common-predicted", mucmm_variates_predicted(of, view)));
    TRY(write_part(s, dir, name, "common-sd", mucmm_variates_sd(of, view)));
done:
    return code;
}

static bool is_csv(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && strcmp(path + n - 4, ".csv") == 0;
}

static int write_csv(session *s, const char *path, const mucmm_model *m,
                     const mucmm_variates *variates, const inputs *in)
{
    char *text = NULL;

    return write_made(s, mucmm_variates_csv(s->ctx, variates, m, in->paired, &text), &text, path);
}

int run_transform(const settings *given)
{
    const bool csv = is_csv(given->output);
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    output_dir dir = {.path = given->output};
    mucmm_variates *variates = NULL;
    mucmm_representation representation =
        given->representation >= 0 ? (mucmm_representation)given->representation : MUCMM_HEADS;

    TRY(csv ? output_check(given->output) : output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_some(&s, m, given, &in));
    TRY(check(&s, mucmm_variates_create(s.ctx, m, representation, in.views, in.n, &variates)));
    if (csv)
        TRY(write_csv(&s, given->output, m, variates, &in));
    for (int32_t v = 0; !csv && v < mucmm_model_views(m); v++)
        TRY(write_view(&s, &dir, m, variates, v));
done:
    mucmm_variates_free(variates);
    output_dir_close(&dir, code == 0);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
