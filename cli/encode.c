/* SPDX-License-Identifier: MIT
 *
 * mucmm encode: features of raw inputs, of all views of a study or of one array.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option encode_options[] = {
    {"encoder", 0, OPTION_TEXT, false, AT(encoder), 0, 0, "NET.onnx",
     "network that the rows of --input go through"},
    {"input", 0, OPTION_TENSORS, false, AT(input), 0, 0, "TENSOR=FILE",
     "rows of the network's input (.npy, .npz, .csv, .tsv, .safetensors, .h5, .idx)"},
    {"tensor", 0, OPTION_TEXTS, false, AT(tensor), 0, 0, "TENSOR",
     "output or inner tensor to take (default: the only output)"},
    {"pool", 0, OPTION_TEXT, false, AT(pool), 0, 0, "4x4",
     "average a feature map over the cells of a grid"},
    {"memory", 0, OPTION_COUNT, false, AT(memory), 1, 1e9, "MIB",
     "memory for activations (default 1024); more rows go at once if there is more"},
    {"part", 0, OPTION_CHOICE, false, AT(part), 0, 0, "test|train|all",
     "rows of a study (default: all)"},
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_OUTPUT(false, "OUT",
                  "a study: folder for NAME.npy and rows.npy; --encoder: FILE.npy, resumed if "
                  "it is not complete"),
    OPTION_THREADS,
    OPTION_END,
};

static void print_features(const char *name, const mucmm_data *d)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_data_shape(d, shape);

    printf("%-20s  [%" PRId64, name, mucmm_data_rows(d));
    for (int32_t i = 0; i < rank; i++)
        printf(", %" PRId64, shape[i]);
    printf("]\n");
}

/* ---- a study ----------------------------------------------------------------------- */

/* The rows of the table that the rows of the part are. */
static int write_places(session *s, const inputs *in, output_dir *dir)
{
    mucmm_tensor t = {MUCMM_I64, 1, {mucmm_study_rows(in->study, in->part)}, NULL};
    int64_t *rows = NULL;
    int code = 0;

    TRY(allocate(&rows, t.shape[0], sizeof *rows));
    for (int64_t i = 0; i < t.shape[0]; i++)
        rows[i] = mucmm_study_row(in->study, in->part, i);
    t.data = rows;
    TRY(output_dir_file(dir, "rows.npy"));
    TRY(check(s, mucmm_npy_write_tensor(s->ctx, dir->full, &t)));
done:
    free(rows);
    return code;
}

static int encode_study(session *s, const settings *given)
{
    inputs in = {0};
    output_dir dir = {.path = given->output};
    int code = 0;

    if (given->encoder || given->input.n > 0 || given->tensor.n > 0 || given->pool)
        return fail(EXIT_USAGE, "a study file names encoder, tensor and pool itself");
    if (given->output)
        TRY(output_dir_check(given->output));
    TRY(inputs_open(s, given, given->operand[0], MUCMM_PART_ALL, &in));
    for (int32_t i = 0; i < in.n; i++) {
        if (given->output) {
            TRY(output_dir_file(&dir, "%s.npy", in.views[i].name));
            TRY(check(s, mucmm_data_write(s->ctx, in.data[i], dir.full)));
        }
        print_features(in.views[i].name, in.data[i]);
    }
    if (given->output)
        TRY(write_places(s, &in, &dir));
done:
    if (given->output)
        output_dir_close(&dir, code == 0);
    inputs_close(&in);
    return code;
}

/* ---- one network ------------------------------------------------------------------- */

static int check_rows_given(const settings *given)
{
    if (!given->encoder || !given->output)
        return fail(EXIT_USAGE, "encode needs a study file, or --encoder, --input and -o");
    if (given->input.n != 1)
        return fail(EXIT_USAGE,
                    "--input is given %d times; a network with several inputs takes "
                    "them from a study file, or from mucmm graph run",
                    given->input.n);
    if (given->tensor.n > 1)
        return fail(EXIT_USAGE, "--tensor is given %d times; features are one tensor",
                    given->tensor.n);
    if (given->part >= 0 || given->cache || given->skip_bad)
        return fail(EXIT_USAGE, "--part, --cache and --skip-bad need a study file");
    return output_check(given->output);
}

/* The description of a view that has these rows and goes through this network. */
static char *describe(const settings *given)
{
    json_t *root = json_pack("{s:s, s:s, s:s}", "kind", "features", "encoder", given->encoder,
                             "input", given->input.name[0]);
    char *text;

    if (given->tensor.n > 0)
        json_put(root, "tensor", json_string(given->tensor.value[0]));
    if (given->pool)
        json_put(root, "pool", json_string(given->pool));
    text = json_line(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

static int encode_rows(session *s, const settings *given)
{
    mucmm_data *rows = NULL, *features = NULL;
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_encode_params p;
    char *description = NULL;
    int code = 0;

    TRY(check_rows_given(given));
    mucmm_encode_params_init(&p);
    p.cache = given->output;
    p.memory = memory_of(given);
    description = describe(given);
    if (!description)
        TRY(fail(EXIT_RUN, "out of memory, or a name on the command line is not UTF-8"));
    TRY(check(s, mucmm_data_open(s->ctx, given->input.value[0], NULL, &rows)));
    TRY(check(s, mucmm_source_wrap(s->ctx, rows, &source)));
    TRY(check(s, mucmm_encoder_load(s->ctx, description, NULL, &encoder)));
    s->checkpoint = given->output;
    TRY(check(s, mucmm_data_encode(s->ctx, source, encoder, &p, &features)));
    print_features(given->output, features);
done:
    free(description);
    mucmm_data_free(features);
    mucmm_encoder_free(encoder);
    mucmm_source_free(source);
    mucmm_data_free(rows);
    return code;
}

int run_encode(const settings *given)
{
    session s = {0};
    int code = 0;

    TRY(session_open(&s, given));
    TRY(given->n_operands > 0 ? encode_study(&s, given) : encode_rows(&s, given));
done:
    session_close(&s);
    return code;
}
