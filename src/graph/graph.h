/* SPDX-License-Identifier: MIT
 *
 * graph.h - a pre-trained network as a graph of operators: what the import, the planner, the
 * execution and the operators share. The public part (mucmm_graph_*, mucmm_run_*) is in mucmm.h.
 *
 *   file --onnx.c--> graph (immutable: nodes, constants)
 *        --plan.c--> plan  (for given input shapes, outputs and gradients: a list of steps with
 *                           shapes, layouts, primitives and places in an arena; cached)
 *        --run.c---> run   (one arena; forward, then any number of vjps)
 *
 * The operators are rows of the tables in ops/, one file a family: see mucmm__op below. */
#ifndef MUCMM_GRAPH_GRAPH_H
#define MUCMM_GRAPH_GRAPH_H

#include "core/core.h"
#include "io/number.h"

#include <math.h>

/* ---- tensors ----------------------------------------------------------------------- */

/* What a tensor is, without its numbers. block 1 is dense row-major. block b > 1 is oneDNN's
 * nC..xb layout of a tensor [N, C, ...] of rank 3 to 5: in memory [N, ceil(C/b), ..., b], channel
 * c at block c / b, place c % b; channels beyond C are zeros and must stay zeros. */
typedef struct mucmm__desc {
    mucmm_dtype dtype;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
    int32_t block;
} mucmm__desc;

/* Elements of the shape; memory elements, padding of a blocked layout included. Both have been
 * checked against overflow when the desc was made, so these cannot fail. */
int64_t mucmm__desc_count(const mucmm__desc *d);
int64_t mucmm__desc_bytes(const mucmm__desc *d);
/* Product of shape[first..last). */
int64_t mucmm__desc_product(const mucmm__desc *d, int32_t first, int32_t last);
bool mucmm__same_shape(const mucmm__desc *a, const mucmm__desc *b); /* dtype and block apart */

/* ---- attributes and nodes ---------------------------------------------------------- */

typedef enum mucmm__attr_kind {
    MUCMM__ATTR_INT = 1,
    MUCMM__ATTR_FLOAT,
    MUCMM__ATTR_STRING,
    MUCMM__ATTR_TENSOR,
    MUCMM__ATTR_INTS,
    MUCMM__ATTR_FLOATS,
    MUCMM__ATTR_STRINGS,
    MUCMM__ATTR_GRAPH
} mucmm__attr_kind;

typedef struct mucmm__body mucmm__body;

typedef struct mucmm__attr {
    char *name;
    mucmm__attr_kind kind;
    int64_t n; /* of ints, floats or strings */
    int64_t i, *ints;
    float f, *floats;
    char *s, **strings;
    mucmm_tensor t; /* data owned */
    mucmm__body *body;
} mucmm__attr;

typedef struct mucmm__op mucmm__op;

typedef struct mucmm__node {
    const mucmm__op *op;
    char *name;          /* for messages; the first output's name where the file gives none */
    int32_t opset;       /* of the model, for the node's domain                             */
    int32_t n_in, n_out; /* as written; trailing absent ones are not counted                */
    int32_t *in, *out;   /* ids of values; -1 = absent                                      */
    int32_t n_attrs;
    mucmm__attr *attrs;
    int32_t n_captures, *captures; /* values of outer scopes that its bodies use */
} mucmm__node;

/* NULL / the default if the node has no such attribute of that kind. */
const mucmm__attr *mucmm__attr_find(const mucmm__node *n, const char *name, mucmm__attr_kind kind);
int64_t mucmm__attr_int(const mucmm__node *n, const char *name, int64_t otherwise);
float mucmm__attr_float(const mucmm__node *n, const char *name, float otherwise);
const char *mucmm__attr_string(const mucmm__node *n, const char *name, const char *otherwise);
const int64_t *mucmm__attr_ints(const mucmm__node *n, const char *name, int64_t *count);

/* ---- what an operator is given ----------------------------------------------------- */

/* One struct for all functions of an operator; what is valid when is said beside each member. An
 * operator never keeps pointers into it. */
typedef struct mucmm__call {
    mucmm_ctx *ctx;
    const mucmm__node *node;
    mucmm_graph *graph;
    int32_t n_in, n_out;
    /* infer: shapes and types of the inputs (block 1). Later: with the layout they come in.
     * NULL = an optional input that is absent. */
    const mucmm__desc *const *in;
    /* infer sets dtype, rank and shape of each (with mucmm__out); layout may set block. */
    mucmm__desc **out;
    /* infer, layout, prepare: the numbers of an input that are known before the run (constants,
     * shapes and what is computed from them), dense; NULL = not known. */
    const void *const *known;
    int32_t *want; /* [n_in], layout: the block in which each input is wanted; 1 at first */

    void *state;                      /* made by prepare; read-only afterwards */
    int64_t scratch;                  /* prepare sets: bytes of c->work that forward needs */
    int64_t vjp_scratch;              /* prepare sets: the same for vjp                    */
    bool differentiable;              /* prepare: is vjp going to be called?               */
    const struct mucmm__fused *fused; /* what fuse_on_top.c has put on top; NULL = none */

    /* forward: inputs x and outputs y. vjp: those of x and y that the row's vjp_x and vjp_y ask
     * for, dy of the outputs (NULL = zero) and dx of the inputs (NULL = not wanted); dx[i] has
     * the desc in[i], dy[i] that of out[i]. vjp WRITES dx (it does not add; the caller sums where
     * a value is used twice). All are float32 or NULL in dy and dx. */
    const void *const *x;
    void *const *y;
    const void *const *dy;
    void *const *dx;
    bool spare_dy; /* vjp: nothing reads dy afterwards, it may be written over */
    void *work;    /* 64-byte aligned, not zeroed */
} mucmm__call;

/* y = activation(scale[c] op(x)[c] + shift[c] + residual): what fuse_on_top.c puts on top of a
 * Conv, ConvTranspose, Gemm or MatMul (rows of the table with MUCMM__FUSES). */
typedef enum mucmm__activation {
    MUCMM__ACT_NONE = 0,
    MUCMM__ACT_RELU,  /* max(x, 0)                    */
    MUCMM__ACT_CLIP,  /* min(max(x, alpha), beta)     */
    MUCMM__ACT_LEAKY, /* x < 0 ? alpha x : x          */
    MUCMM__ACT_SIGMOID,
    MUCMM__ACT_TANH,
    MUCMM__ACT_HARDSWISH,   /* x min(max(x + 3, 0), 6) / 6  */
    MUCMM__ACT_HARDSIGMOID, /* min(max(alpha x + beta, 0), 1) */
    MUCMM__ACT_GELU,        /* with erf                     */
    MUCMM__ACT_SILU         /* x sigmoid(x)                 */
} mucmm__activation;

typedef struct mucmm__fused {
    /* [channels of the output] (last axis for MatMul and Gemm); NULL = 1, 0. On a Conv or
     * ConvTranspose, scale is given only with constant weights. */
    const float *scale, *shift;
    int32_t residual; /* input that is added before the activation, same shape as the output;
                         -1 = none */
    mucmm__activation activation;
    float alpha, beta;
    /* After the activation: y = max(y, floor), then y = out_scale y + out_shift. floor is -INFINITY
     * and out_scale, out_shift are 1, 0 for nothing. */
    float floor, out_scale, out_shift;
    /* The vjp reads the output. A step that is to be differentiated has one of the activations
     * NONE, RELU, CLIP, LEAKY (alpha > 0), SIGMOID and TANH, and out_scale 1, out_shift 0. */
} mucmm__fused;

/* Is there anything after the activation? */
static inline bool mucmm__has_tail(const mucmm__fused *f)
{
    return f->floor != -INFINITY || f->out_scale != 1 || f->out_shift != 0;
}

/* A status of infer and prepare only: the numbers of an input are needed and not known. */
#define MUCMM__EVALUE ((mucmm_status)100)

/* ---- an operator: a row of a family's table ---------------------------------------- */

enum {
    MUCMM__VIEW = 1,          /* output 0 is input 0's memory in another shape: forward and vjp are
                                 never called (NULL)                                              */
    MUCMM__ZERO_GRADIENT = 2, /* piecewise constant: no gradient passes, vjp is NULL              */
    MUCMM__FUSES = 4,         /* honours c->fused                                                 */
    MUCMM__INTERNAL = 8,      /* made by the planner, never by a file                             */
    MUCMM__BILINEAR = 16      /* the vjp reads an input only for the gradients of the others      */
};

#define MUCMM__ALL 0xffffffffu /* for the masks below: every input or output */

struct mucmm__op {
    const char *type;       /* ONNX's name; domain "" (ai.onnx)                       */
    int16_t since, until;   /* first and last opset this row is for; until 0 = newest */
    int16_t min_in, max_in; /* max_in -1 = any number                                 */
    int16_t min_out, max_out;
    /* Checks attributes and the inputs' types and shapes; sets the outputs. */
    mucmm_status (*infer)(mucmm__call *c);
    mucmm_status (*forward)(mucmm__call *c);
    mucmm_status (*vjp)(mucmm__call *c); /* NULL = no gradient through this operator */
    uint32_t diff;                       /* bit i: input i can have a gradient             */
    uint32_t vjp_x;                      /* bit i: vjp reads x[i]                          */
    uint32_t vjp_y;                      /* bit i: vjp reads y[i]                          */
    uint32_t flags;
    /* All optional. layout: from c->in[i]->block sets c->want[i] and c->out[i]->block; without it
     * everything is dense. prepare: makes c->state and sets c->scratch, after the layout is
     * final. drop: frees the state. */
    void (*layout)(mucmm__call *c);
    mucmm_status (*prepare)(mucmm__call *c);
    void (*drop)(void *state);
};

/* ---- helpers for operators --------------------------------------------------------- */

/* "node 'enc/conv1' (Conv): " and the text; returns s. */
mucmm_status mucmm__op_fail(const mucmm__call *c, mucmm_status s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "[2, 3, 224, 224]" for messages. Returns out. */
#define MUCMM__SHAPE_TEXT 128
const char *mucmm__shape_text(char out[MUCMM__SHAPE_TEXT], const mucmm__desc *d);
/* Sets output i, checking the size against overflow and the limit of the context. No-op if the
 * output is not there (i >= n_out or absent). shape may be NULL when rank is 0. */
mucmm_status mucmm__out(mucmm__call *c, int32_t i, mucmm_dtype t, int32_t rank,
                        const int64_t *shape);
/* Output i like input j: same type and shape. */
mucmm_status mucmm__out_like(mucmm__call *c, int32_t i, int32_t j);
static inline bool mucmm__has_in(const mucmm__call *c, int32_t i)
{
    return i < c->n_in && c->in[i] != NULL;
}
static inline bool mucmm__has_out(const mucmm__call *c, int32_t i)
{
    return i < c->n_out && c->out[i] != NULL;
}
/* The known numbers of input i (0-d or 1-d, any integer type) as int64: values [max], *n how many.
 * MUCMM__EVALUE if not known; ESHAPE if there are more than max. */
mucmm_status mucmm__known_ints(const mucmm__call *c, int32_t i, int64_t *values, int64_t max,
                               int64_t *n);
/* The type of input i must be one of those whose bits (1u << dtype) are set. */
mucmm_status mucmm__check_type(const mucmm__call *c, int32_t i, uint32_t types);
#define MUCMM__TYPES_FLOAT (1u << MUCMM_F16 | 1u << MUCMM_F32 | 1u << MUCMM_F64 | 1u << MUCMM_BF16)
#define MUCMM__TYPES_SIGNED (1u << MUCMM_I8 | 1u << MUCMM_I16 | 1u << MUCMM_I32 | 1u << MUCMM_I64)
#define MUCMM__TYPES_UNSIGNED (1u << MUCMM_U8 | 1u << MUCMM_U16 | 1u << MUCMM_U32 | 1u << MUCMM_U64)
#define MUCMM__TYPES_NUMBER (MUCMM__TYPES_FLOAT | MUCMM__TYPES_SIGNED | MUCMM__TYPES_UNSIGNED)
#define MUCMM__TYPES_ANY (MUCMM__TYPES_NUMBER | 1u << MUCMM_BOOL)
/* -rank <= axis < rank -> 0 <= axis < rank; EARG names the attribute or input. */
mucmm_status mucmm__axis(const mucmm__call *c, const char *what, int64_t given, int32_t rank,
                         int32_t *axis);
/* Shape of the NumPy-style broadcast of two shapes; ESHAPE names both. */
mucmm_status mucmm__broadcast(const mucmm__call *c, const mucmm__desc *a, const mucmm__desc *b,
                              int32_t *rank, int64_t shape[MUCMM_MAX_RANK]);

/* Numbers derived from constants (packed or folded weights), shared by all plans of a graph: made
 * once for a key. fill writes the bytes; *out stays valid until the graph is freed. The key holds
 * everything the content depends on. */
typedef mucmm_status (*mucmm__fill_fn)(mucmm_ctx *ctx, void *arg, void *bytes);
mucmm_status mucmm__graph_pack(mucmm_ctx *ctx, mucmm_graph *g, const void *key, size_t key_size,
                               int64_t bytes, mucmm__fill_fn fill, void *arg, const void **out);

/* The block of the layout in which this processor convolves fastest: 8, 16, or 1 (dense). */
int32_t mucmm__conv_block(void);

/* ---- families of operators: each ends with a row whose type is NULL ---------------- */

#define MUCMM__FAMILY_MAP(X)                                                                       \
    X(unary)                                                                                       \
    X(elementwise)                                                                                 \
    X(compare)                                                                                     \
    X(quantize)                                                                                    \
    X(shape)                                                                                       \
    X(movement)                                                                                    \
    X(slice)                                                                                       \
    X(indexing)                                                                                    \
    X(order)                                                                                       \
    X(generate)                                                                                    \
    X(reduce)                                                                                      \
    X(matmul)                                                                                      \
    X(einsum)                                                                                      \
    X(normalize)                                                                                   \
    X(batchnorm)                                                                                   \
    X(normalize_other)                                                                             \
    X(softmax)                                                                                     \
    X(recurrent)                                                                                   \
    X(conv)                                                                                        \
    X(pool)                                                                                        \
    X(resize)                                                                                      \
    X(detect)                                                                                      \
    X(signal)                                                                                      \
    X(loss)                                                                                        \
    X(planner)
#define X(name) extern const mucmm__op mucmm__ops_##name[];
MUCMM__FAMILY_MAP(X)
#undef X

/* The newest opset of the ai.onnx domain that is accepted. */
#define MUCMM__OPSET_MAX 17

/* The row for a type at an opset. NULL: *known_type says whether another opset has it. */
const mucmm__op *mucmm__op_find(const char *type, int32_t opset, bool *known_type);
/* A row of MUCMM__INTERNAL by its name. */
const mucmm__op *mucmm__op_internal(const char *type);

/* network.c: hash of everything the network was loaded from, external weights too. */
uint64_t mucmm__graph_content(const mucmm_graph *g);

#endif
