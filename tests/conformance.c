/* SPDX-License-Identifier: MIT
 *
 * conformance.c - runs ONNX's node tests and counts.
 *
 *   conformance [--verbose | --tap] [--only TEXT] [FOLDER]
 *
 * FOLDER holds a folder a case: model.onnx and test_data_set_0/ with input_K.pb and output_K.pb
 * (Debian: libonnx-testdata). A case passes if every output agrees, fails if one does not or a step
 * fails, and is not supported if the model or the run is refused as such. Floats are compared
 * with the tolerances of ONNX's own runner, everything else exactly. Prints the failed cases, how
 * many cases each operator leaves out, and the count; exit status 1 if a case failed. */
#include "graph/network.h"
#include "onnx.pb-c.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_FOLDER "/usr/share/libonnx-testdata/data/node"
#define RELATIVE 1e-3
#define ABSOLUTE 1e-7
#define MIN_PASSED 650 /* of the suite of ONNX 1.12 */
#define MAX_TENSORS 64
#define MAX_OPERATORS 256

typedef enum verdict { PASSED, FAILED, UNSUPPORTED } verdict;

typedef struct totals {
    int64_t count[3];
    struct {
        char name[64];
        int64_t cases;
    } missing[MAX_OPERATORS];
    int32_t n_missing;
} totals;

typedef struct options {
    const char *folder, *only;
    bool verbose, tap;
} options;

/* ---- files ------------------------------------------------------------------------- */

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    unsigned char *bytes = NULL;
    long n;

    if (f && fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0) {
        rewind(f);
        bytes = malloc((size_t)n + 1);
        if (bytes && fread(bytes, 1, (size_t)n, f) != (size_t)n) {
            free(bytes);
            bytes = NULL;
        }
        *size = (size_t)n;
    }
    if (f)
        fclose(f);
    return bytes;
}

/* Tensors KIND_0.pb, KIND_1.pb, ... of a case; their data is freed with mucmm__free. */
static mucmm_status read_tensors(mucmm_ctx *ctx, const char *folder, const char *kind,
                                 mucmm_tensor *out, int32_t *n)
{
    char path[1200];

    for (*n = 0; *n < MAX_TENSORS; (*n)++) {
        mucmm_status status;
        unsigned char *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, kind, *n);
        bytes = read_file(path, &size);
        if (!bytes)
            break;
        status = mucmm__onnx_tensor(ctx, bytes, size, &out[*n]);
        free(bytes);
        if (status != MUCMM_OK)
            return status;
    }
    return MUCMM_OK;
}

/* The first operator of the model without a row in the table, or the first operator. */
static void find_missing(const char *folder, char out[64])
{
    char path[1200];
    size_t size = 0;
    unsigned char *bytes;
    Onnx__ModelProto *m = NULL;

    snprintf(out, 64, "?");
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    bytes = read_file(path, &size);
    if (bytes)
        m = onnx__model_proto__unpack(NULL, size, bytes);
    for (size_t i = 0; m && m->graph && i < m->graph->n_node; i++) {
        const Onnx__NodeProto *node = m->graph->node[i];
        mucmm_op_info info;
        bool found = false;
        mucmm_op_info_init(&info);
        for (int32_t k = 0; mucmm_op(k, &info) && !found; k++)
            found = strcmp(info.type, node->op_type) == 0 && !(node->domain && *node->domain);
        if (i == 0 || !found)
            snprintf(out, 64, "%s", node->op_type);
        if (!found)
            break;
    }
    if (m)
        onnx__model_proto__free_unpacked(m, NULL);
    free(bytes);
}

/* ---- comparison -------------------------------------------------------------------- */

static bool same_number(const mucmm_tensor *got, const mucmm_tensor *want, int64_t i)
{
    double g, w;

    if (!mucmm__dtype_is_float(want->dtype))
        return mucmm__integer_get(got->dtype, got->data, i) ==
               mucmm__integer_get(want->dtype, want->data, i);
    g = mucmm__number_get(got->dtype, got->data, i);
    w = mucmm__number_get(want->dtype, want->data, i);
    return g == w || (isnan(g) && isnan(w)) ||
           (isfinite(w) && fabs(g - w) <= ABSOLUTE + RELATIVE * fabs(w));
}

static bool same_tensor(const mucmm_tensor *got, const mucmm_tensor *want, int32_t output,
                        char *why, size_t size)
{
    mucmm__desc a = {.dtype = got->dtype, .rank = got->rank, .block = 1};
    mucmm__desc b = {.dtype = want->dtype, .rank = want->rank, .block = 1};
    char text_a[MUCMM__SHAPE_TEXT], text_b[MUCMM__SHAPE_TEXT];
    int64_t n;

    memcpy(a.shape, got->shape, sizeof a.shape);
    memcpy(b.shape, want->shape, sizeof b.shape);
    n = mucmm__desc_count(&b);
    if (a.dtype != b.dtype || !mucmm__same_shape(&a, &b)) {
        snprintf(why, size, "output %d is %s %s and should be %s %s", output,
                 mucmm_dtype_name(a.dtype), mucmm__shape_text(text_a, &a),
                 mucmm_dtype_name(b.dtype), mucmm__shape_text(text_b, &b));
        return false;
    }
    for (int64_t i = 0; i < n; i++)
        if (!same_number(got, want, i)) {
            snprintf(why, size,
                     "output %d, number %" PRId64 " of %" PRId64 ": %.9g, should be %.9g", output,
                     i, n, mucmm__number_get(a.dtype, got->data, i),
                     mucmm__number_get(b.dtype, want->data, i));
            return false;
        }
    return true;
}

/* ---- a case ------------------------------------------------------------------------ */

static verdict refused(mucmm_ctx *ctx, mucmm_status status, char *why, size_t size)
{
    snprintf(why, size, "%s", mucmm_ctx_message(ctx));
    return status == MUCMM_EUNSUPPORTED ? UNSUPPORTED : FAILED;
}

/* The suite stores the bits of bfloat16 as integers, and a single number of a `like` whose shape is
 * declared as [3, 4]. */
static mucmm_status as_declared(mucmm_ctx *ctx, const mucmm_tensor *declared, mucmm_tensor *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc d = {.dtype = declared->dtype, .rank = declared->rank, .block = 1};
    void *data = NULL;

    if (declared->dtype == MUCMM_BF16 && t->dtype == MUCMM_U16)
        t->dtype = MUCMM_BF16;
    if (t->rank != 1 || t->shape[0] != 1 || declared->rank != 2 || declared->dtype != t->dtype)
        return MUCMM_OK;
    memcpy(d.shape, declared->shape, sizeof d.shape);
    TRY(mucmm__alloc(ctx, mucmm__desc_bytes(&d), 1, &data));
    memcpy(data, t->data, (size_t)mucmm_dtype_size(t->dtype));
    mucmm__free(t->data);
    *t = *declared;
    t->data = data;
done:
    return status;
}

static verdict run_case(mucmm_ctx *ctx, const char *folder, char *why, size_t size)
{
    mucmm_tensor in[MAX_TENSORS] = {0}, want[MAX_TENSORS] = {0};
    mucmm_named_tensor named[MAX_TENSORS];
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    int32_t n_in = 0, n_want = 0;
    verdict result = PASSED;
    mucmm_status status;
    char path[1200];

    snprintf(path, sizeof path, "%s/model.onnx", folder);
    TRY(mucmm_graph_load(ctx, path, &g));
    TRY(read_tensors(ctx, folder, "input", in, &n_in));
    TRY(read_tensors(ctx, folder, "output", want, &n_want));
    for (int32_t i = 0; i < n_in; i++) {
        const mucmm_named_tensor *declared = mucmm_graph_input(g, i);
        named[i] = (mucmm_named_tensor){declared ? declared->name : "?", in[i]};
        if (declared)
            TRY(as_declared(ctx, &declared->tensor, &in[i]));
        named[i].tensor = in[i];
    }
    TRY(mucmm_graph_run(ctx, g, named, n_in, NULL, &r));
    if (n_want == 0 || n_want != mucmm_graph_outputs(g)) {
        snprintf(why, size, "%d outputs, should be %d", mucmm_graph_outputs(g), n_want);
        result = FAILED;
    }
    for (int32_t i = 0; i < n_want && result == PASSED; i++) {
        if (mucmm_run_output(r, i)->dtype == MUCMM_BF16 && want[i].dtype == MUCMM_U16)
            want[i].dtype = MUCMM_BF16;
        if (!same_tensor(mucmm_run_output(r, i), &want[i], i, why, size))
            result = FAILED;
    }
done:
    if (status != MUCMM_OK)
        result = refused(ctx, status, why, size);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    for (int32_t i = 0; i < MAX_TENSORS; i++) {
        mucmm__free(in[i].data);
        mucmm__free(want[i].data);
    }
    return result;
}

static void count_missing(totals *t, const char *folder)
{
    char name[64];
    int32_t i = 0;

    find_missing(folder, name);
    while (i < t->n_missing && strcmp(t->missing[i].name, name) != 0)
        i++;
    if (i == MAX_OPERATORS)
        return;
    if (i == t->n_missing)
        memcpy(t->missing[t->n_missing++].name, name, sizeof name);
    t->missing[i].cases++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool run_folder(mucmm_ctx *ctx, const options *o, totals *t)
{
    static const char *const names[] = {"passed", "FAILED", "not supported"};
    struct dirent **entries;
    int n = scandir(o->folder, &entries, NULL, by_name);

    for (int i = 0; i < n; i++) {
        char folder[1024], model[1100], why[512] = "";
        verdict v;
        snprintf(folder, sizeof folder, "%s/%s", o->folder, entries[i]->d_name);
        snprintf(model, sizeof model, "%s/model.onnx", folder);
        if ((!o->only || strstr(entries[i]->d_name, o->only)) && access(model, R_OK) == 0) {
            v = run_case(ctx, folder, why, sizeof why);
            t->count[v]++;
            if (v == UNSUPPORTED)
                count_missing(t, folder);
            if (v == FAILED || o->verbose)
                printf("%s%-13s %s%s%s\n", o->tap ? "ERROR: " : "", names[v], entries[i]->d_name,
                       *why ? ": " : "", why);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return t->count[PASSED] + t->count[FAILED] + t->count[UNSUPPORTED] > 0;
}

/* ---- report ------------------------------------------------------------------------ */

static void print_report(const totals *t)
{
    if (t->n_missing > 0)
        printf("not supported, cases an operator:\n");
    for (int32_t i = 0; i < t->n_missing; i++)
        printf("  %-28s %4" PRId64 "\n", t->missing[i].name, t->missing[i].cases);
    printf("%" PRId64 " passed, %" PRId64 " failed, %" PRId64 " not supported of %" PRId64 "\n",
           t->count[PASSED], t->count[FAILED], t->count[UNSUPPORTED],
           t->count[PASSED] + t->count[FAILED] + t->count[UNSUPPORTED]);
}

static int print_tap(const totals *t)
{
    bool enough = t->count[PASSED] >= MIN_PASSED;

    printf("1..2\n");
    printf("%sok 1 - every case passes or is refused (%" PRId64 " failed)\n",
           t->count[FAILED] ? "not " : "", t->count[FAILED]);
    printf("%sok 2 - at least %d cases pass (%" PRId64 ")\n", enough ? "" : "not ", MIN_PASSED,
           t->count[PASSED]);
    return t->count[FAILED] > 0 || !enough;
}

static int usage(void)
{
    fprintf(stderr, "usage: conformance [--verbose | --tap] [--only TEXT] [FOLDER]\n");
    return 2;
}

int main(int argc, char **argv)
{
    options o = {.folder = DEFAULT_FOLDER};
    static totals t;
    mucmm_ctx *ctx = NULL;
    bool found;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            o.verbose = true;
        else if (strcmp(argv[i], "--tap") == 0)
            o.tap = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            o.only = argv[++i];
        else if (argv[i][0] == '-')
            return usage();
        else
            o.folder = argv[i];
    }
    if (o.tap && access(o.folder, R_OK) != 0) {
        printf("1..0 # SKIP %s is not there (Debian: libonnx-testdata)\n", o.folder);
        return 0;
    }
    if (mucmm_ctx_create(NULL, &ctx) != MUCMM_OK)
        return 1;
    found = run_folder(ctx, &o, &t);
    mucmm_ctx_free(ctx);
    if (!found) {
        fprintf(stderr, "conformance: no case in %s\n", o.folder);
        return 1;
    }
    if (o.tap)
        return print_tap(&t);
    print_report(&t);
    return t.count[FAILED] > 0;
}
