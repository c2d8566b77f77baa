/* SPDX-License-Identifier: MIT
 *
 * mucmm graph info, run, vjp, ops: an ONNX network from the command line.
 */
#include "graph.h"

#include "print.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_INPUT(help)                                                                         \
    {                                                                                              \
        "input", 0, OPTION_TENSORS, true, AT(input), 0, 0, "TENSOR=FILE.npy", help                 \
    }

const option graph_info_options[] = {
    {"tensors", 0, OPTION_FLAG, false, AT(tensors), 0, 0, NULL, "list the inner tensors too"},
    OPTION_JSON,
    OPTION_END,
};

const option graph_run_options[] = {
    OPTION_INPUT("numbers of an input, or of an inner tensor that is given instead of computed"),
    OPTION_OUTPUT(true, "DIR", "folder for TENSOR.npy; '_' stands for what a file name lacks"),
    OPTION_TENSOR("tensor to write, inner ones too (default: the outputs); may be repeated"),
    OPTION_JSON,
    OPTION_THREADS,
    OPTION_END,
};

const option graph_vjp_options[] = {
    OPTION_INPUT("numbers of an input, or of an inner tensor that is given instead of computed"),
    {"cotangent", 0, OPTION_TENSORS, true, AT(cotangent), 0, 0, "TENSOR=FILE.npy",
     "derivative of a scalar by this output or inner tensor; may be repeated"},
    {"wrt", 0, OPTION_TEXT, true, AT(wrt), 0, 0, "TENSOR",
     "input or inner tensor whose gradient is asked for"},
    OPTION_OUTPUT(true, "FILE.npy", "the gradient of the scalar"),
    OPTION_THREADS,
    OPTION_END,
};

const option graph_ops_options[] = {OPTION_END};

int graph_open(session *s, const settings *given, mucmm_graph **out)
{
    return check(s, mucmm_graph_load(s->ctx, given->operand[0], out));
}

const char *dtype_text(mucmm_dtype t)
{
    return mucmm_dtype_size(t) > 0 ? mucmm_dtype_name(t) : "?";
}

int output_names(const settings *given, const mucmm_graph *g, const char **names, int32_t *n)
{
    *n = given->tensor.n;
    memcpy(names, given->tensor.value, sizeof given->tensor.value);
    if (*n > 0)
        return 0;
    *n = mucmm_graph_outputs(g);
    if (*n > MAX_TENSORS)
        return fail(EXIT_USAGE, "the network has %d outputs; name those to compute with --tensor",
                    *n);
    for (int32_t i = 0; i < *n; i++)
        names[i] = mucmm_graph_output(g, i)->name;
    return 0;
}

/* ---- info -------------------------------------------------------------------------- */

/* "[?, 3, 224, 224]" */
static void print_shape(const mucmm_tensor *t)
{
    printf("[");
    for (int32_t i = 0; i < t->rank; i++)
        if (t->shape[i] < 0)
            printf("%s?", i > 0 ? ", " : "");
        else
            printf("%s%" PRId64, i > 0 ? ", " : "", t->shape[i]);
    printf(t->rank < 0 ? "any shape]" : "]");
}

static void print_tensor(const mucmm_named_tensor *t, int width)
{
    printf("  %-*s  %-8s ", width, shown(t->name), dtype_text(t->tensor.dtype));
    print_shape(&t->tensor);
}

static int widest(int width, const char *name)
{
    int length = (int)strlen(shown(name));

    return length > width && length <= 60 ? length : width;
}

static int name_width(const mucmm_graph *g)
{
    int width = 8;

    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        width = widest(width, mucmm_graph_input(g, i)->name);
    for (int32_t i = 0; i < mucmm_graph_outputs(g); i++)
        width = widest(width, mucmm_graph_output(g, i)->name);
    return width;
}

enum { OPEN_LENGTH = 16 };

/* A run of the whole network on zeros, for its shapes: lengths that are open are 1 (the rows) and
 * OPEN_LENGTH. *out NULL: it does not run so. */
static int run_for_shapes(session *s, const mucmm_graph *g, mucmm_run **out)
{
    int32_t n_inputs = mucmm_graph_inputs(g), n = 0;
    mucmm_named_tensor *given = NULL;
    mucmm_node_info node;
    mucmm_run_params p;
    const char **names = NULL;
    int code = 0;

    mucmm_node_info_init(&node);
    while (mucmm_graph_node(g, n, &node))
        n++;
    TRY(allocate(&names, n, sizeof *names));
    for (int32_t i = 0; mucmm_graph_node(g, i, &node); i++)
        names[i] = node.output;
    TRY(allocate(&given, n_inputs, sizeof *given));
    for (int32_t i = 0; i < n_inputs; i++) {
        int64_t count = 1;
        given[i] = *mucmm_graph_input(g, i);
        for (int32_t k = 0; k < given[i].tensor.rank; k++) {
            int64_t *length = &given[i].tensor.shape[k];
            *length = *length >= 0 ? *length : k == 0 ? 1 : OPEN_LENGTH;
            count *= *length;
        }
        TRY(allocate(&given[i].tensor.data, count, 8));
    }
    mucmm_run_params_init(&p);
    p.outputs = names;
    p.n_outputs = n;
    if (mucmm_graph_run(s->ctx, g, given, n_inputs, &p, out) != MUCMM_OK)
        *out = NULL;
done:
    for (int32_t i = 0; given && i < n_inputs; i++)
        free(given[i].tensor.data);
    free(given);
    free(names);
    return code;
}

static int print_tensors(session *s, const mucmm_graph *g)
{
    mucmm_node_info node;
    mucmm_run *run = NULL;
    int code = 0;

    mucmm_node_info_init(&node);
    TRY(run_for_shapes(s, g, &run));
    printf(run ? "tensors, in the order of computation, with their shapes for one row (other open "
                 "lengths %d):\n"
               : "tensors, in the order of computation:\n",
           OPEN_LENGTH);
    for (int32_t i = 0; mucmm_graph_node(g, i, &node); i++) {
        printf("  %-20s  %s", shown(node.op), shown(node.output));
        if (run) {
            printf("  ");
            print_shape(mucmm_run_output(run, i));
        }
        printf("\n");
    }
done:
    mucmm_run_free(run);
    return code;
}

static int print_graph(session *s, const mucmm_graph *g, bool tensors)
{
    int width = name_width(g), code = 0;
    char *operators = NULL;

    printf("inputs:\n");
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++, printf("\n"))
        print_tensor(mucmm_graph_input(g, i), width);
    printf("outputs:\n");
    for (int32_t i = 0; i < mucmm_graph_outputs(g); i++, printf("\n"))
        print_tensor(mucmm_graph_output(g, i), width);
    TRY(check(s, mucmm_graph_operators_text(s->ctx, g, &operators)));
    fputs(operators, stdout);
    if (tensors)
        TRY(print_tensors(s, g));
done:
    mucmm_text_free(operators);
    return code;
}

int run_graph_info(const settings *given)
{
    session s = {0};
    mucmm_graph *g = NULL;
    char *text = NULL;
    int code = 0;

    TRY(session_open(&s, given));
    TRY(graph_open(&s, given, &g));
    if (given->json) {
        TRY(print_made(&s, mucmm_graph_json(s.ctx, g, given->tensors, &text), &text));
    } else
        TRY(print_graph(&s, g, given->tensors));
done:
    mucmm_graph_free(g);
    session_close(&s);
    return code;
}

/* ---- inputs from files ------------------------------------------------------------- */

typedef struct tensor_files {
    int32_t n;
    mucmm_named_tensor named[MAX_TENSORS];
} tensor_files;

/* The type that the network declares for an input; 0 for another tensor. */
static mucmm_dtype declared_type(const mucmm_graph *g, const char *name)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (strcmp(mucmm_graph_input(g, i)->name, name) == 0)
            return mucmm_graph_input(g, i)->tensor.dtype;
    return (mucmm_dtype)0;
}

/* want 0: each with the type the network declares, or the file's. */
static int read_tensors(session *s, const mucmm_graph *g, const tensor_pairs *from,
                        mucmm_dtype want, tensor_files *out)
{
    int code = 0;

    for (; out->n < from->n; out->n++) {
        const char *name = from->name[out->n];
        TRY(check(s, mucmm_graph_find(s->ctx, g, name)));
        TRY(check(s, mucmm_npy_read(s->ctx, from->value[out->n],
                                    want != 0 ? want : declared_type(g, name),
                                    &out->named[out->n].tensor)));
        out->named[out->n].name = name;
    }
done:
    return code;
}

static void free_tensors(tensor_files *t)
{
    for (int32_t i = 0; i < t->n; i++)
        mucmm_tensor_free(&t->named[i].tensor);
}

/* ---- run --------------------------------------------------------------------------- */

enum { MAX_FILE_NAME = 150 };

static bool is_taken(char names[][MAX_FILE_NAME], int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (strcmp(names[i], names[n]) == 0)
            return true;
    return false;
}

/* File names for tensors: letters, digits, '-', '_' and '.' stay, the rest and a '.' at the start
 * become '_'; one more '_' at the end sets those apart that would be the same. */
static void name_files(const char *const *tensors, int32_t n, char names[][MAX_FILE_NAME])
{
    for (int32_t i = 0; i < n; i++) {
        char *at = names[i];
        snprintf(names[i], MAX_FILE_NAME - MAX_TENSORS, "%s", tensors[i]);
        for (; *at; at++)
            if (!isalnum((unsigned char)*at) && *at != '-' && (*at != '.' || at == names[i]))
                *at = '_';
        for (; is_taken(names, i); *at = '\0')
            *at++ = '_';
    }
}

/* Writes the outputs and says what they are. */
static int write_outputs(session *s, const settings *given, const mucmm_run *r,
                         const char *const *names, int32_t n, output_dir *dir)
{
    char files[MAX_TENSORS][MAX_FILE_NAME];
    json_t *list = json_array();
    int code = 0;

    name_files(names, n, files);
    for (int32_t i = 0; i < n; i++) {
        mucmm_named_tensor t = {names[i], *mucmm_run_output(r, i)};
        TRY(output_dir_file(dir, "%s.npy", files[i]));
        TRY(check(s, mucmm_npy_write_tensor(s->ctx, dir->full, &t.tensor)));
        json_t *shape = json_array();
        for (int32_t j = 0; j < t.tensor.rank; j++)
            json_append(shape, json_integer(t.tensor.shape[j]));
        json_append(list, json_pack("{s:o, s:s, s:o, s:o}", "name", json_text(t.name), "dtype",
                                    dtype_text(t.tensor.dtype), "shape", shape, "file",
                                    json_text(dir->full)));
        if (given->json)
            continue;
        print_tensor(&t, 20);
        printf("  %s\n", shown(dir->full));
    }
    if (given->json)
        TRY(print_json(json_incref(list)));
done:
    json_decref(list);
    return code;
}

int run_graph_run(const settings *given)
{
    session s = {0};
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    mucmm_run_params p;
    tensor_files in = {0};
    output_dir dir = {.path = given->output};
    const char *names[MAX_TENSORS];
    int code = 0;

    mucmm_run_params_init(&p);
    TRY(output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(graph_open(&s, given, &g));
    TRY(output_names(given, g, names, &p.n_outputs));
    p.outputs = names;
    TRY(read_tensors(&s, g, &given->input, 0, &in));
    TRY(check(&s, mucmm_graph_run(s.ctx, g, in.named, in.n, &p, &r)));
    TRY(write_outputs(&s, given, r, names, p.n_outputs, &dir));
done:
    output_dir_close(&dir, code == 0);
    free_tensors(&in);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    session_close(&s);
    return code;
}

/* ---- vjp --------------------------------------------------------------------------- */

static bool same_shape(const mucmm_tensor *a, const mucmm_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

static int check_cotangents(const mucmm_run *r, const tensor_pairs *given,
                            const tensor_files *cotangents)
{
    for (int32_t i = 0; i < cotangents->n; i++)
        if (!same_shape(mucmm_run_output(r, i), &cotangents->named[i].tensor))
            return fail(EXIT_RUN, "--cotangent: %s has not the shape of tensor '%s'",
                        given->value[i], given->name[i]);
    return 0;
}

static int write_gradient(session *s, mucmm_run *r, const tensor_files *cotangents,
                          const char *path)
{
    mucmm_tensor grad = *mucmm_run_wrt(r, 0), dy[MAX_TENSORS];
    int64_t count = 1;
    int code = 0;

    for (int32_t i = 0; i < grad.rank; i++)
        count *= grad.shape[i];
    for (int32_t i = 0; i < cotangents->n; i++)
        dy[i] = cotangents->named[i].tensor;
    TRY(allocate(&grad.data, count, sizeof(float)));
    TRY(check(s, mucmm_run_vjp(s->ctx, r, dy, &grad)));
    TRY(check(s, mucmm_npy_write_tensor(s->ctx, path, &grad)));
done:
    free(grad.data);
    return code;
}

int run_graph_vjp(const settings *given)
{
    session s = {0};
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    mucmm_run_params p;
    tensor_files in = {0}, cotangents = {0};
    const char *names[MAX_TENSORS];
    int code = 0;

    mucmm_run_params_init(&p);
    TRY(output_check(given->output));
    TRY(session_open(&s, given));
    TRY(graph_open(&s, given, &g));
    TRY(read_tensors(&s, g, &given->input, 0, &in));
    TRY(read_tensors(&s, g, &given->cotangent, MUCMM_F32, &cotangents));
    for (int32_t i = 0; i < cotangents.n; i++)
        names[i] = cotangents.named[i].name;
    p.outputs = names;
    p.n_outputs = cotangents.n;
    p.wrt = &given->wrt;
    p.n_wrt = 1;
    TRY(check(&s, mucmm_graph_run(s.ctx, g, in.named, in.n, &p, &r)));
    TRY(check_cotangents(r, &given->cotangent, &cotangents));
    TRY(write_gradient(&s, r, &cotangents, given->output));
    say_written(given->output);
done:
    free_tensors(&in);
    free_tensors(&cotangents);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    session_close(&s);
    return code;
}

/* ---- ops --------------------------------------------------------------------------- */

int run_graph_ops(const settings *given)
{
    session s = {0};
    char *text = NULL;
    int code = session_open(&s, given);

    code = code == 0 ? check(&s, mucmm_ops_text(s.ctx, &text)) : code;
    fputs(code == 0 ? text : "", stdout);
    mucmm_text_free(text);
    session_close(&s);
    return code;
}
