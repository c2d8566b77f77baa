/* SPDX-License-Identifier: MIT
 *
 * mucmm.h - public interface of libmucmm: what paired views have in common,
 * what each holds alone, and where in the raw input that is.
 *
 *   mucmm_ctx *ctx = NULL;
 *   mucmm_data *left = NULL, *right = NULL;
 *   mucmm_model *model = NULL;
 *   mucmm_fit_params p;
 *
 *   mucmm_ctx_create(NULL, &ctx);
 *   mucmm_data_open(ctx, "left.npy", NULL, &left);
 *   mucmm_data_open(ctx, "right.npy", NULL, &right);
 *   mucmm_view views[] = {{"left", left}, {"right", right}};
 *   mucmm_fit_params_init(&p);
 *   p.common = 8;
 *   p.individual = 16;
 *   if (!left || !right || mucmm_fit(ctx, views, 2, &p, &model) != MUCMM_OK ||
 *       mucmm_model_save(ctx, model, "pair.mucmm") != MUCMM_OK)
 *       fprintf(stderr, "%s\n", mucmm_ctx_message(ctx));
 *   mucmm_model_free(model);
 *   mucmm_data_free(left);
 *   mucmm_data_free(right);
 *   mucmm_ctx_free(ctx);
 *
 * True for every function below unless it says otherwise:
 *
 *   Status     Functions that can fail return mucmm_status; results come back
 *              through the last pointer arguments. On failure *out is NULL and
 *              mucmm_ctx_message(ctx) says what is wrong, where (file, row,
 *              column, argument), the rule, and what to do.
 *   Ownership  *_create, *_open, *_load, *_fit: the caller owns *out and
 *              releases it with the matching *_free, which accepts NULL.
 *              Objects may be freed in any order, also after their context.
 *              No other pointer argument may be NULL unless its function says
 *              what NULL means.
 *              Pointer-to-const arguments are only read during the call, except
 *              where "borrowed" is said. Returned strings and arrays belong to
 *              the object they were asked from.
 *   Layout     Row-major. [n, p] means n rows of p numbers; a stride counts
 *              elements, not bytes. Features, heads and maps are float; moments
 *              and factorizations inside are double.
 *   Silence    The library never prints, never exits, never reads the
 *              environment or the locale. Warnings go to the log callback.
 *   Threads    One context per thread. An object behind a pointer to const may be
 *              shared: data, models, graphs, sources and encoders after their
 *              creation (those of callbacks if these allow it), a study after
 *              mucmm_study_encode.
 *   Const      A function takes an object by a pointer to const if no other
 *              function tells before from after. References that are counted,
 *              and what is worked out once and kept behind a lock (the plans of
 *              a graph), are no part of that. Without const it takes what it
 *              changes: mucmm_study_encode, mucmm_run_vjp (the room it works
 *              in), a page that grows, and what is freed.
 *   Params     A struct whose first field is struct_size may grow at its end.
 *              X_init(&p) is a macro over X_init_sized(&p, sizeof p): it writes
 *              the bytes that the caller's header knows and no more, all fields
 *              to their defaults and struct_size to that size. A function reads
 *              (of results: writes) the first struct_size bytes; fields that an
 *              older caller's struct does not have are at their defaults, and
 *              those of a newer one that this library does not have must be
 *              zero, as X_init leaves them, else EARG. struct_size 0, a struct
 *              that no X_init has seen, is EARG. A params pointer may be NULL for
 *              the defaults where that makes sense. Nothing is written through a
 *              const parameter. Other structs passed by the caller never
 *              change; those behind a returned pointer to const belong to the
 *              library and may grow at their end.
 */
#ifndef MUCMM_H
#define MUCMM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(MUCMM_BUILD) && defined(__GNUC__)
#define MUCMM_API __attribute__((visibility("default")))
#else
#define MUCMM_API
#endif

#define MUCMM_VERSION_MAJOR 0
#define MUCMM_VERSION_MINOR 1
#define MUCMM_VERSION_PATCH 0

/* Version of the library that is loaded, 0x00MMmmpp. */
MUCMM_API uint32_t mucmm_version(void);

/* ---- status ------------------------------------------------------------------------ */

/* The numbers are ABI: append, never renumber. */
#define MUCMM_STATUS_MAP(X)                                                                        \
    X(OK, 0, "success")                                                                            \
    X(EARG, 1, "invalid argument")                                                                 \
    X(ESHAPE, 2, "shapes do not conform")                                                          \
    X(ENOMEM, 3, "out of memory")                                                                  \
    X(EIO, 4, "cannot read or write file")                                                         \
    X(EFORMAT, 5, "malformed input file")                                                          \
    X(EUNSUPPORTED, 6, "valid input, but not supported by this build")                             \
    X(ENUMERIC, 7, "singular, indefinite or non-finite data")                                      \
    X(EBACKEND, 8, "a numerical library reported an error")                                        \
    X(ECANCELED, 9, "stopped by the progress callback")

typedef enum mucmm_status {
#define X(name, value, text) MUCMM_##name = value,
    MUCMM_STATUS_MAP(X)
#undef X
} mucmm_status;

/* Static text for a status, never NULL: "unknown status" if out of range. */
MUCMM_API const char *mucmm_status_text(mucmm_status s);

/* ---- context ----------------------------------------------------------------------- */

typedef struct mucmm_ctx mucmm_ctx;

typedef struct mucmm_allocator {
    void *(*alloc)(void *user, size_t align, size_t size); /* NULL on failure */
    void (*release)(void *user, void *ptr);                /* ptr may be NULL */
    void *user;
} mucmm_allocator;

typedef enum mucmm_log_level { MUCMM_LOG_WARN = 1, MUCMM_LOG_INFO = 2 } mucmm_log_level;

typedef void (*mucmm_log_fn)(void *user, mucmm_log_level level, const char *message);

/* stage: what is being done, e.g. "common heads"; done of total units, and a
 * note such as "choosing rows 5.91" ("" if none). A nonzero return stops the call
 * with MUCMM_ECANCELED at the next safe point. */
typedef int (*mucmm_progress_fn)(void *user, const char *stage, int64_t done, int64_t total,
                                 const char *note);

#define MUCMM_MAX_THREADS 4096

typedef struct mucmm_ctx_params {
    uint32_t struct_size;
    int32_t threads;    /* 0 = one per processor; at most MUCMM_MAX_THREADS  */
    uint64_t max_alloc; /* refuse larger single blocks, in bytes; 0 = 1 TiB  */
    mucmm_log_fn log;   /* NULL = silent                                     */
    void *log_user;
    mucmm_progress_fn progress; /* NULL = none                               */
    void *progress_user;
    mucmm_allocator allocator; /* all NULL = the C library's, aligned; called by several threads at
                                  a time if threads is not 1 */
} mucmm_ctx_params;

MUCMM_API void mucmm_ctx_params_init_sized(mucmm_ctx_params *p, size_t size);
#define mucmm_ctx_params_init(p) mucmm_ctx_params_init_sized((p), sizeof *(p))
MUCMM_API mucmm_status mucmm_ctx_create(const mucmm_ctx_params *params, mucmm_ctx **out);
MUCMM_API void mucmm_ctx_free(mucmm_ctx *ctx);

/* What went wrong in the last failed call on ctx; "" if none has failed. Fit for a terminal, as
 * what log and progress are given: see mucmm_text_printable. */
MUCMM_API const char *mucmm_ctx_message(const mucmm_ctx *ctx);
MUCMM_API int32_t mucmm_ctx_threads(const mucmm_ctx *ctx);

/* Text out of a file (names of columns, keys, labels) for a terminal: UTF-8 letters stay; control
 * characters, bytes that are no UTF-8 and characters that turn the direction of writing are shown
 * as \x1b or \u202e. Cut to size bytes with the NUL, at a whole character; returns out. What is
 * printable stays as it is, a text that was made so too. */
MUCMM_API const char *mucmm_text_printable(const char *text, char *out, size_t size);

/* Releases a text that came back through a char **; NULL is fine. */
MUCMM_API void mucmm_text_free(char *text);
/* The same of bytes that came back through a void **. */
MUCMM_API void mucmm_bytes_free(void *bytes);

/* ---- matrices over memory the caller owns ------------------------------------------ */

/* [rows, cols]; element (i, j) at data[i * stride + j], stride >= cols. */
typedef struct mucmm_mat {
    float *data;
    int64_t rows, cols, stride;
} mucmm_mat;

typedef struct mucmm_cmat {
    const float *data;
    int64_t rows, cols, stride;
} mucmm_cmat;

#define MUCMM_MAX_RANK 8

/* ---- types of numbers --------------------------------------------------------------- */

/* The numbers are ONNX's (TensorProto.DataType). */
typedef enum mucmm_dtype {
    MUCMM_F32 = 1,
    MUCMM_U8 = 2,
    MUCMM_I8 = 3,
    MUCMM_U16 = 4,
    MUCMM_I16 = 5,
    MUCMM_I32 = 6,
    MUCMM_I64 = 7,
    MUCMM_BOOL = 9, /* one byte, 0 or 1 */
    MUCMM_F16 = 10,
    MUCMM_F64 = 11,
    MUCMM_U32 = 12,
    MUCMM_U64 = 13,
    MUCMM_BF16 = 16
} mucmm_dtype;

/* "float32", as NumPy says it; never NULL, and any number may be asked for. */
MUCMM_API const char *mucmm_dtype_name(mucmm_dtype t);
/* Bytes of one number; 0 = not a type of numbers. */
MUCMM_API int64_t mucmm_dtype_size(mucmm_dtype t);

/* ---- data: the rows of one view ---------------------------------------------------- */

typedef struct mucmm_data mucmm_data;

/* Is the first line of a table its header? Auto: yes, unless it holds numbers alone, which is an
 * error (EFORMAT); but 0, 1, 2, .. or 1, 2, 3, .. are names that programs give. */
typedef enum mucmm_header {
    MUCMM_HEADER_AUTO = 0,
    MUCMM_HEADER_YES = 1,
    MUCMM_HEADER_NO = 2
} mucmm_header;
/* What stands before the decimals of a table. Auto: the comma where all numbers that have decimals
 * have it, unless they could be thousands as well (EFORMAT). */
typedef enum mucmm_decimal {
    MUCMM_DECIMAL_AUTO = 0,
    MUCMM_DECIMAL_POINT = 1,
    MUCMM_DECIMAL_COMMA = 2
} mucmm_decimal;

/* What becomes of empty cells. Infinity is an error always. */
typedef enum mucmm_missing {
    MUCMM_MISSING_REFUSE = 0, /* they are an error */
    MUCMM_MISSING_ALLOW = 1,  /* a row without any value lacks the view; single cells are read as
                                 NaN, and filled by what a fit learns from the other cells of its
                                 training rows (docs/method.md, section 1)                      */
    MUCMM_MISSING_DROP = 2    /* a row with an empty cell lacks the view; mucmm_views_open keeps the
                                 rows that have all views                                       */
} mucmm_missing;

typedef struct mucmm_data_params {
    uint32_t struct_size;
    const char *key;  /* csv/tsv: name of the column that identifies a row; NULL =
                         pair by position. The key column is not a feature.    */
    int32_t missing;  /* of mucmm_missing: cells that are empty (of a table nothing, NA, NaN,
                         NULL, N/A or #N/A; of an array NaN). Default: an error        */
    const char *skip; /* csv/tsv: name of a column that is no feature, where there is one:
                         what it holds need be no numbers; NULL (default) = none       */
    /* csv/tsv: lists of names with commas between them; * stands for anything, and of
     * mucmm_views_open view:name is a column of that view alone. EARG: one that no column has.
     * Columns of texts are no features whatever is asked for: left out, and said.            */
    const char *columns;    /* only these are features; NULL (default) = all                */
    const char *ignore;     /* these are none; NULL (default)                                */
    const char *categories; /* instead of each, a column NAME=LEVEL of 0 and 1 for every level;
                               NULL (default)                                               */
    int32_t header;         /* mucmm_header; without one columns have no names, and are called
                               1, 2, .. by key, columns and so on                           */
    int32_t decimal;        /* mucmm_decimal                                                 */
    const char *transpose;  /* not NULL: samples are columns, features rows; of mucmm_views_open
                               the names of such views, or *                                */
    double missing_row;    /* with MUCMM_MISSING_ALLOW: a row with more than this share of its cells
                              empty lacks the view; 0 to 1, default .5 */
    double missing_column; /* and a column with more than this share, of the rows that have the
                              view, is an error; 0 to 1, default .5 */
} mucmm_data_params;

MUCMM_API void mucmm_data_params_init_sized(mucmm_data_params *p, size_t size);
#define mucmm_data_params_init(p) mucmm_data_params_init_sized((p), sizeof *(p))

/* Opens .npy (bool, integers, floats; both byte orders; C and Fortran order;
 * memory-mapped, first axis = rows), .csv/.tsv (header; quoted fields; a first
 * column with an empty name holds row names), .idx/.idx.gz (also the MNIST
 * spelling -idx3-ubyte[.gz]), and one array of a .npz, .safetensors or HDF5 file (.h5, .h5ad: also
 * sparse, with the names of its rows and columns), which "path:name" names where there are several
 * and no file has that name; a folder of .npy files, or a pattern ("part-*.npy"), in the natural
 * order of their names, is one array. The kind is told by the file's first bytes, else
 * by its name.
 * EIO no such file, no permission; EFORMAT malformed (the message names file,
 * and line and column for text); EUNSUPPORTED complex, object or string dtype. */
MUCMM_API mucmm_status mucmm_data_open(mucmm_ctx *ctx, const char *path,
                                       const mucmm_data_params *params, mucmm_data **out);

/* Rows in the caller's memory: borrowed, must outlive the data. label stands
 * for a file name in messages. shape[rank] is the shape of one row (its product
 * is m->cols); rank 0 = flat. */
MUCMM_API mucmm_status mucmm_data_wrap(mucmm_ctx *ctx, const mucmm_cmat *m, const char *label,
                                       const int64_t *shape, int32_t rank, mucmm_data **out);

/* Rows in memory with everything that a file can say of them. Names are copied, and so are shape,
 * label, columns and keys. */
typedef struct mucmm_array {
    uint32_t struct_size;
    mucmm_dtype dtype;           /* of data; default MUCMM_F32; all but MUCMM_BF16. The rows
                                    become float32 when they are read, as those of a file    */
    const void *data;            /* number (i, j) is the (i * stride + j)-th; aligned or not  */
    int64_t rows, cols, stride;  /* stride in numbers, at least cols; 0 (default) = cols      */
    const int64_t *shape;        /* [rank] of one row; its product is cols                    */
    int32_t rank;                /* 0 (default) = flat                                        */
    int32_t missing;             /* as in mucmm_data_params                                   */
    const char *label;           /* for a file name in messages; NULL = "data"                */
    const char *const *columns;  /* [cols] names; NULL = unnamed                              */
    const char *const *keys;     /* [rows] for mucmm_data_pair; NULL = pair by position       */
    void (*release)(void *user); /* called once, when the last data object that uses the memory
                                    (also a subset) is freed, by the thread that
                                    frees it; NULL = the memory outlives the data. Not called
                                    when mucmm_data_adopt fails: then it stays the caller's   */
    void *user;
    double missing_row, missing_column; /* as in mucmm_data_params                            */
} mucmm_array;

MUCMM_API void mucmm_array_init_sized(mucmm_array *a, size_t size);
#define mucmm_array_init(a) mucmm_array_init_sized((a), sizeof *(a))

/* EARG, ESHAPE: data, sizes, type or names do not make sense; with missing EFORMAT: no row holds a
 * value. */
MUCMM_API mucmm_status mucmm_data_adopt(mucmm_ctx *ctx, const mucmm_array *array, mucmm_data **out);

/* The given rows of another data object (which is kept alive), in that order; -1 is a row that
 * lacks this view. */
MUCMM_API mucmm_status mucmm_data_subset(mucmm_ctx *ctx, const mucmm_data *from,
                                         const int64_t *rows, int64_t n, mucmm_data **out);

/* Replaces data[1..] by their rows in the order of data[0]'s keys. All must
 * have been opened with a key; a key that is missing or stands twice is an
 * error that names file and line. On failure data[] is unchanged. */
MUCMM_API mucmm_status mucmm_data_pair(mucmm_ctx *ctx, mucmm_data **data, int32_t n_data);
/* The same for keys that not all have: replaces data[0..] by one row for every key, those of
 * data[0] first, then those that data[1] adds, and so on; what has no row of a key lacks it. */
MUCMM_API mucmm_status mucmm_data_pair_all(mucmm_ctx *ctx, mucmm_data **data, int32_t n_data);

MUCMM_API void mucmm_data_free(mucmm_data *d);
MUCMM_API int64_t mucmm_data_rows(const mucmm_data *d);
MUCMM_API int64_t mucmm_data_cols(const mucmm_data *d); /* product of the row's shape */
MUCMM_API const char *mucmm_data_label(const mucmm_data *d);
/* Shape of one row; returns its rank (1 for a table), at most MUCMM_MAX_RANK. */
MUCMM_API int32_t mucmm_data_shape(const mucmm_data *d, int64_t shape[MUCMM_MAX_RANK]);
MUCMM_API const char *mucmm_data_column(const mucmm_data *d, int64_t j); /* NULL if unnamed */
/* NULL if none, also where a row of mucmm_data_pair_all is missing. */
MUCMM_API const char *mucmm_data_key(const mucmm_data *d, int64_t i);
/* 1: row i has this view; 0: it lacks it. How many lack it. */
MUCMM_API int32_t mucmm_data_has(const mucmm_data *d, int64_t i);
MUCMM_API int64_t mucmm_data_missing(const mucmm_data *d);
/* How many of row i's cells are empty; 0 where it lacks the view. */
MUCMM_API int64_t mucmm_data_empty(const mucmm_data *d, int64_t i);

/* Copies rows rows[0..n) (or, if rows is NULL, rows 0..n) into out [n, cols]; NaN where a cell is
 * empty and may be.
 * ENUMERIC a value is NaN, infinite or beyond float (message: file, row, column); EUNSUPPORTED a
 * row holds nothing but NaN; EARG a row lacks this view. */
MUCMM_API mucmm_status mucmm_data_read(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                       int64_t n, const mucmm_mat *out);

/* ---- tables: what is known of the rows beside the views ---------------------------- */

/* A .csv or .tsv file of mixed columns: numbers, categories, missing cells (empty, NA, NaN).
 * Read-only after creation. */
typedef struct mucmm_table mucmm_table;

typedef struct mucmm_table_params {
    uint32_t struct_size;
    const char *key; /* name of the column that identifies a row, which is then no column of the
                        table; NULL: a first column without a name, if there is one, else none */
    int32_t header;  /* mucmm_header */
} mucmm_table_params;

MUCMM_API void mucmm_table_params_init_sized(mucmm_table_params *p, size_t size);
#define mucmm_table_params_init(p) mucmm_table_params_init_sized((p), sizeof *(p))

/* The text format is that of mucmm_data_open. EFORMAT, EIO as there; also a key that is empty or
 * stands twice. ENUMERIC: an infinite number in a column of numbers. */
MUCMM_API mucmm_status mucmm_table_open(mucmm_ctx *ctx, const char *path,
                                        const mucmm_table_params *params, mucmm_table **out);
/* The same of the text [size] of a file in memory, which is not borrowed; label stands for its path
 * in messages (NULL: "table"). */
MUCMM_API mucmm_status mucmm_table_open_memory(mucmm_ctx *ctx, const void *text, size_t size,
                                               const char *label, const mucmm_table_params *params,
                                               mucmm_table **out);
MUCMM_API void mucmm_table_free(mucmm_table *t);

MUCMM_API int64_t mucmm_table_rows(const mucmm_table *t);
MUCMM_API int64_t mucmm_table_columns(const mucmm_table *t);
MUCMM_API const char *mucmm_table_label(const mucmm_table *t);
MUCMM_API const char *mucmm_table_key(const mucmm_table *t, int64_t row); /* NULL if none */
/* NULL out of range; -1 if there is none of that name. */
MUCMM_API const char *mucmm_table_column(const mucmm_table *t, int64_t column);
MUCMM_API int64_t mucmm_table_find(const mucmm_table *t, const char *name);
/* The same; EARG lists the columns if there is none of that name. */
MUCMM_API mucmm_status mucmm_table_require(mucmm_ctx *ctx, const mucmm_table *t, const char *name,
                                           int64_t *column);
/* [rows] NaN = missing. A column is one of numbers if all its cells that are there are decimal
 * numbers; NULL: it is one of categories, or out of range. */
MUCMM_API const double *mucmm_table_numbers(const mucmm_table *t, int64_t column);
/* [rows] which level a cell is, from 0 in the order of their first appearance in the file, by
 * their texts; -1 = missing. Numbers have levels too. NULL out of range. */
MUCMM_API const int64_t *mucmm_table_codes(const mucmm_table *t, int64_t column);
MUCMM_API int64_t mucmm_table_levels(const mucmm_table *t, int64_t column);
MUCMM_API const char *mucmm_table_level(const mucmm_table *t, int64_t column, int64_t level);

/* The same rows as those of d, which is kept alive, with a table of what is known of them: its row
 * i belongs to row i (ESHAPE). It goes with them to subsets, and to whatever is made of the rows:
 * mucmm_fit_params.adjust. Of what is attached already it takes the place. */
MUCMM_API mucmm_status mucmm_data_attach(mucmm_ctx *ctx, const mucmm_data *d, const mucmm_table *t,
                                         mucmm_data **out);
/* What was attached, [rows of d]; NULL: nothing. */
MUCMM_API const mucmm_table *mucmm_data_covariates(const mucmm_data *d);

/* Writes a float32 .npy of the given shape, atomically (temporary file, sync,
 * rename: the old file or the whole new one, never a part). */
MUCMM_API mucmm_status mucmm_npy_write(mucmm_ctx *ctx, const char *path, const float *data,
                                       const int64_t *shape, int32_t rank);

/* All rows of a view in the same way, [n, shape of a row]; errors as in mucmm_data_read. */
MUCMM_API mucmm_status mucmm_data_write(mucmm_ctx *ctx, const mucmm_data *d, const char *path);

/* Writes a whole file from memory in the same way. */
MUCMM_API mucmm_status mucmm_file_write(mucmm_ctx *ctx, const char *path, const void *data,
                                        size_t size);

/* Can a file be written there? Asked before the work, not after it: does all that writing does
 * except for the bytes, and leaves nothing, nor changes what is there. EIO: the message says why
 * not. */
MUCMM_API mucmm_status mucmm_file_check(mucmm_ctx *ctx, const char *path);

/* The one of n words that is nearest to a mistyped one, or NULL if none is near: for messages. */
MUCMM_API const char *mucmm_nearest_word(const char *wrong, const char *const *words, int64_t n);

/* ---- fit --------------------------------------------------------------------------- */

typedef struct mucmm_view {
    const char *name; /* letters, digits, '_' and '-'; unique */
    const mucmm_data *data;
} mucmm_view;

#define MUCMM_MAX_VIEWS 16
#define MUCMM_MAX_HIDDEN 8

/* The closed form; trained networks; or these only where they say more on the choosing rows than
 * the closed form, judged for the common and then for the individual heads (docs/method.md,
 * sections 2 and 3): what was kept is in the model's JSON, closed_form_kept. */
typedef enum mucmm_head_kind {
    MUCMM_HEAD_LINEAR = 0,
    MUCMM_HEAD_MLP = 1,
    MUCMM_HEAD_AUTO = 2
} mucmm_head_kind;
typedef enum mucmm_scaling { MUCMM_SCALE_VIEW = 0, MUCMM_SCALE_COLUMN = 1 } mucmm_scaling;

/* Instead of a ridge: the best of a list, on the choosing rows or, in a small sample (fewer
 * training rows than 5 times the columns of a view), by cross-validation on the training rows; or
 * of every view its own, from the shrinkage of Ledoit and Wolf (2004). */
#define MUCMM_RIDGE_CHOSEN (-1.0)
#define MUCMM_RIDGE_LEDOIT_WOLF (-2.0)

/* For the numbers of dimensions: found on the choosing rows, at least 20. The common ones are
 * the leading components of the closed form that are significant there, up to the first that is not
 * (p <= 0.01, at most 100), or of trained heads, where those find more; 1 if there is none; the
 * individual ones those that lower the error of rebuilding columns that were not seen (at most 64).
 * What was found is in the model's JSON. */
#define MUCMM_AUTO (-1)

/* A map of each column that takes the weight from its outliers, learnt from the training rows (a
 * sample of at most 20,000), kept in the model and applied to new rows wherever it is used
 * (docs/method.md, section 1). Maps and patterns of an explanation are then in units of what it
 * gives, gradients in those of the columns. */
typedef enum mucmm_robust {
    MUCMM_ROBUST_NONE = 0,
    MUCMM_ROBUST_WINSOR = 1, /* what is farther than 3 standard deviations from the median, by the
                                median absolute deviation, is moved there */
    MUCMM_ROBUST_RANK = 2    /* normal scores of the ranks */
} mucmm_robust;

typedef struct mucmm_fit_params {
    uint32_t struct_size;
    mucmm_head_kind head;             /* default MUCMM_HEAD_AUTO                                  */
    mucmm_scaling scaling;            /* one divisor per view (default) or per column             */
    int64_t common;                   /* k, >= 1, or MUCMM_AUTO; required                         */
    int64_t individual;               /* q of every view, >= 0 (of a view whose columns leave less,
                                         what they leave), or MUCMM_AUTO; required           */
    int32_t n_hidden;                 /* hidden layers of an MLP head, 0..MUCMM_MAX_HIDDEN        */
    int64_t hidden[MUCMM_MAX_HIDDEN]; /* their widths; default 512, 512                 */
    int64_t common_epochs;            /* 0 = 20, or more if that is less than 180 steps           */
    int64_t individual_epochs;        /* 0 = 12, or more if that is less than 300 steps      */
    int64_t batch;                    /* rows; 0 = max(2000, 20 M k), capped by the training rows */
    double validation;                /* share of the rows held out, in [0, 0.5]; default 0.1: they
                                         decide nothing, so what they show is of new rows. Where
                                         anything is chosen (heads are trained, dimensions are
                                         MUCMM_AUTO, the ridge outside a small sample), as many
                                         others choose, at most half of those that are left; the
                                         rest train. 0: the closed form of exactly the rows given */
    uint64_t seed;                    /* default 1                                                */
    double ridge;                     /* of the closed form, in units of the mean variance; or
                                         MUCMM_RIDGE_CHOSEN (default) or _LEDOIT_WOLF. 0 needs more
                                         training rows than columns.                              */
    double learning_rate;             /* peak of the one-cycle schedule; 0 = 2e-3                 */
    double weight_decay;              /* default 1e-4                                             */
    double input_noise;     /* standard deviation, in units of the feature's; default 0.3 */
    double independence;    /* of trained individual variates, in [0, 1]; default 1. Of several
                               candidates (mucmm_model_front) the most complete one is kept that
                               leaks no more than the least leaky one does, or than chance (2
                               standard deviations) if that is more, and the share 1 -
                               independence of what the residual leaks beyond that             */
    const char *checkpoint; /* file; NULL = none. Resumed from if it exists.            */
    int32_t stages;         /* of training of the common heads, at most: later ones look for what no
                               function of the earlier ones' variates is; 1 (default) = all
                               dimensions at once; 0 = 5, the most there can be              */
    int32_t bootstrap;      /* replicates that tell how stable the closed form's components are,
                               0 (default) = none, to MUCMM_MAX_BOOTSTRAP; 100 are enough. Each
                               costs about a pass over the training rows and a closed form     */
    int32_t restarts;       /* more starts of the common heads from scratch, 0 (default) to
                               MUCMM_MAX_RESTARTS: the best start on the choosing rows is kept, and
                               compared with the others. Each costs the common epochs once more.
                               Not with MUCMM_HEAD_LINEAR, nor with other stages than 1             */
    const int64_t *groups;  /* a number for each row of the views, the same for rows that are not
                               independent of each other (of one subject, site, video); NULL
                               (default): every row is its own. Whole groups are held out, drawn and
                               exchanged (docs/method.md, section 5)                             */
    const char *adjust; /* covariates that are taken out of the features: names of columns of the
                           table that is attached to the rows (mucmm_views_attach), with commas
                           between them, "age,batch"; "batch:category" where a column of numbers
                           is one of codes. The features are regressed on them, on the training
                           rows; a missing cell counts as the mean, a row of which nothing is known
                           is refused. New rows are adjusted in the same way wherever the model is
                           used, and so need the same table. NULL or "" = none (default) */
    int32_t adjust_nonlinear; /* columns of a natural cubic spline for each number of adjust, 2 to
                                 8; 0 (default) or 1: the number itself */
    mucmm_robust
        robust;      /* default MUCMM_ROBUST_NONE: what is made of each column, before all else */
    int32_t folds;   /* every row trains, and is judged by models that did not see it: the rows fall
                        into so many folds. 0: some rows are held out instead; MUCMM_AUTO (default):
                        5 where fewer than MUCMM_SMALL_SAMPLE rows have all views, `head` is no mlp
                        and `validation` is its default or 0; else 0. Then MUCMM_HEAD_AUTO trains
                        nothing: so few rows do not feed networks                               */
    int32_t repeats; /* of the folds, each time drawn anew; 0 (default) = 10, or fewer where that
                        takes long                                                              */
    int32_t n_view_individual; /* 0 (default): `individual` is for all views; else the number of
                                  views, and it counts for none of them                         */
    int64_t view_individual[MUCMM_MAX_VIEWS]; /* q of each view, >= 0, or MUCMM_AUTO. Of more than
                                  two views one that has fewer columns than common + its q carries
                                  at most the components that its q leaves room for            */
    int32_t allow_ids; /* 0 (default): EARG where a column cannot be a measurement: it counts the
                          rows, is named as an identifier and tells all rows apart by whole
                          numbers, or is the same in two views; 1: all are taken */
} mucmm_fit_params;
#define MUCMM_SMALL_SAMPLE 300
#define MUCMM_MAX_FOLDS 100
#define MUCMM_MAX_REPEATS 1000
#define MUCMM_MAX_BOOTSTRAP 10000
#define MUCMM_MAX_RESTARTS 20

MUCMM_API void mucmm_fit_params_init_sized(mucmm_fit_params *p, size_t size);
#define mucmm_fit_params_init(p) mucmm_fit_params_init_sized((p), sizeof *(p))

typedef struct mucmm_model mucmm_model;

/* Fits the closed form and, but for MUCMM_HEAD_LINEAR, trained heads, to M >= 2 views
 * whose rows are paired by position. There may be more columns than rows (docs/method.md, section
 * 4). Rows may lack views (mucmm_data_params.missing, mucmm_data_pair_all): they take part in
 * means, scales and covariances, and so in the closed form; heads are trained, and everything is
 * held out and judged, on rows that have all views. */
MUCMM_API mucmm_status mucmm_fit(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                 const mucmm_fit_params *params, mucmm_model **out);
MUCMM_API void mucmm_model_free(mucmm_model *m);

/* The model file is a safetensors file; everything but tensors is JSON in its
 * metadata. Written atomically. */
MUCMM_API mucmm_status mucmm_model_save(mucmm_ctx *ctx, const mucmm_model *m, const char *path);
MUCMM_API mucmm_status mucmm_model_load(mucmm_ctx *ctx, const char *path, mucmm_model **out);
/* The same file in memory: *bytes [*size], released with mucmm_bytes_free; of those given to load
 * nothing is borrowed, and label (NULL: "model") stands for the path in messages. What is loaded
 * holds all that mucmm_fit guarantees, or the message names what does not: EFORMAT, ENUMERIC. */
MUCMM_API mucmm_status mucmm_model_save_memory(mucmm_ctx *ctx, const mucmm_model *m, void **bytes,
                                               size_t *size);
MUCMM_API mucmm_status mucmm_model_load_memory(mucmm_ctx *ctx, const void *bytes, size_t size,
                                               const char *label, mucmm_model **out);

MUCMM_API int32_t mucmm_model_views(const mucmm_model *m);
MUCMM_API const char *mucmm_model_view_name(const mucmm_model *m, int32_t view);
MUCMM_API int32_t mucmm_model_view_index(const mucmm_model *m, const char *name); /* -1 if none */
MUCMM_API int64_t mucmm_model_view_cols(const mucmm_model *m, int32_t view);
/* What a view's empty cells are filled with (docs/method.md, section 1). */
typedef struct mucmm_imputation {
    int64_t factors;     /* that columns have in common; 1 with r2 0: each is filled by its mean */
    int64_t rows, empty; /* training rows that have the view, and their empty cells             */
    double r2;           /* of training cells that were hidden from it: 1 = exact, 0 = the means */
} mucmm_imputation;
/* 1 and *out; 0 where the model knows nothing to fill cells with, as no cell might be empty. */
MUCMM_API int32_t mucmm_model_imputation(const mucmm_model *m, int32_t view, mucmm_imputation *out);
/* Name of a view's column j as it is kept (mucmm_text_printable): NULL if it has none. Rows that a
 * model is given are matched by these names: other columns are left out, and said; a column that is
 * missing is an error (ESHAPE) with the name that is nearest. Where the model or the rows have no
 * names, columns are taken by position, and that is said too. */
MUCMM_API const char *mucmm_model_view_column(const mucmm_model *m, int32_t view, int64_t j);
MUCMM_API int32_t mucmm_model_view_shape(const mucmm_model *m, int32_t view,
                                         int64_t shape[MUCMM_MAX_RANK]);
MUCMM_API int64_t mucmm_model_common(const mucmm_model *m);                   /* k */
MUCMM_API int64_t mucmm_model_individual(const mucmm_model *m, int32_t view); /* q_m */
/* Training rows that have the view. */
MUCMM_API int64_t mucmm_model_training_rows(const mucmm_model *m, int32_t view);
/* 1: patterns of this view need no training rows, unless its rows are encoded; 0: they do. */
MUCMM_API int32_t mucmm_model_has_covariance(const mucmm_model *m, int32_t view);
/* The model's metadata as JSON text: everything but the tensors. */
MUCMM_API const char *mucmm_model_json(const mucmm_model *m);

/* What the held-out rows have chosen of a model of a version before 0.2: bits. Its p-values there
 * are flattered by it. Since then rows of their own choose. */
typedef enum mucmm_chose {
    MUCMM_CHOSE_DIMENSIONS = 1,
    MUCMM_CHOSE_RIDGE = 2,
    MUCMM_CHOSE_EPOCH = 4 /* and the start, and the point of the front */
} mucmm_chose;

/* Of a part, common or individual: are its heads trained, or the closed form, and why. */
typedef enum mucmm_kept {
    MUCMM_KEPT_TRAINED = 0,
    MUCMM_KEPT_ASKED = 1,    /* the closed form: nothing else was asked for             */
    MUCMM_KEPT_NO_BETTER = 2 /* the closed form: trained heads say no more on choosing rows */
} mucmm_kept;
/* In words, static: "trained", ...; NULL if it is none. */
MUCMM_API const char *mucmm_kept_text(mucmm_kept kept);
/* In words, static, of one bit: "the number of dimensions", "the ridge", "the epoch"; else NULL. */
MUCMM_API const char *mucmm_chose_text(mucmm_chose one);

/* A later version may have more at its end: take it by its address, do not copy it. */
typedef struct mucmm_model_facts {
    int64_t common;                       /* k                                              */
    int64_t training_rows, held_out_rows; /* with all views                                 */
    double ridge; /* of the closed form; MUCMM_RIDGE_LEDOIT_WOLF: each view its own          */
    mucmm_kept common_kept, individual_kept;
    uint32_t held_out_chose; /* bits of mucmm_chose; 0 since version 0.2                     */
    int32_t incomplete;      /* 1: rows that lack views took part                            */
    int32_t views;
    double view_ridge[MUCMM_MAX_VIEWS];       /* of each view                                 */
    int64_t view_rows[MUCMM_MAX_VIEWS];       /* training rows that have it; 0 in the first files */
    double view_variance[MUCMM_MAX_VIEWS];    /* trace of the covariance of its scaled rows   */
    int64_t view_individual[MUCMM_MAX_VIEWS]; /* q                                           */
    int32_t start; /* stage whose common heads were kept, for mucmm_stage_text; -1: closed form */
    int32_t ridge_chosen;  /* 1: by the choosing rows, or in a small sample by cross-validation */
    int64_t choosing_rows; /* with all views; 0: nothing was chosen, or held-out rows chose  */
} mucmm_model_facts;
/* Belongs to the model, as all below. */
MUCMM_API const mucmm_model_facts *mucmm_model_about(const mucmm_model *m);

/* Sentences for people, of two lines, in out [size] (cut if need be); "" if there is nothing to
 * say. They return out. What of the heads is the closed form although more was asked for, and what
 * keeps trained ones (such as "fit with head mlp"); what the held-out rows of an older model chose,
 * which flatters their p-values. */
#define MUCMM_NOTE_SIZE 320
MUCMM_API const char *mucmm_model_closed_form_note(const mucmm_model *m, const char *keep,
                                                   char *out, size_t size);
MUCMM_API const char *mucmm_model_held_out_note(const mucmm_model *m, char *out, size_t size);

/* The parameters as used: epochs and batch resolved; numbers of dimensions MUCMM_AUTO where they
 * were found; checkpoint NULL. Of a model from a file ridge is the default (facts have the one that
 * was used). */
MUCMM_API const mucmm_fit_params *mucmm_model_params(const mucmm_model *m);

/* What the choosing rows said of the numbers of dimensions, where these were MUCMM_AUTO. */
typedef struct mucmm_dimensions {
    int64_t candidates, common; /* components looked at, 0 = k was given; leading ones found */
    double level;
    double *correlations, *null_95, *p_values; /* [candidates], choosing rows */
    int64_t chosen[MUCMM_MAX_VIEWS];           /* individual ones of a view */
    /* [n_errors]: share of the view's squares that is not rebuilt with so many of them; 0 = q was
     * given */
    double *error[MUCMM_MAX_VIEWS];
    int64_t n_errors[MUCMM_MAX_VIEWS];
    /* [candidates] of the correlations, where these are cross-fitted (mucmm_cross_fit) and the
     * p-values those of the exact test, NaN beyond the first that is not significant; else NULL */
    double *standard_errors;
    /* What trained heads tried on their own: components, and how many lead to the last that counts,
     * on choosing rows that did not choose their epoch. 0: none were tried. common is the larger of
     * both findings. */
    int64_t trained_candidates, trained;
} mucmm_dimensions;
MUCMM_API const mucmm_dimensions *mucmm_model_dimensions(const mucmm_model *m);

/* The classical sequential test that canonical correlation j and all after it are 0: Wilks' lambda,
 * with Bartlett's chi-squared and Rao's F, as SAS, SPSS and R print them. They assume normal rows,
 * and hold for two views, a ridge of 0 and more rows than columns of both views. */
typedef struct mucmm_classical {
    double correlation, wilks;
    double chi_squared, chi_squared_df, chi_squared_p;
    double f, f_df1, f_df2, f_p;
} mucmm_classical;

/* What testifies where every row trains: a small sample, or `validation` 0. Of the common
 * components that the model keeps; a later version may have more at its end. */
typedef struct mucmm_cross_fit {
    int64_t rows, components;
    /* A row's cross-fitted variates come from models that were fitted without its fold: `folds`
     * parts of the rows, drawn anew `repeats` times. folds 0: not asked for, or not possible. */
    int32_t folds, repeats;
    /* [k] correlations: of the rows that trained (in-sample, which flatters); of cross-fitted
     * variates, mean over pairs of views and repeats, with the standard error and the ends of the
     * interval of `level` by a bootstrap of the rows. NaN where folds is 0. */
    double *in_sample, *correlations, *standard_errors, *low, *high;
    double level; /* 0.95 */
    /* [k] that more dimensions than those before are shared: pairing permuted and refitted
     * `permutations` times; never less than the one before. Of trained heads: twice the median over
     * the folds of all repeats. NaN if permutations is 0. */
    double *p_values;
    int64_t permutations;
    int64_t n_classical; /* min(p_1, p_2), or 0 where they do not hold */
    mucmm_classical *classical;
} mucmm_cross_fit;
/* NULL: the model was fitted on some rows and judged on others. */
MUCMM_API const mucmm_cross_fit *mucmm_model_cross_fit(const mucmm_model *m);

/* One line of the training history: loss NaN before the first epoch; held_out is of the rows that
 * choose. */
typedef struct mucmm_epoch {
    int32_t stage; /* for mucmm_stage_text */
    int64_t epoch;
    double loss, held_out;
} mucmm_epoch;
/* [*n] */
MUCMM_API const mucmm_epoch *mucmm_model_history(const mucmm_model *m, int64_t *n);
/* "common-from-closed-form", "common-from-scratch", "common-restart-1", "common-2", "individual",
 * "individual-2", ... in out; returns out. */
#define MUCMM_STAGE_TEXT 32
MUCMM_API const char *mucmm_stage_text(int32_t stage, char out[MUCMM_STAGE_TEXT]);

/* What trained heads' individual variates were chosen from. */
typedef enum mucmm_candidate_kind {
    MUCMM_CANDIDATE_RESIDUAL = 0,  /* what a regression on c leaves, linear in c and h: all that is
                                      private, and all that is not linear of what is shared      */
    MUCMM_CANDIDATE_TRANSPORT = 1, /* the residual, carried by a bijection for every c to where it
                                      is standard normal, by maximum likelihood */
    MUCMM_CANDIDATE_TRAINED = 2    /* the transport and a network of h, trained together against a
                                      penalty on what tells c                                    */
} mucmm_candidate_kind;

typedef struct mucmm_candidate {
    mucmm_candidate_kind kind;
    int32_t chosen;      /* 1: this one is kept */
    double leak;         /* mean over the views of K_x(phi(u), [c, psi(c)]) on choosing rows */
    double leak_sd;      /* its standard deviation where nothing leaks */
    double completeness; /* mean over the views of the share of what c leaves that (c, u) rebuilds,
                            as mucmm_summary has it; NaN if there are too few rows */
} mucmm_candidate;
#define MUCMM_MAX_CANDIDATES 3

/* The candidates of the individual variates in the order in which they were made, [*n]; 0 for
 * linear heads, and of models that were fitted by versions before 0.2. "residual", "transport",
 * "trained": mucmm_candidate_name. */
MUCMM_API const mucmm_candidate *mucmm_model_front(const mucmm_model *m, int32_t *n);
MUCMM_API const char *mucmm_candidate_name(mucmm_candidate_kind kind);

/* Of a view's training rows x: h = (x - mean) / scale. [p]; NULL if there is no such view. */
MUCMM_API const double *mucmm_model_mean(const mucmm_model *m, int32_t view);
MUCMM_API const double *mucmm_model_scale(const mucmm_model *m, int32_t view);
/* Covariance [p, p] of h; NULL if the model does not hold it (mucmm_model_has_covariance). */
MUCMM_API const float *mucmm_model_covariance(const mucmm_model *m, int32_t view);
/* Weights of the closed form: its common variates are h common, common [p, k], its individual ones
 * h individual, individual [p, q]; either may be NULL. */
MUCMM_API mucmm_status mucmm_model_weights(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                           const mucmm_mat *common, const mucmm_mat *individual);

/* A model holds the representation asked for and, as the yardstick, the closed
 * form (they are the same if head is linear). */
typedef enum mucmm_representation { MUCMM_HEADS = 0, MUCMM_LINEAR = 1 } mucmm_representation;

/* Loadings Cov(h, [c u]) [p, k + q] on the training rows; NULL in files of earlier versions. */
MUCMM_API const float *mucmm_model_loadings(const mucmm_model *m,
                                            mucmm_representation representation, int32_t view);

/* ---- transform and score ----------------------------------------------------------- */

/* Canonical variates of one view's rows. common [n, k] and individual [n, q_m],
 * either may be NULL. NaN in rows that lack the view. */
MUCMM_API mucmm_status mucmm_transform(mucmm_ctx *ctx, const mucmm_model *m,
                                       mucmm_representation representation, int32_t view,
                                       const mucmm_data *data, const mucmm_mat *common,
                                       const mucmm_mat *individual);

/* The common variates of a view that rows lack: the best linear prediction from those of the views
 * they have, under the joint covariance of the common variates on the training rows
 * (docs/method.md, section 5). common [M]: of each view the variates [n, k] that mucmm_transform
 * gave; data NULL where no row has the view, and NaN in the rows that lack it; common[view] is not
 * looked at. predicted [n, k]; sd [n, k] or NULL: the error, such that predicted +- 1.96 sd holds
 * 95 % of the variates: local quantiles of the training rows' errors, multiplied so that it is true
 * of the held-out rows (at least 19; of fewer, raised if the errors there are larger). With fewer
 * than 40 training rows, and of files of earlier versions, one standard deviation for all rows. A
 * row without any view gets the mean. EUNSUPPORTED: the file of an earlier version, or a model of
 * more than 2048 / M common dimensions, does not hold that covariance. */
MUCMM_API mucmm_status mucmm_predict_common(mucmm_ctx *ctx, const mucmm_model *m,
                                            mucmm_representation representation,
                                            const mucmm_cmat *common, int32_t view,
                                            const mucmm_mat *predicted, const mucmm_mat *sd);

/* All of that at once: the variates of the views that are given, and the common ones of those that
 * are not, or that rows lack. Read-only after creation; may be shared by threads. */
typedef struct mucmm_variates mucmm_variates;

/* views [n_views], in any order, matched by name: all of the model's views or some of them. Errors
 * as those of mucmm_score; EUNSUPPORTED as mucmm_predict_common, if a view is to be predicted. */
MUCMM_API mucmm_status mucmm_variates_create(mucmm_ctx *ctx, const mucmm_model *m,
                                             mucmm_representation representation,
                                             const mucmm_view *views, int32_t n_views,
                                             mucmm_variates **out);
MUCMM_API void mucmm_variates_free(mucmm_variates *v);
MUCMM_API int64_t mucmm_variates_rows(const mucmm_variates *v); /* n */
/* Of a view of the model: common [n, k] and individual [n, q], NaN in rows that lack it; data NULL
 * if it is not given. predicted and sd [n, k], of all rows; data NULL if every row has the view.
 * They belong to v. */
MUCMM_API mucmm_cmat mucmm_variates_common(const mucmm_variates *v, int32_t view);
MUCMM_API mucmm_cmat mucmm_variates_individual(const mucmm_variates *v, int32_t view);
MUCMM_API mucmm_cmat mucmm_variates_predicted(const mucmm_variates *v, int32_t view);
MUCMM_API mucmm_cmat mucmm_variates_sd(const mucmm_variates *v, int32_t view);

/* p-values up to this are called significant. */
#define MUCMM_SIGNIFICANT 0.05

/* A component whose R2 from nonlinear features of those before it is at least this is a harmonic.
 */
#define MUCMM_HARMONIC_R2 0.5

/* What a set of rows shows under a model. Arrays have M or k entries. */
typedef struct mucmm_summary {
    int64_t rows, components, views;
    double *correlations;     /* [k] of fixed projections; mean over pairs of views  */
    double *p_values;         /* [k] pairing permuted, step-down maximum statistic;
                                 NaN if not computed                                 */
    int64_t significant;      /* how many p_values are <= MUCMM_SIGNIFICANT          */
    double total_correlation; /* sum of correlations                                 */
    double *common_share, *individual_share, *rest_share; /* [M] of the view's variance */
    /* The next three are NaN where there are too few rows to say anything. */
    double *leakage_linear;     /* [M] K(u_m, c_all), in [0, 1]                        */
    double *leakage_kernel;     /* [M] cross-fitted, features of u_m against those of c_all */
    double *leakage_individual; /* [M * M] K(u_m, u_l); diagonal 0                     */
    /* What the linear ones are on average where there is no dependence (the kernel one: 0), and
     * p-values: pairing permuted, step-down over the values of u on c, and over those between
     * the u. They are clean on rows that chose nothing of the model. NaN if not computed.        */
    double *leakage_linear_chance, *leakage_linear_p, *leakage_kernel_p; /* [M]              */
    double *leakage_individual_chance, *leakage_individual_p;            /* [M * M]          */
    int64_t leakage_permutations; /* how many these p-values are of: fewer than asked for, at least
                                     199, where all would take too long; 0 = none            */
    /* [M * M] entry m * M + l: for how large a share of the rows the partner in view l is the
     * nearest one (among the 10 nearest) of all rows, seen from view m. Nearness: the cosine of the
     * common variates, each weighted by the root of its correlation. NaN above 20,000 rows. */
    double *retrieval_1, *retrieval_10;
    double *null_95;    /* [k] the correlation above which p <= 0.05, from the same permutations;
                           NaN if not computed, and in the summaries of a model file            */
    double *harmonic;   /* [k] R2 with which nonlinear features of the components before it predict
                           a component, mean over views, found by fit on its held-out rows; NaN if
                           there were too few                                                   */
    int64_t dimensions; /* components with p <= 0.05 that are no harmonics, that is with an R2 below
                           MUCMM_HARMONIC_R2: the estimated number of common dimensions */
    /* Which views carry a component. NULL for two views, or if some are not given. [k * M * M]
     * entry (j * M + m) * M + l: the correlation of variate j of views m and l, in [-1, 1], and its
     * p-value in (0, 1], step-down over all pairs and components; NaN on the diagonal, and where it
     * was not computed. A pair carries a component if p <= 0.05 and the correlation is at least 0.3
     * of the largest of those. carried [k * M]: 1 for the views that such pairs connect with the
     * strongest one, 0 for the others (for all, if no pair is beyond chance); NaN without p-values.
     */
    double *pair_correlations, *pair_p_values, *carried;
    /* [M] the share of what c_m leaves of a view that (c_m, u_m) rebuilds, at most 1: 1 - |h - d(c,
     * u)|^2 / |h - d_0(c)|^2, the regressions d and d_0 fitted on other rows than those they are
     * judged on (two halves of the rows given). 0: u adds nothing; may be a little negative. Linear
     * regressions, and with nonlinear features where those serve. NaN where there are too few rows,
     * or c leaves nothing. */
    double *completeness_linear, *completeness_nonlinear;
    /* [M] exp of the entropy of the eigenvalues of Cov(u_m), from 0 to q_m: in how many directions
     * u_m varies on these rows. NaN where there are too few. */
    double *effective_rank;
    /* Where rows come in groups: their number (0: every row is its own), and the rows that p-values
     * are of, in groups that can be exchanged for others of like size; 0: too few can, and there is
     * no p-value. */
    int64_t groups, tested_rows;
    int64_t permutations; /* that p_values are of; 0: none, or not known (of earlier versions) */
    /* [M] of the view's variance: what its significant common variates predict of it, and what
     * those of the other views do (the redundancy). Linear regressions on the rows given, adjusted
     * for the number of variates (Ezekiel 1930), 0 at least. NaN where no component is significant,
     * which needs p-values, or where there are too few rows. */
    double *shared_share, *redundancy;
} mucmm_summary;

/* The interval of Wilson (1927) in which 95 % of repetitions would have the true rate, of n rows of
 * which a share of rate had it: NaN for a rate that is NaN. */
MUCMM_API void mucmm_rate_interval(double rate, int64_t n, double *low, double *high);
/* A p-value (b + 1)/(N + 1) of N permutations to the resolution it has, in out; returns out: "<=
 * 1/1001" where no permutation reached it, else with as many decimals as N has. N 0: not known, or
 * not of permutations: four decimals, "< 0.0001" below. */
#define MUCMM_P_TEXT 32
MUCMM_API const char *mucmm_p_text(double p, int64_t permutations, char out[MUCMM_P_TEXT]);

typedef struct mucmm_score_params {
    uint32_t struct_size;
    int64_t permutations; /* default 1000; 0 = no p-values */
    uint64_t seed;
    const int64_t *groups; /* as in mucmm_fit_params, of the rows of the views given. Rows of groups
                              that the model was fitted to count as fitted rows               */
} mucmm_score_params;

MUCMM_API void mucmm_score_params_init_sized(mucmm_score_params *p, size_t size);
#define mucmm_score_params_init(p) mucmm_score_params_init_sized((p), sizeof *(p))

typedef struct mucmm_scores mucmm_scores;

/* What a row is to a model. What was FITTED has trained its weights or chosen something of it, and
 * says nothing of other rows; NEW and HELD_OUT have not. */
typedef enum mucmm_row_kind {
    MUCMM_ROW_NEW = 0,
    MUCMM_ROW_FITTED = 1,
    MUCMM_ROW_HELD_OUT = 2 /* held out by the fit, where that can be told; else NEW */
} mucmm_row_kind;

/* Can that be told? */
typedef enum mucmm_recognition {
    MUCMM_RECOGNITION_SURE = 0,
    MUCMM_RECOGNITION_NO_DIGEST = 1, /* the file of an earlier version: all rows count as NEW    */
    MUCMM_RECOGNITION_REPEATED = 2   /* rows repeat the values of others (a table of few values),
                                        so that fitted ones are recognized only if all are there */
} mucmm_recognition;

/* A model keeps 32 bits of the values of every row of its fit in each view, and of its key; by
 * these it knows rows again in other files, formats and orders, and with some of the views
 * (docs/method.md, section 5). views as in mucmm_score; kinds [rows of the views]. Warns where keys
 * are those of rows that were fitted and values are not. */
MUCMM_API mucmm_status mucmm_model_recognize(mucmm_ctx *ctx, const mucmm_model *m,
                                             const mucmm_view *views, int32_t n_views,
                                             mucmm_row_kind *kinds, mucmm_recognition *how);

/* Views in any order, matched by name: all of the model's views or some of them. With some, a
 * common score is that of the pairs given (NaN for a single view), K(u_m, c_all) takes the c of the
 * views given, and what would need another view is NaN (null pointers for scores of its samples).
 * The same holds for each row that lacks some of the views given; the summaries are those of the
 * rows that have all of these, and that the model was not fitted to. */
MUCMM_API mucmm_status mucmm_score(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                   int32_t n_views, const mucmm_score_params *params,
                                   mucmm_scores **out);
MUCMM_API void mucmm_scores_free(mucmm_scores *s);
/* The model, which the scores keep alive. */
MUCMM_API const mucmm_model *mucmm_scores_model(const mucmm_scores *s);
MUCMM_API int64_t mucmm_scores_rows(const mucmm_scores *s);
/* Of each sample [n]: common score, and of each view common energy and individual score. */
MUCMM_API const double *mucmm_scores_common(const mucmm_scores *s);
/* [n] do the views of the sample belong together? log p(c_1, c_2, ..) - log p(c_1) - log p(c_2) -
 * .., Gaussian with the moments of the training rows, in nats: above 0 they are likelier together
 * than each on its own. It knows what a common score does not: that two small variates match, too.
 * NaN with fewer than two views, and of files of earlier versions that hold no joint moments. */
MUCMM_API const double *mucmm_scores_match(const mucmm_scores *s);
/* [n] in [0, 100]: the share of the fit's held-out rows (training rows, if fewer than 20 were held
 * out; at most 1000 of them) whose score of the same views is not larger. NaN as above. */
MUCMM_API const double *mucmm_scores_common_percentile(const mucmm_scores *s);
MUCMM_API const double *mucmm_scores_match_percentile(const mucmm_scores *s);
MUCMM_API const double *mucmm_scores_common_energy(const mucmm_scores *s, int32_t view);
MUCMM_API const double *mucmm_scores_individual(const mucmm_scores *s, int32_t view);
/* Of the rows that are NEW or HELD_OUT; of none all is NaN, and rows is 0. */
MUCMM_API const mucmm_summary *mucmm_scores_summary(const mucmm_scores *s,
                                                    mucmm_representation representation);
/* Of the FITTED rows, without p-values: what the model makes of rows it has seen. NULL: none. */
MUCMM_API const mucmm_summary *mucmm_scores_in_sample(const mucmm_scores *s,
                                                      mucmm_representation representation);
/* Of all rows, also those that lack views: what row i is (NEW if there is no such row), how many
 * are of a kind, and whether it can be told. */
MUCMM_API mucmm_row_kind mucmm_scores_row(const mucmm_scores *s, int64_t i);
MUCMM_API int64_t mucmm_scores_count(const mucmm_scores *s, mucmm_row_kind kind);
MUCMM_API int64_t mucmm_scores_fitted(const mucmm_scores *s);
MUCMM_API mucmm_recognition mucmm_scores_recognition(const mucmm_scores *s);
/* In words, which of the rows testify; "" if all are new, and that can be told. Cut to size, of
 * which MUCMM_NOTE_SIZE is enough; returns out. */
MUCMM_API const char *mucmm_scores_note(const mucmm_scores *s, char *out, size_t size);

typedef enum mucmm_rows { MUCMM_ROWS_TRAIN = 0, MUCMM_ROWS_HELD_OUT = 1 } mucmm_rows;
/* The same as found at the end of fit, on the training and the held-out rows. */
MUCMM_API const mucmm_summary *mucmm_model_summary(const mucmm_model *m, mucmm_rows rows,
                                                   mucmm_representation representation);

/* For programs, *text for mucmm_text_free. JSON of the summaries of these rows: the keys
 * correlations, p_values, significant, harmonic, dimensions, total_correlation, leakage,
 * completeness, retrieval, views and, for more than two views, carried_by and pairs; the same of
 * the closed form in the key linear. null: not known. rows counts those given, new (of which some
 * may be held_out) and fitted, and says whether that is known (recognition: sure, no digest,
 * repeated values); in_sample holds the same keys of the fitted ones, if there are any, and
 * held_out what the fit found on its own held-out rows, if none is new. */
MUCMM_API mucmm_status mucmm_scores_json(mucmm_ctx *ctx, const mucmm_scores *s, char **text);
/* JSON of the same on the training and the held-out rows, in the keys train and held_out, with the
 * keys common, dimensions, held_out_chose, closed_form_kept and, if it was asked for, stability. */
MUCMM_API mucmm_status mucmm_model_results_json(mucmm_ctx *ctx, const mucmm_model *m, char **text);

/* A component whose similarity is below this does not come back; nor does one whose correlation is
 * noise, of which the low value is not above 0. */
#define MUCMM_COMES_BACK 0.7

/* Which components come back in another fit. Of the closed form: in replicates, each from training
 * rows drawn with replacement, compared on those it did not draw (mucmm_fit_params.bootstrap). Of
 * trained heads: from the other starts, compared on the held-out rows (mucmm_fit_params.restarts).
 * The components of each other fit are paired one to one with the model's, so that the absolute
 * similarities have the largest sum, and given their signs, before anything is averaged. Source of
 * the formulas: docs/method.md, section 5. Arrays have k entries, in the order of the model's
 * components. "Low" and "high" are the 5 % and the 95 % quantile over the replicates, but the least
 * and the largest value over the starts. */
typedef struct mucmm_stability {
    int64_t components; /* k */
    int64_t compared;   /* other fits, >= 1: restarts + 1, or the replicates that could be solved */
    double *similarity; /* mean over them of the correlation of the two variates of a view, mean
                           over the views by their part in the component; in [0, 1] */
    double *similarity_low; /* low of that */
    double *subspace;     /* mean of the multiple correlation of the component's variate with all k
                             of the other fit (adjusted R2); in [0, 1]: large beside a small
                             similarity, the component is mixed with others, not lost. NaN if there
                             are too few rows */
    double *correlations; /* mean of the paired component's correlation between the views, on the
                             same rows; in [-1, 1] */
    double *correlation_low, *correlation_high; /* low and high of it */
    double *averaged;    /* correlation between the views of the paired variates averaged over the
                            other fits (over all starts, the kept one too); in [-1, 1] */
    int32_t *comes_back; /* 1 or 0: similarity of at least MUCMM_COMES_BACK and correlation_low
                            above 0 */
    int64_t returning;   /* components that come back */
} mucmm_stability;

/* NULL if the fit was not asked for it, or in files of earlier versions. With a linear head both
 * representations are the closed form. */
MUCMM_API const mucmm_stability *mucmm_model_stability(const mucmm_model *m,
                                                       mucmm_representation representation);

/* ---- loadings ---------------------------------------------------------------------- */

/* Structure correlations: of every column with every variate of its view. Read-only after creation.
 * Signs are those of the variates (mucmm_transform): one for all views, such that the weights of
 * the first view add up to more than 0. */
typedef struct mucmm_loadings mucmm_loadings;

#define MUCMM_REPRESENTATIONS_ALL (-1)

typedef struct mucmm_loadings_params {
    uint32_t struct_size;
    int32_t representation; /* a mucmm_representation, or MUCMM_REPRESENTATIONS_ALL (default): the
                               trained heads and the closed form, or this alone where it is both */
    int64_t top;            /* of each variate so many columns; 0 (default) = all                */
} mucmm_loadings_params;

MUCMM_API void mucmm_loadings_params_init_sized(mucmm_loadings_params *p, size_t size);
#define mucmm_loadings_params_init(p) mucmm_loadings_params_init_sized((p), sizeof *(p))

/* A later version may have more at its end: take it by its address, do not copy it. */
typedef struct mucmm_loading {
    mucmm_representation representation; /* MUCMM_HEADS: of trained heads                       */
    int32_t view, individual;            /* 0: a variate of the view's c, 1: of its u           */
    int64_t component, column;           /* from 0                                              */
    double weight;      /* by which the variate grows with the column, in units of the column (after
                           mucmm_fit_params.robust and adjust); NaN: no single matrix makes it    */
    double loading;     /* correlation, in [-1, 1]; NaN: the column or the variate is constant    */
    double low, high;   /* the 2.5 % and 97.5 % quantile over the bootstrap of the closed form
                           (mucmm_fit_params.bootstrap), components paired and given their signs;
                           NaN without it, of u, of trained heads, and of rows that are given     */
    int32_t comes_back; /* 1 or 0: the component's, of mucmm_stability; -1: not known           */
} mucmm_loading;

/* With views NULL (n_views 0) of the training rows that have all views; EUNSUPPORTED: a file of an
 * earlier version does not hold them. Else of the rows given that have the view, matched by name,
 * all of the model's views or some of them; ESHAPE: fewer than 3 rows. */
MUCMM_API mucmm_status mucmm_loadings_create(mucmm_ctx *ctx, const mucmm_model *m,
                                             const mucmm_view *views, int32_t n_views,
                                             const mucmm_loadings_params *params,
                                             mucmm_loadings **out);
MUCMM_API void mucmm_loadings_free(mucmm_loadings *l);
/* [*n], by representation, view, part, component, and then the largest |loading| first (of equals
 * the first column; NaN last). */
MUCMM_API const mucmm_loading *mucmm_loadings_list(const mucmm_loadings *l, int64_t *n);
/* Name of a column of a view of the model; NULL if it has none. */
MUCMM_API const char *mucmm_loadings_column(const mucmm_loadings *l, int32_t view, int64_t column);
/* The largest ones for people, all as csv and as JSON; *out for mucmm_text_free. csv: view, part,
 * representation, component, column (its name or number), weight, loading, low, high, comes_back;
 * an empty cell for what is not known, null in JSON. */
MUCMM_API mucmm_status mucmm_loadings_text(mucmm_ctx *ctx, const mucmm_loadings *l, char **out);
MUCMM_API mucmm_status mucmm_loadings_csv(mucmm_ctx *ctx, const mucmm_loadings *l, char **out);
MUCMM_API mucmm_status mucmm_loadings_json(mucmm_ctx *ctx, const mucmm_loadings *l, char **out);
/* A figure: views below each other, the components beyond chance beside each other (those of
 * held-out rows with p <= 0.05; all where none is tested; at most 6), of each the `top` (default
 * 10, at most 60) columns as bars from -1 to 1, with intervals where there are any. Of the first
 * representation of the list, and of c. path: .svg, .pdf, else a PNG. EIO. */
MUCMM_API mucmm_status mucmm_loadings_figure(mucmm_ctx *ctx, const mucmm_loadings *l,
                                             const char *path);

/* ---- a methods paragraph ----------------------------------------------------------- */

/* What was done in the fit, with its numbers, for the methods section of a paper, and the
 * references that it names: as text, as JSON (software, version, paragraph, references: key, text,
 * bibtex), and the references with the software as BibTeX. *out for mucmm_text_free. */
MUCMM_API mucmm_status mucmm_model_cite_text(mucmm_ctx *ctx, const mucmm_model *m, char **out);
MUCMM_API mucmm_status mucmm_model_cite_json(mucmm_ctx *ctx, const mucmm_model *m, char **out);
MUCMM_API mucmm_status mucmm_model_cite_bibtex(mucmm_ctx *ctx, const mucmm_model *m, char **out);

/* ---- matching ---------------------------------------------------------------------- */

/* For every row of one view the rows of another that go with it best, by the common part alone.
 * Read-only after creation. */
typedef struct mucmm_matches mucmm_matches;

typedef enum mucmm_match_measure {
    /* The log likelihood ratio of the two rows' common variates, together against each on its own,
     * Gaussian with the components' correlations, in nats: what tells partners from others best
     * where the variates are near to Gaussian */
    MUCMM_MATCH_LIKELIHOOD = 0,
    MUCMM_MATCH_COSINE = 1 /* their cosine, each weighted by the root of its correlation */
} mucmm_match_measure;

#define MUCMM_MATCH_MAX_TOP 100000

typedef struct mucmm_match_params {
    uint32_t struct_size;
    int64_t top; /* matches of a row, 1 to MUCMM_MATCH_MAX_TOP, or the whole gallery; default 10 */
    mucmm_representation representation; /* default MUCMM_HEADS                                  */
    mucmm_match_measure measure;         /* default MUCMM_MATCH_LIKELIHOOD                       */
    int32_t paired; /* 1: the partner of a row is the gallery's row of the same number; 0 (default):
                       the one of the same key, if both have keys; else none is known            */
    uint64_t seed;  /* of the bootstrap of the mean reciprocal rank; default 1                   */
} mucmm_match_params;

MUCMM_API void mucmm_match_params_init_sized(mucmm_match_params *p, size_t size);
#define mucmm_match_params_init(p) mucmm_match_params_init_sized((p), sizeof *(p))

typedef struct mucmm_match_hit {
    int64_t row;       /* of the gallery; -1: there are no more */
    double similarity; /* by the measure, a float               */
} mucmm_match_hit;

/* How well partners are found. A later version may have more at its end: take it by its address.
 * Of the rows with a partner that the model was not fitted to; of all, if it was fitted to all. */
typedef struct mucmm_recall {
    int64_t pairs;     /* 0: no partner is known, and the rest is NaN                            */
    int64_t gallery;   /* rows that have the view                                                */
    int64_t fitted;    /* rows with a partner that the model was fitted to                       */
    int32_t in_sample; /* 1: all of them                                                         */
    /* share of the rows whose partner is the first, among the first 5 and 10; 95 % (Wilson). Rows
     * that are as near as the partner, to rounding, count as nearer */
    double recall_1, recall_1_low, recall_1_high;
    double recall_5, recall_5_low, recall_5_high;
    double recall_10, recall_10_low, recall_10_high;
    /* mean of 1/rank, with the 2.5 % and 97.5 % quantile of 1000 bootstrap samples of the rows */
    double reciprocal, reciprocal_low, reciprocal_high;
    double median_rank;
} mucmm_recall;

/* query and gallery: rows of two different views of the model, any number of either, which need not
 * be paired. Memory: k + 1 floats a row of the query and its hits; the gallery is read once, in
 * blocks. The correlations that weigh are those of the fit's cross-fitted or (at least 20) held-out
 * rows, else of its training rows. EARG one is no view of the model, or both are the same; ESHAPE
 * paired, and the numbers of rows differ, or nobody has the view. */
MUCMM_API mucmm_status mucmm_matches_create(mucmm_ctx *ctx, const mucmm_model *m,
                                            const mucmm_view *query, const mucmm_view *gallery,
                                            const mucmm_match_params *params, mucmm_matches **out);
MUCMM_API void mucmm_matches_free(mucmm_matches *x);
MUCMM_API int64_t mucmm_matches_rows(const mucmm_matches *x); /* of the query */
/* Matches of a row: the top that were asked for, or as many as the gallery has. */
MUCMM_API int64_t mucmm_matches_top(const mucmm_matches *x);
/* [top] of a row, the nearest first, of equals the first row; NULL out of range. A row that lacks
 * the view has none (row -1). */
MUCMM_API const mucmm_match_hit *mucmm_matches_of(const mucmm_matches *x, int64_t row);
/* The partner in the gallery, -1 = not known; its rank from 1, 0 = not known. */
MUCMM_API int64_t mucmm_matches_partner(const mucmm_matches *x, int64_t row);
MUCMM_API int64_t mucmm_matches_rank(const mucmm_matches *x, int64_t row);
MUCMM_API const mucmm_recall *mucmm_matches_recall(const mucmm_matches *x);
/* What was found for people and as JSON; all matches as csv: query, rank, match, similarity,
 * partner (yes, no; empty: not known). query and match are keys, files or texts of the data given,
 * row numbers where it has none or is NULL; ESHAPE: of another number of rows. *out for
 * mucmm_text_free. */
MUCMM_API mucmm_status mucmm_matches_text(mucmm_ctx *ctx, const mucmm_matches *x, char **out);
MUCMM_API mucmm_status mucmm_matches_json(mucmm_ctx *ctx, const mucmm_matches *x, char **out);
MUCMM_API mucmm_status mucmm_matches_csv(mucmm_ctx *ctx, const mucmm_matches *x,
                                         const mucmm_data *query, const mucmm_data *gallery,
                                         char **out);

/* ---- explain ----------------------------------------------------------------------- */

/* X(name, value, word): s_C of the sample; e_m; s_m; c_{m,j} and u_{m,j}, j = params.component; s_C
 * as a sum over pairs of cells (mucmm_coupling_create, no explanation of one view). */
#define MUCMM_SCORE_KINDS(X)                                                                       \
    X(COMMON, 0, "common")                                                                         \
    X(COMMON_ENERGY, 1, "common-energy")                                                           \
    X(INDIVIDUAL, 2, "individual")                                                                 \
    X(COMMON_COMPONENT, 3, "common:J")                                                             \
    X(INDIVIDUAL_COMPONENT, 4, "individual:J")                                                     \
    X(COUPLING, 5, "coupling")

typedef enum mucmm_score_kind {
#define X(name, value, word) MUCMM_SCORE_##name = value,
    MUCMM_SCORE_KINDS(X)
#undef X
} mucmm_score_kind;

/* DEFAULT is what suits the view: a pattern of rows of numbers; integrated gradients of pictures,
 * texts and sounds behind an encoder, but of the individual scores of pictures LCMV. GRADIENT;
 * INPUT_X_GRADIENT, gradient * (input - baseline); PATTERN, covariance of the raw inputs with the
 * variates times the slope of the score in these, which for linear heads and of encoded data is
 * their covariance times the gradient; SMOOTHGRAD, mean gradient of noisy copies of the input;
 * INTEGRATED_GRADIENTS, (input - baseline) * mean gradient on the way between; LCMV, integrated
 * gradients of w'h(x), h the scaled features and w the linearly constrained minimum variance filter
 * that passes the pattern of the score in the features and nothing that goes with the view's other
 * variates, nor with the mere presence of something (docs/method.md, section 6). */
#define MUCMM_MAP_KINDS(X)                                                                         \
    X(DEFAULT, -1, "default")                                                                      \
    X(GRADIENT, 0, "gradient")                                                                     \
    X(INPUT_X_GRADIENT, 1, "input-x-gradient")                                                     \
    X(PATTERN, 2, "pattern")                                                                       \
    X(SMOOTHGRAD, 3, "smoothgrad")                                                                 \
    X(INTEGRATED_GRADIENTS, 4, "integrated-gradients")                                             \
    X(LCMV, 5, "lcmv")

typedef enum mucmm_map_kind {
#define X(name, value, word) MUCMM_MAP_##name = value,
    MUCMM_MAP_KINDS(X)
#undef X
} mucmm_map_kind;

/* The input that holds nothing, from which two of the maps are measured. DEFAULT: of texts and
 * sounds zero (no word, silence); of LCMV of encoded pictures blurred; else the mean, but of
 * encoded data without params.training zero. ZERO: a raw input of zeros. MEAN: of the rows the
 * model was fitted to; of encoded data the raw inputs of params.training. BLURRED: the sample's own
 * picture, out of focus: rows of rank 2 or more, not text or sound. ROW: row params.baseline_row of
 * the view that is explained. */
#define MUCMM_BASELINES(X)                                                                         \
    X(DEFAULT, 0, "default")                                                                       \
    X(ZERO, 1, "zero")                                                                             \
    X(MEAN, 2, "mean")                                                                             \
    X(BLURRED, 3, "blurred")                                                                       \
    X(ROW, 4, "ROW")

typedef enum mucmm_baseline {
#define X(name, value, word) MUCMM_BASELINE_##name = value,
    MUCMM_BASELINES(X)
#undef X
} mucmm_baseline;

typedef struct mucmm_explain_params {
    uint32_t struct_size;
    mucmm_score_kind score;              /* default common                                     */
    mucmm_map_kind map;                  /* default MUCMM_MAP_DEFAULT                          */
    mucmm_representation representation; /* default MUCMM_HEADS                                */
    int64_t component;                   /* for the *_COMPONENT scores, from 0                 */
    const mucmm_data *training;          /* pattern: rows whose covariances are taken; NULL =
                                            the loadings in the model file (encoded data:
                                            required). lcmv: rows the model was fitted to,
                                            for files that hold no loadings                */
    int64_t samples;                     /* smoothgrad: noisy copies, 1 to 100000; default 25  */
    double noise;            /* smoothgrad: standard deviation of the noise, >= 0; in units of
                                the scale that the model divides columns by, of encoded data of
                                the range (max - min) of the sample's raw input; default 0.15 */
    uint64_t seed;           /* smoothgrad: of the noise; default 1                */
    int64_t steps;           /* integrated gradients, lcmv: points of the way (Gauss-Legendre),
                                1 to 4096; default 32                              */
    mucmm_baseline baseline; /* input-x-gradient, integrated gradients, lcmv       */
    int64_t baseline_row;    /* MUCMM_BASELINE_ROW: from 0                         */
    double loading;          /* lcmv: added to the diagonal of the features' covariance, in units of
                                their mean variance, >= 0; default 0.1             */
} mucmm_explain_params;

MUCMM_API void mucmm_explain_params_init_sized(mucmm_explain_params *p, size_t size);
#define mucmm_explain_params_init(p) mucmm_explain_params_init_sized((p), sizeof *(p))

/* The word of a kind of map, "unknown map" if there is none; and back. EARG: no such word; the
 * message offers the nearest. */
MUCMM_API const char *mucmm_map_text(mucmm_map_kind map);
MUCMM_API mucmm_status mucmm_map_parse(mucmm_ctx *ctx, const char *text, mucmm_map_kind *out);
/* Of scores, with component J from 0, such as "individual:3". text: cut to size. */
MUCMM_API void mucmm_score_text(mucmm_score_kind score, int64_t component, char *out, size_t size);
MUCMM_API mucmm_status mucmm_score_parse(mucmm_ctx *ctx, const char *text, mucmm_score_kind *score,
                                         int64_t *component);
/* Of baselines; that of a row is its number. */
MUCMM_API void mucmm_baseline_text(mucmm_baseline baseline, int64_t row, char *out, size_t size);
MUCMM_API mucmm_status mucmm_baseline_parse(mucmm_ctx *ctx, const char *text,
                                            mucmm_baseline *baseline, int64_t *row);

/* *out (an init has seen it; may be params): params with what is left to the default, map and
 * baseline, as it suits the rows of data. */
MUCMM_API mucmm_status mucmm_explain_defaults(mucmm_ctx *ctx, const mucmm_data *data,
                                              const mucmm_explain_params *params,
                                              mucmm_explain_params *out);
/* 1: such maps of a view of m, of rows like data, take params.training, the rows the model was
 * fitted to; 0: they do not, as the model holds all they need; -1: no init has seen params. */
MUCMM_API int32_t mucmm_explain_takes_training(const mucmm_model *m, int32_t view,
                                               const mucmm_data *data,
                                               const mucmm_explain_params *params);

/* One score of one view at n samples. It keeps the model and the data alive, and is read-only, but
 * for remap. */
typedef struct mucmm_explanation mucmm_explanation;

/* view counts in the model's order; views may come in any, and only MUCMM_SCORE_COMMON needs those
 * besides the one explained, which are held fixed. rows [n] of the view, copied. EARG, ESHAPE,
 * ENUMERIC name what does not fit. */
MUCMM_API mucmm_status mucmm_explanation_create(mucmm_ctx *ctx, const mucmm_model *m,
                                                const mucmm_view *views, int32_t n_views,
                                                int32_t view, const int64_t *rows, int64_t n,
                                                const mucmm_explain_params *params,
                                                mucmm_explanation **out);
MUCMM_API void mucmm_explanation_free(mucmm_explanation *e);
/* Other parameters of the maps from now on; NULL: the defaults. EARG if score, component or
 * representation are others. On failure the old ones stay. */
MUCMM_API mucmm_status mucmm_explanation_remap(mucmm_ctx *ctx, mucmm_explanation *e,
                                               const mucmm_explain_params *params);

/* What it was made of. Rows and scores are [count]; params are resolved: no MUCMM_MAP_DEFAULT. */
MUCMM_API const mucmm_model *mucmm_explanation_model(const mucmm_explanation *e);
MUCMM_API int32_t mucmm_explanation_view(const mucmm_explanation *e);
MUCMM_API const mucmm_data *mucmm_explanation_data(const mucmm_explanation *e);
MUCMM_API int64_t mucmm_explanation_count(const mucmm_explanation *e);
MUCMM_API const int64_t *mucmm_explanation_rows(const mucmm_explanation *e);
MUCMM_API const double *mucmm_explanation_scores(const mucmm_explanation *e);
MUCMM_API const mucmm_explain_params *mucmm_explanation_params(const mucmm_explanation *e);

/* maps [n, mucmm_data_raw_cols]: d score / d raw input, or what the kind of map makes of it. A map
 * that is not finite anywhere is NaN throughout, and a warning tells view, row, and the node of the
 * network where it begins; the other maps are as they are. Maps that are 0 everywhere are warned of
 * too. EUNSUPPORTED if a node lets no gradient pass at all (a pattern needs none). Of
 * encoded data they lie in the raw input, before the encoder, and a pattern needs params.training
 * (EARG). Points and noisy copies go through the encoder in batches that fit its memory; the noise
 * depends on the seed and the row only. */
MUCMM_API mucmm_status mucmm_explanation_maps(mucmm_ctx *ctx, const mucmm_explanation *e,
                                              const mucmm_mat *maps);
/* gaps [n] of integrated gradients and lcmv (EARG: another map): sum of the map less score(input) -
 * score(baseline), of lcmv less w'h(input) - w'h(baseline), which is 0 when complete. They take as
 * long as the maps. */
MUCMM_API mucmm_status mucmm_explanation_gaps(mucmm_ctx *ctx, const mucmm_explanation *e,
                                              double *gaps);
/* differences [n, raw cols]: raw input less baseline. */
MUCMM_API mucmm_status mucmm_explanation_differences(mucmm_ctx *ctx, const mucmm_explanation *e,
                                                     const mucmm_mat *differences);
/* maps [n, raw cols]: the patterns Cov(x, z_j) of components[0..n) of the variates z that the score
 * is of, u or c, in one pass over params.training where the view is encoded. They are of the data,
 * not of a sample. EARG: a component is out of range, or e has no sample. */
MUCMM_API mucmm_status mucmm_explanation_components(mucmm_ctx *ctx, const mucmm_explanation *e,
                                                    int64_t n, const int64_t *components,
                                                    float *maps);

/* The short form: create, maps, scores [n] or NULL, free. */
MUCMM_API mucmm_status mucmm_explain(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                     int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                     const mucmm_explain_params *params, const mucmm_mat *maps,
                                     double *scores);

/* Central differences of the score along random directions and coordinates
 * against the analytic gradient; of encoded data, in the raw input, against its
 * mean along the way (networks have kinks). *worst: the largest
 * |numeric - analytic| / (|numeric| + |analytic| + tiny), tiny relative to the
 * gradient's norm; NaN, with warnings, if a gradient is not finite. EUNSUPPORTED
 * as mucmm_explanation_maps. */
MUCMM_API mucmm_status mucmm_explanation_check_gradient(mucmm_ctx *ctx, const mucmm_explanation *e,
                                                        double *worst);

/* ---- is a map right? --------------------------------------------------------------- */

/* What a map would show if there were nothing to show: models of broken pairs, section 6 of the
 * method. For the common scores N models are fitted as m was (its parameters, the closed form for
 * MUCMM_LINEAR) to the training rows, those of each view but the first shuffled. For the individual
 * scores nothing is fitted: the rows of u_m are shuffled against the inputs of the view. */
typedef struct mucmm_null_params {
    uint32_t struct_size;
    int64_t
        models;    /* N, 1 to 9999; default 19. A p-value of one cell alone is at least 1/(N + 1) */
    int64_t rows;  /* the most training rows that are used, 0 (default) = all                    */
    uint64_t seed; /* of the permutations; default 1                                             */
    const int64_t *groups; /* as in mucmm_fit_params, of the training rows: whole groups of like
                              size are exchanged                                              */
} mucmm_null_params;

typedef struct mucmm_null mucmm_null;

MUCMM_API void mucmm_null_params_init_sized(mucmm_null_params *p, size_t size);
#define mucmm_null_params_init(p) mucmm_null_params_init_sized((p), sizeof *(p))
/* m and the data are kept alive; training: the rows m was fitted to, all its views (warns if none
 * of them is). The time is that of N fits of the common heads. */
MUCMM_API mucmm_status mucmm_null_fit(mucmm_ctx *ctx, const mucmm_model *m,
                                      mucmm_representation representation,
                                      const mucmm_view *training, int32_t n_views,
                                      const mucmm_null_params *params, mucmm_null **out);
MUCMM_API void mucmm_null_free(mucmm_null *n);

typedef enum mucmm_p_kind {
    MUCMM_P_POOLED = 0, /* each cell in units of its null's root mean square, compared with the null
                           values of all cells of the map: down to 1/(N cells + 1)                */
    MUCMM_P_EXACT = 1 /* (1 + #{null >= observed}) / (N + 1) of each cell by itself              */
} mucmm_p_kind;

/* p-values [n, raw cols] of the cells of the maps of e, whose model and representation are those of
 * null (else EARG). What is compared: of individual scores the size of Cov(x, u) u, whatever the
 * map; of common ones the size of a pattern, and in other maps a cell's share. All channels of a
 * pixel have one p-value, and all of a token's width. They are not corrected for the number of
 * cells: of cells in which there is nothing, a share p lies at or below p. That holds of rows that
 * the model was not fitted to; of others it warns. Of
 * a picture behind an encoder, of the maps that are drawn as local sums, the sums are tested. */
MUCMM_API mucmm_status mucmm_explanation_p_values(mucmm_ctx *ctx, const mucmm_explanation *e,
                                                  const mucmm_null *null, mucmm_p_kind kind,
                                                  const mucmm_mat *p_values);

/* How alike the maps of unrelated models are (Adebayo et al. 2018). rho: the mean, over the other
 * models and the samples, of Spearman's correlation of their maps with the one that is checked;
 * magnitude: the mean of its absolute value. The mean of each of the other models with all others
 * runs from low to high; p_value = (1 + #{|that mean| >= |rho|}) / (models + 1). NaN without
 * models; the last three need two. */
typedef struct mucmm_rank_test {
    int64_t models;
    double rho, magnitude, low, high, p_value;
} mucmm_rank_test;

#define MUCMM_CURVE_POINTS 21

/* Scores while cells are replaced by the baseline (deletion), or those of the baseline by the
 * sample's (insertion), in descending order of |map|; the channels of a pixel go together, as does
 * the width of a token. value[t]: after a share t/20 of the cells, sum over the samples of
 * sign(s(x) - s(b)) (s - s(b)), divided by the sum of |s(x) - s(b)|: deletion runs from 1 to 0,
 * insertion from 0 to 1. area: under the curve; random: the mean area of 5 random orders. */
typedef struct mucmm_curve {
    double value[MUCMM_CURVE_POINTS], area, random;
} mucmm_curve;

/* Where maps of samples lie of which the truth is known. Shares of the samples whose largest
 * magnitude is on what is shared, and on what is the view's own; mean shares of the sum of squares
 * there. Maps are taken as they are drawn: behind an encoder pictures of input-x-gradient,
 * integrated gradients and lcmv as local sums. The maximum in a picture is that of the magnitudes
 * in a neighbourhood (a Gaussian of a 16th of the longer side). NaN without a truth. */
typedef struct mucmm_pointing {
    double shared, own, shared_energy, own_energy;
} mucmm_pointing;

typedef struct mucmm_map_check {
    uint32_t struct_size;
    double completeness;   /* integrated gradients: largest |sum of map - (s(x) - s(b))| over the
                              range of the score on the view's first 1000 rows                   */
    double gradient_error; /* as *worst of mucmm_explanation_check_gradient                      */
    mucmm_curve deletion, insertion;
    mucmm_rank_test random_heads;   /* heads of random weights                                  */
    mucmm_rank_test permuted_pairs; /* the null models; none without a null                     */
    mucmm_pointing pointing;
} mucmm_map_check;

MUCMM_API void mucmm_map_check_init_sized(mucmm_map_check *c, size_t size);
#define mucmm_map_check_init(c) mucmm_map_check_init_sized((c), sizeof *(c))

typedef struct mucmm_map_check_params {
    uint32_t struct_size;
    int64_t random_models;  /* 0 to 9999; default 10                                             */
    uint64_t seed;          /* of random heads and random orders; default 1                      */
    const mucmm_null *null; /* of m; NULL = without the test of permuted pairs                   */
    const mucmm_cmat *maps; /* [n, raw cols] whose order deletion and insertion take, such as masked
                               ones; NULL = those of the explanation                             */
    int32_t skip_gradient; /* 1: completeness and gradient_error, which are the same for all maps of
                              a score, are left out (NaN)                                       */
    const mucmm_data *truth; /* what is where: 0 neither, 1 shared, 2 the view's own. Rows: the
                                samples, or all rows of the view; columns: pixels, tokens or
                                columns (or all raw columns). NULL = without pointing           */
} mucmm_map_check_params;

MUCMM_API void mucmm_map_check_params_init_sized(mucmm_map_check_params *p, size_t size);
#define mucmm_map_check_params_init(p) mucmm_map_check_params_init_sized((p), sizeof *(p))
/* Everything above for the maps of e. *out: an init has seen it. */
MUCMM_API mucmm_status mucmm_explanation_check(mucmm_ctx *ctx, const mucmm_explanation *e,
                                               const mucmm_map_check_params *params,
                                               mucmm_map_check *out);

/* What all this says of the maps of one score. */
typedef struct mucmm_findings mucmm_findings;

/* The level at which masks keep a cell unless another is given. */
#define MUCMM_MASK_LEVEL 0.05

typedef struct mucmm_findings_params {
    uint32_t struct_size;
    mucmm_map_kind map;     /* one kind; MUCMM_MAP_DEFAULT (default) = all of them               */
    const mucmm_null *null; /* NULL = without masks and the test of permuted pairs               */
    double level;           /* of masks: cells with larger p-values become 0; default 0.05       */
    int64_t random_models;  /* as in mucmm_map_check_params, as is the seed                      */
    uint64_t seed;
    const mucmm_data *truth; /* as in mucmm_map_check_params                                     */
} mucmm_findings_params;

MUCMM_API void mucmm_findings_params_init_sized(mucmm_findings_params *p, size_t size);
#define mucmm_findings_params_init(p) mucmm_findings_params_init_sized((p), sizeof *(p))

typedef struct mucmm_finding {
    mucmm_map_kind map;
    mucmm_map_check check; /* the gradient is checked with the first kind of map alone (else NaN) */
    double kept;           /* share of the cells at or below the level; NaN without null models   */
    double masked_deletion, masked_insertion; /* areas of the masked maps; likewise               */
    const float *maps;                        /* [n, raw cols], whole                             */
    const float *p_values; /* [n, raw cols], pooled; NULL without null models                     */
} mucmm_finding;

/* Of the score and samples of e, whose other parameters hold for every kind of map. */
MUCMM_API mucmm_status mucmm_findings_create(mucmm_ctx *ctx, const mucmm_explanation *e,
                                             const mucmm_findings_params *params,
                                             mucmm_findings **out);
MUCMM_API void mucmm_findings_free(mucmm_findings *f);
/* One for each kind of map, in the order of the kinds; NULL if i is out of range. */
MUCMM_API int64_t mucmm_findings_count(const mucmm_findings *f);
MUCMM_API const mucmm_finding *mucmm_findings_at(const mucmm_findings *f, int64_t i);
MUCMM_API const char *mucmm_findings_view_name(const mucmm_findings *f);
MUCMM_API const char *mucmm_findings_score(const mucmm_findings *f);
/* A table in words for people, *out for mucmm_text_free. */
MUCMM_API mucmm_status mucmm_findings_text(mucmm_ctx *ctx, const mucmm_findings *f, char **out);
/* findings [n], of one level, as a JSON document, released with mucmm_text_free: mask (the level),
 * gradients (view, score, completeness, gradient_error, fitted_samples) and maps (view, score,
 * method, deletion, insertion, random_heads, permuted_pairs, kept, pointing); null for what is not
 * known. */
MUCMM_API mucmm_status mucmm_findings_json(mucmm_ctx *ctx, const mucmm_findings *const *findings,
                                           int64_t n, char **out);

/* ---- an input as a sum ------------------------------------------------------------- */

/* x = mean + common part + individual part + rest, in raw units, with the patterns of the common
 * energy and of the individual score (docs/method.md, section 7). Of two views that are not encoded
 * they are the best linear predictions of x from its variates, and the three are uncorrelated. */
typedef struct mucmm_parts mucmm_parts;

#define MUCMM_SUMMANDS(X)                                                                          \
    X(COMMON, 0, "common-part")                                                                    \
    X(INDIVIDUAL, 1, "individual-part")                                                            \
    X(REST, 2, "rest")

typedef enum mucmm_summand {
#define X(name, value, word) MUCMM_SUMMAND_##name = value,
    MUCMM_SUMMANDS(X)
#undef X
} mucmm_summand;

/* "unknown summand" if there is none. */
MUCMM_API const char *mucmm_summand_text(mucmm_summand part);

typedef struct mucmm_parts_params {
    uint32_t struct_size;
    mucmm_representation representation; /* default MUCMM_HEADS                                  */
    const mucmm_data *training;          /* as in mucmm_explain_params; encoded data need it     */
} mucmm_parts_params;

MUCMM_API void mucmm_parts_params_init_sized(mucmm_parts_params *p, size_t size);
#define mucmm_parts_params_init(p) mucmm_parts_params_init_sized((p), sizeof *(p))

/* The arguments as in mucmm_explanation_create. */
MUCMM_API mucmm_status mucmm_parts_create(mucmm_ctx *ctx, const mucmm_model *m,
                                          const mucmm_view *views, int32_t n_views, int32_t view,
                                          const int64_t *rows, int64_t n,
                                          const mucmm_parts_params *params, mucmm_parts **out);
MUCMM_API void mucmm_parts_free(mucmm_parts *p);
/* Of the common energy, by patterns: its model, view, data and rows are those of the parts. */
MUCMM_API const mucmm_explanation *mucmm_parts_explanation(const mucmm_parts *p);
MUCMM_API const float *mucmm_parts_mean(const mucmm_parts *p); /* [raw cols] */
/* [n, raw cols], belong to p: raw input less mean, and what it is the sum of (data NULL for a part
 * that there is not). */
MUCMM_API mucmm_cmat mucmm_parts_difference(const mucmm_parts *p);
MUCMM_API mucmm_cmat mucmm_parts_values(const mucmm_parts *p, mucmm_summand part);

/* ---- pictures ---------------------------------------------------------------------- */

/* A page of panels in a grid, written as a PNG: a title, a caption above each panel, a colour
 * bar below the maps. Texts are UTF-8; they are shortened with "..." where they do not fit, and
 * characters that are neither Latin, Greek nor Cyrillic are shown as '?'. */
typedef struct mucmm_sheet mucmm_sheet;

typedef struct mucmm_sheet_params {
    uint32_t struct_size;
    int64_t cols, rows;    /* of panels; default 1, 1                                   */
    int64_t height, width; /* of a panel, in cells: the largest picture of the sheet    */
    int64_t zoom;          /* pixels a cell; 0 = as many as make a panel about 240 wide */
    const char *title;     /* NULL = none                                               */
} mucmm_sheet_params;

MUCMM_API void mucmm_sheet_params_init_sized(mucmm_sheet_params *p, size_t size);
#define mucmm_sheet_params_init(p) mucmm_sheet_params_init_sized((p), sizeof *(p))
MUCMM_API mucmm_status mucmm_sheet_create(mucmm_ctx *ctx, const mucmm_sheet_params *params,
                                          mucmm_sheet **out);
MUCMM_API void mucmm_sheet_free(mucmm_sheet *s);

/* Those below draw at (col, row), both from 0, and replace what was there; caption may be
 * NULL. Nothing is borrowed. A picture with fewer cells than a panel is enlarged by a whole
 * number and centred; one with more is refused (ESHAPE), so are non-finite values (ENUMERIC). */

/* Grey picture, lo black, hi white; lo <= hi, if equal all is grey. */
MUCMM_API mucmm_status mucmm_sheet_grey(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                        const mucmm_cmat *picture, float lo, float hi,
                                        const char *caption);
/* Diverging map: -scale blue, 0 nearly white, +scale red, beyond as at the end; scale > 0. The
 * colour bar stands under the last of the maps of one scale that follow each other in a column. */
MUCMM_API mucmm_status mucmm_sheet_map(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                       const mucmm_cmat *map, float scale, const char *caption);
/* A picture rgb [height, width, 3], 8-bit. */
MUCMM_API mucmm_status mucmm_sheet_picture(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                           const unsigned char *rgb, int64_t height, int64_t width,
                                           const char *caption);
/* The map over the paled picture rgb [map rows, map cols, 3], or NULL for the map alone. */
MUCMM_API mucmm_status mucmm_sheet_overlay(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                           const mucmm_cmat *map, float scale,
                                           const unsigned char *rgb, const char *caption);
/* Marks at the edges of a panel that has been drawn: n_x below it, n_y on its left. */
typedef struct mucmm_tick {
    double at; /* cells from the left or the top, 0 to the panel's width or height */
    const char *text;
} mucmm_tick;
MUCMM_API mucmm_status mucmm_sheet_ticks(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                         const mucmm_tick *x, int32_t n_x, const mucmm_tick *y,
                                         int32_t n_y);
/* Words in reading order, each on the colour of its value, which stands below it; scale > 0 is the
 * full colour. Panels of zoom 1; what does not fit is left out, and "..." says so. */
MUCMM_API mucmm_status mucmm_sheet_words(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                         const char *const *words, const float *values, int64_t n,
                                         float scale, const char *caption);
/* Pixels that they need in a panel of that width. */
MUCMM_API int64_t mucmm_sheet_words_height(const char *const *words, const float *values, int64_t n,
                                           int64_t width);
/* Signed horizontal bars, red and blue, names [n], values [n], n >= 1: the strongest first, as many
 * as fit at 20 pixels each. scale > 0 is a bar of full length. Panels at least 160 x 56 pixels. */
MUCMM_API mucmm_status mucmm_sheet_bars(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                        const float *values, const char *const *names, int64_t n,
                                        float scale, const char *caption);
/* As SVG or PDF if path ends so, drawn by cairo: texts, bars and frames stay vectors; a pixel is a
 * unit, a point in PDF. Else as PNG. By a temporary file and rename, but not synced; the sheet may
 * be drawn on and written again. */
MUCMM_API mucmm_status mucmm_sheet_write(mucmm_ctx *ctx, const mucmm_sheet *s, const char *path);

/* ---- sound ------------------------------------------------------------------------- */

/* A sound in time and frequency: frames of a short-time Fourier transform with a sine window,
 * their bins gathered in triangular bands of equal width on the mel scale,
 * mel = 2595 log10(1 + Hz/700). */
typedef struct mucmm_mel_params {
    uint32_t struct_size;
    double rate;    /* samples a second, > 0                                             */
    int64_t window; /* samples of a frame, a power of 2, 16 to 65536                     */
    int64_t hop;    /* samples from frame to frame: window / 4 times a whole number,
                       whose frames are then added                                       */
    int64_t bands;  /* 1 to 512; default 48                                              */
} mucmm_mel_params;

/* window: the power of 2 nearest to 32 ms; hop: so that there are at most 240 frames. */
MUCMM_API void mucmm_mel_params_init_sized(mucmm_mel_params *p, size_t size, double rate,
                                           int64_t samples);
#define mucmm_mel_params_init(p, rate, samples)                                                    \
    mucmm_mel_params_init_sized((p), sizeof *(p), (rate), (samples))
/* 0 if the parameters are none, or there are no samples. */
MUCMM_API int64_t mucmm_mel_frames(const mucmm_mel_params *p, int64_t samples);
/* Hz of the lower edge of a band, 0 to bands (the upper edge of the last, rate / 2); NaN likewise.
 */
MUCMM_API double mucmm_mel_hertz(const mucmm_mel_params *p, double band);
/* x [samples] -> decibels [bands, frames], the first row the lowest band; silence is -200.
 * Sample t lies (t + 3/8 window) / hop frames from the left. */
MUCMM_API mucmm_status mucmm_mel_power(mucmm_ctx *ctx, const mucmm_mel_params *p, const float *x,
                                       int64_t samples, const mucmm_mat *out);
/* sum_t x_t gradient_t spread over the cells [bands, frames]: the derivative of the score with
 * respect to the logarithm of a cell's amplitude, its phase held. The cells add up to the sum. */
MUCMM_API mucmm_status mucmm_mel_map(mucmm_ctx *ctx, const mucmm_mel_params *p, const float *x,
                                     const float *gradient, int64_t samples, const mucmm_mat *out);

/* ---- maps ready to be drawn -------------------------------------------------------- */

/* How a raw row, and a map on it, is shown. */
typedef enum mucmm_look {
    MUCMM_LOOK_BARS = 0, /* the columns of the largest |map|                                    */
    MUCMM_LOOK_PICTURE = 1, /* rows of shape [h, w], [h, w, 3 or 4], [3 or 4, h, w] (axes of length
                               1 do not count) */
    MUCMM_LOOK_WORDS = 2, /* the words of a text, in reading order                               */
    MUCMM_LOOK_SOUND = 3  /* in time and frequency                                               */
} mucmm_look;

/* n samples of one view, all maps of one scale. Cells are what is drawn of pictures and sounds:
 * means over blocks of pixels and over the channels; mel bands x frames, the highest band first
 * (mucmm_mel_map). Maps whose values add up to the score (input-x-gradient, integrated gradients)
 * jump from pixel to pixel behind a network: their cells are summed over a neighbourhood, with
 * Gaussian weights of sum 1 whose standard deviation is a 24th of the longer side. */
typedef struct mucmm_display mucmm_display;

typedef struct mucmm_display_params {
    uint32_t struct_size;
    int32_t rank;                  /* of shape; 0 (default): the data's own shape                 */
    int64_t shape[MUCMM_MAX_RANK]; /* of a raw row, if the data do not tell it                    */
    int64_t side;                  /* pictures have at most so many cells a side; 0 (default): all
                                      there are                                                   */
    const mucmm_null *null;        /* of mucmm_display_create: p-values of the maps; NULL = none  */
    double mask; /* with null, 0 to 1: where p is larger, maps become 0; NaN (default): nowhere   */
} mucmm_display_params;

MUCMM_API void mucmm_display_params_init_sized(mucmm_display_params *p, size_t size);
#define mucmm_display_params_init(p) mucmm_display_params_init_sized((p), sizeof *(p))

/* The maps of an explanation, whose p-values are pooled (MUCMM_P_POOLED). It need not outlive the
 * call. */
MUCMM_API mucmm_status mucmm_display_create(mucmm_ctx *ctx, const mucmm_explanation *e,
                                            const mucmm_display_params *params,
                                            mucmm_display **out);
/* Of values that are there already: rows[0..n) of data, which are kept alive. values [n, raw cols]:
 * maps of kind `map`; NULL: the inputs alone are shown. differences [n, raw cols]: of sounds, if
 * the maps are of input-x-gradient or integrated gradients, input less baseline; else NULL.
 * ESHAPE  params.shape is not the size of a raw row, or a matrix not [n, raw cols] */
MUCMM_API mucmm_status mucmm_display_of_values(mucmm_ctx *ctx, const mucmm_data *data,
                                               const int64_t *rows, int64_t n, mucmm_map_kind map,
                                               const mucmm_cmat *values,
                                               const mucmm_cmat *differences,
                                               const mucmm_display_params *params,
                                               mucmm_display **out);
/* Of an input as a sum, a copy: its sheets show the input, the mean and the parts as maps of one
 * scale if the rows are pictures, else the input less the mean and the parts as bars. It has no
 * values, cells and labels; params.null is refused. */
MUCMM_API mucmm_status mucmm_display_of_parts(mucmm_ctx *ctx, const mucmm_parts *parts,
                                              const mucmm_display_params *params,
                                              mucmm_display **out);
MUCMM_API void mucmm_display_free(mucmm_display *d);

/* *scale, at which maps of these values [n] have their full colour: the 99.5 % quantile of |value|,
 * the largest if that is 0, and 1 if all are; what is not finite does not count. */
MUCMM_API mucmm_status mucmm_map_scale(mucmm_ctx *ctx, const float *values, int64_t n,
                                       float *scale);

MUCMM_API mucmm_look mucmm_display_look(const mucmm_display *d);
MUCMM_API int64_t mucmm_display_samples(const mucmm_display *d); /* n */
/* Row of the data that is sample i; -1 if i is out of range. */
MUCMM_API int64_t mucmm_display_row(const mucmm_display *d, int64_t i);
/* Shape of a raw row as it is shown; returns its rank. */
MUCMM_API int32_t mucmm_display_shape(const mucmm_display *d, int64_t shape[MUCMM_MAX_RANK]);
/* Of all that is drawn, > 0: the value of the full colour, or of the longest bar. Of cells it is
 * the 99.5 % quantile of |cell|, else the largest |value|. */
MUCMM_API float mucmm_display_scale(const mucmm_display *d);
/* 1 if sample i has values and all are finite (mucmm_explanation_maps says when they are not); else
 * it has no labels and no sheet (ENUMERIC), and its cells are NaN. */
MUCMM_API int32_t mucmm_display_has_map(const mucmm_display *d, int64_t i);
/* The maps [n, raw cols], masked; NULL if there are none. p-values [n, raw cols]; NULL without null
 * models. Scores [n]; NULL unless it was made of an explanation. */
MUCMM_API const float *mucmm_display_values(const mucmm_display *d);
MUCMM_API const float *mucmm_display_p_values(const mucmm_display *d);
MUCMM_API const double *mucmm_display_scores(const mucmm_display *d);

/* Pictures and sounds: the size of the cells, else 0 x 0; the map of sample i [rows, cols], NULL if
 * there is none. */
MUCMM_API const float *mucmm_display_cells(const mucmm_display *d, int64_t i, int64_t *rows,
                                           int64_t *cols);
/* Pictures and sounds: the cells of the input as colours, rgb [rows, cols, 3]; of a sound its
 * spectrogram, the loudest cell black, 70 decibels below it white. EARG another look, or there is
 * no sample i. */
MUCMM_API mucmm_status mucmm_display_picture(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                             unsigned char *rgb);
/* Sounds: marks on the cells' axis 0 (seconds, to draw below) or 1 (hertz, on the left); *n of
 * them, 0 of other looks. */
MUCMM_API const mucmm_tick *mucmm_display_ticks(const mucmm_display *d, int32_t axis, int32_t *n);
/* Words: how many (at most 512) and the words of sample i in reading order, with the sum of the map
 * over the pieces of each; a word of a bag shares the value of its column with its repetitions.
 * Bars: names and values of the columns of the largest |map|, the largest first, at most 20. Else,
 * or without maps, 0. */
MUCMM_API int64_t mucmm_display_labels(const mucmm_display *d, int64_t i,
                                       const char *const **labels, const float **values);

/* Sample i as a page: the input beside the map on it, words, or bars. */
MUCMM_API mucmm_status mucmm_display_sheet(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                           mucmm_sheet **out);
/* The sheets of all samples as PNG files paths [n], on the threads of ctx, but of those without a
 * map. After a failure some may be there. */
MUCMM_API mucmm_status mucmm_display_write(mucmm_ctx *ctx, const mucmm_display *d,
                                           const char *const *paths);

/* ---- coupling: which word goes with which spot ------------------------------------- */

/* The common score of two views is bilinear in their variates, s = sum_j w_j c_1j c_2j with
 * w = 2/(M(M-1)) rho (of M views the pair's share of the score). With A_m [cells, k], which cell of
 * the raw input each variate comes from (integrated gradients, made complete: A_m adds up to c_m),
 * the matrix C = A_1 diag(w) A_2' says how much two cells add to the score together, and adds up to
 * the score itself (docs/method.md, section 7). Its factors take k passes a view; no pairs.
 *
 * Cells are spots of pictures (sums over blocks of pixels and over the channels), words (sums over
 * the pieces of each), moments of sounds, columns of tables. Pictures and sounds have local sums as
 * in mucmm_display. Values, matrices and p-values of sample i are counted from first to second.
 * Read-only after creation. */
typedef struct mucmm_coupling mucmm_coupling;

/* Numbers of a matrix that can be had whole; larger ones have rows, columns and the strongest. */
#define MUCMM_COUPLING_MOST 33554432
/* Numbers of the matrices of all models behind p-values, together. */
#define MUCMM_COUPLING_MOST_P 33554432

typedef struct mucmm_coupling_params {
    uint32_t struct_size;
    mucmm_representation representation; /* default MUCMM_HEADS                                  */
    int64_t steps;           /* of integrated gradients, 1 to 4096; default 32. Linear heads of
                                rows that are not encoded take one, which is exact            */
    int64_t side;            /* pictures have at most so many cells a side; default 64; 0: all
                                there are                                                     */
    mucmm_baseline baseline; /* of both views; BLURRED: of pictures, the other view keeps its
                                default                                                       */
    int64_t baseline_row;    /* MUCMM_BASELINE_ROW: from 0                                    */
    const mucmm_data *training[2]; /* of first and second, as in mucmm_explain_params            */
    int32_t rank[2];               /* of shape; 0 (default): the data's own shape                */
    int64_t shape[2][MUCMM_MAX_RANK]; /* of a raw row, if the data do not tell it                */
    const mucmm_null *null; /* of the model: p-values of all cells; NULL (default) = none        */
    double mask;            /* with null, 0 to 1: where p is larger, C becomes 0; NaN (default)
                               nowhere                                                           */
} mucmm_coupling_params;

MUCMM_API void mucmm_coupling_params_init_sized(mucmm_coupling_params *p, size_t size);
#define mucmm_coupling_params_init(p) mucmm_coupling_params_init_sized((p), sizeof *(p))

/* As mucmm_explain_takes_training, of params.training of a side. Maps start from the default of
 * mucmm_explain_params, but of texts behind a network from the mean if there is training: no word
 * at all is an input that no text is near. */
MUCMM_API int32_t mucmm_coupling_takes_training(const mucmm_model *m, int32_t view,
                                                const mucmm_data *data,
                                                const mucmm_coupling_params *params);

/* first and second count in the model's order and differ (EARG); views may come in any order and
 * have to be all of the model's. rows [n], copied. EARG, ESHAPE, ENUMERIC name what does not fit.
 */
MUCMM_API mucmm_status mucmm_coupling_create(mucmm_ctx *ctx, const mucmm_model *m,
                                             const mucmm_view *views, int32_t n_views,
                                             int32_t first, int32_t second, const int64_t *rows,
                                             int64_t n, const mucmm_coupling_params *params,
                                             mucmm_coupling **out);
MUCMM_API void mucmm_coupling_free(mucmm_coupling *c);

/* What it was made of; side is 0 (first) or 1 (second), else -1, NULL or 0. */
MUCMM_API int64_t mucmm_coupling_samples(const mucmm_coupling *c);     /* n */
MUCMM_API const int64_t *mucmm_coupling_rows(const mucmm_coupling *c); /* [n] */
MUCMM_API int32_t mucmm_coupling_view(const mucmm_coupling *c, int32_t side);
MUCMM_API const char *mucmm_coupling_name(const mucmm_coupling *c, int32_t side);
MUCMM_API mucmm_look mucmm_coupling_look(const mucmm_coupling *c, int32_t side);
MUCMM_API int64_t mucmm_coupling_components(const mucmm_coupling *c);    /* k */
MUCMM_API const double *mucmm_coupling_weights(const mucmm_coupling *c); /* [k] w */
/* [n] s of the pair, and what its matrix added up to less s if the gaps that integration in so many
 * steps leaves were not spread over the cells (in proportion to their size). */
MUCMM_API const double *mucmm_coupling_scores(const mucmm_coupling *c);
MUCMM_API const double *mucmm_coupling_gaps(const mucmm_coupling *c);

/* Cells of sample i; with rows and cols (or NULL) their places in a picture, 1 x moments of a
 * sound, 0 x 0 of words and columns. 0 if i or side is out of range, else at least 1: a text
 * without words has the cell "(no words)". */
MUCMM_API int64_t mucmm_coupling_cells(const mucmm_coupling *c, int64_t i, int32_t side,
                                       int64_t *rows, int64_t *cols);
/* The word, or the column's name, in out [size], cut if need be; "row 3, column 5" and "0.2 s" of
 * pictures and sounds. Returns out. */
MUCMM_API const char *mucmm_coupling_cell(const mucmm_coupling *c, int64_t i, int32_t side,
                                          int64_t cell, char *out, size_t size);
/* A_m of sample i [cells, k], belongs to c; NULL out of range. */
MUCMM_API const float *mucmm_coupling_factors(const mucmm_coupling *c, int64_t i, int32_t side);
/* 0 if sample i has no matrix: a gradient of it is not finite (mucmm_explanation_maps). Its
 * factors, matrix and p-values are NaN, and it has no sheet. */
MUCMM_API int32_t mucmm_coupling_has_matrix(const mucmm_coupling *c, int64_t i);
/* p-values [cells of first, cells of second] of sample i, pooled (MUCMM_P_POOLED): t is a cell's
 * share of the matrix. NULL without null models. */
MUCMM_API const float *mucmm_coupling_p_values(const mucmm_coupling *c, int64_t i);

/* C of sample i, masked: out [cells of first, cells of second]. EARG: more than MUCMM_COUPLING_MOST
 * numbers; ESHAPE: out has another size. */
MUCMM_API mucmm_status mucmm_coupling_matrix(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                             const mucmm_mat *out);
/* One row or column of it: what goes with a cell of `side`, out [cells of the other side]. */
MUCMM_API mucmm_status mucmm_coupling_map(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                          int32_t side, int64_t cell, float *out);
/* Its sums over the other side: what each cell of `side` adds to the score, out [cells of side]. */
MUCMM_API mucmm_status mucmm_coupling_totals(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                             int32_t side, float *out);
/* The pairs of the largest |C|, the largest first, of equal ones the first: at most n of them, as
 * many as there are. */
typedef struct mucmm_coupled_pair {
    int64_t first, second; /* cells */
    float value;
} mucmm_coupled_pair;
MUCMM_API mucmm_status mucmm_coupling_strongest(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                                int64_t n, mucmm_coupled_pair *out, int64_t *found);

/* Does it add up? Largest values of all samples, over the range of s on the first 1000 rows. */
typedef struct mucmm_coupling_sums {
    uint32_t struct_size;
    double range;
    double sum; /* |sum of C, unmasked, - s| */
    double gap; /* |mucmm_coupling_gaps| */
} mucmm_coupling_sums;
MUCMM_API void mucmm_coupling_sums_init_sized(mucmm_coupling_sums *s, size_t size);
#define mucmm_coupling_sums_init(s) mucmm_coupling_sums_init_sized((s), sizeof *(s))
/* *out: an init has seen it. */
MUCMM_API mucmm_status mucmm_coupling_check(mucmm_ctx *ctx, const mucmm_coupling *c,
                                            mucmm_coupling_sums *out);

/* Sample i as a page: a row for each word (else for the strongest columns, or the strongest spots
 * of first), with what of the other view goes with it. */
MUCMM_API mucmm_status mucmm_coupling_sheet(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                            mucmm_sheet **out);

/* X(name, value, end of its name): files of a sample. The matrix and the p-values have the shape
 * [cells of first, cells of second], where spots take two axes; one that is too large is written as
 * its factors, w put to the first. */
#define MUCMM_COUPLING_FILES(X)                                                                    \
    X(SHEET, 0, "png")                                                                             \
    X(MATRIX, 1, "npy")                                                                            \
    X(P_VALUES, 2, "p.npy")                                                                        \
    X(FIRST, 3, "first.npy")                                                                       \
    X(SECOND, 4, "second.npy")
typedef enum mucmm_coupling_file {
#define X(name, value, end) MUCMM_COUPLING_##name = value,
    MUCMM_COUPLING_FILES(X)
#undef X
} mucmm_coupling_file;
/* The end of its name if sample i has such a file, else NULL. */
MUCMM_API const char *mucmm_coupling_file_end(const mucmm_coupling *c, int64_t i,
                                              mucmm_coupling_file file);
/* EARG: there is none. */
MUCMM_API mucmm_status mucmm_coupling_write(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                            mucmm_coupling_file file, const char *path);
/* In words for people, *out for mucmm_text_free: whether c adds up. */
MUCMM_API mucmm_status mucmm_coupling_text(mucmm_ctx *ctx, const mucmm_coupling *c, char **out);
/* couplings [n] as a JSON document, released with mucmm_text_free: of each pair of views its range,
 * sum and gap, and of every sample row, score, gap, the cells of words and columns by name with
 * their totals, and the 20 strongest pairs. */
MUCMM_API mucmm_status mucmm_couplings_json(mucmm_ctx *ctx, const mucmm_coupling *const *couplings,
                                            int64_t n, char **out);

/* ---- report ------------------------------------------------------------------------ */

/* One HTML file that needs no network: sections with texts, tables, charts, and cards of pictures,
 * words and bars. What is added is shown in that order, below the last section. Every text is UTF-8
 * and shown as it is: markup in it has no effect. Nothing is borrowed. */
typedef struct mucmm_report mucmm_report;

MUCMM_API mucmm_status mucmm_report_create(mucmm_ctx *ctx, const char *title, mucmm_report **out);
MUCMM_API void mucmm_report_free(mucmm_report *r);
MUCMM_API mucmm_status mucmm_report_section(mucmm_ctx *ctx, mucmm_report *r, const char *title);
MUCMM_API mucmm_status mucmm_report_heading(mucmm_ctx *ctx, mucmm_report *r, const char *title);
MUCMM_API mucmm_status mucmm_report_text(mucmm_ctx *ctx, mucmm_report *r, const char *text);
MUCMM_API mucmm_status mucmm_report_code(mucmm_ctx *ctx, mucmm_report *r, const char *text);
/* cells [rows, cols], head [cols]; NULL is an empty cell. */
MUCMM_API mucmm_status mucmm_report_table(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                          const char *const *head, const char *const *cells,
                                          int64_t rows, int64_t cols);
/* spec: a Vega-Lite chart as JSON, its rows as objects in data.values; they are also shown as a
 * table. caption says in words what there is to see. EFORMAT if spec is no such JSON. */
MUCMM_API mucmm_status mucmm_report_chart(mucmm_ctx *ctx, mucmm_report *r, const char *title,
                                          const char *caption, const char *spec);
/* The libraries that draw charts in this build, such as "vega 5.33.0, vega-lite 5.23.0"; "" if it
 * was built without, and a page has only the tables. */
MUCMM_API const char *mucmm_report_charts(void);

/* Pictures, maps, words and bars stand in a card. */
MUCMM_API mucmm_status mucmm_report_card(mucmm_ctx *ctx, mucmm_report *r, const char *title);
/* rgb [height, width, 3], 8-bit; small: a thumbnail. */
MUCMM_API mucmm_status mucmm_report_picture(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                            const unsigned char *rgb, int64_t height, int64_t width,
                                            int32_t small);
/* Marks of the pictures and maps that follow in the card, of height x width cells: n_x below them,
 * n_y on their left; they are shown large. None of either: those that follow have no marks. */
MUCMM_API mucmm_status mucmm_report_ticks(mucmm_ctx *ctx, mucmm_report *r, int64_t height,
                                          int64_t width, const mucmm_tick *x, int32_t n_x,
                                          const mucmm_tick *y, int32_t n_y);
/* A diverging map over the paled picture rgb (or NULL): +scale red, -scale blue and hatched. */
MUCMM_API mucmm_status mucmm_report_map(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                        const mucmm_cmat *map, float scale,
                                        const unsigned char *rgb);
/* Words in reading order, each shaded by its value, which stands beside it. scale > 0. */
MUCMM_API mucmm_status mucmm_report_words(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                          const char *const *words, const float *values, int64_t n,
                                          float scale);
MUCMM_API mucmm_status mucmm_report_bars(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                         const char *const *names, const float *values, int64_t n,
                                         float scale);
/* One side of a coupling: labels [n], or NULL for rows x cols = n cells over the picture rgb
 * [height, width, 3], which are counted row by row; rows 1: over the whole height. */
typedef struct mucmm_report_side {
    const char *name; /* of the view */
    int64_t n;        /* 1 to 4096 */
    const char *const *labels;
    int64_t rows, cols;
    const unsigned char *rgb;
    int64_t height, width;
} mucmm_report_side;
/* Two sides of a sample beside each other, values [n of the first, n of the second], at most 2^20:
 * pointing at a cell, touching it or moving there by keys lights the cells of the other side that
 * go with it. Without a script, and in print, the maps of the first 12 labels stand in its place.
 * scale > 0 is the full colour. */
MUCMM_API mucmm_status mucmm_report_coupling(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                             const mucmm_report_side sides[2], const float *values,
                                             float scale);
/* A line of text inside a card. */
MUCMM_API mucmm_status mucmm_report_line(mucmm_ctx *ctx, mucmm_report *r, const char *text);
/* An entry of a glossary. */
MUCMM_API mucmm_status mucmm_report_term(mucmm_ctx *ctx, mucmm_report *r, const char *term,
                                         const char *meaning);
/* Atomic, as mucmm_file_write. */
MUCMM_API mucmm_status mucmm_report_write(mucmm_ctx *ctx, mucmm_report *r, const char *path);

/* ---- networks: ONNX graphs, forward and backward ----------------------------------- */

/* Dense, row-major, no gaps; rank 0 is a single number. */
typedef struct mucmm_tensor {
    mucmm_dtype dtype;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
    void *data;
} mucmm_tensor;

typedef struct mucmm_named_tensor {
    const char *name;
    mucmm_tensor tensor;
} mucmm_named_tensor;

/* The whole array of a .npy file; release it with mucmm_tensor_free. want 0: with the type it has
 * in the file. Else converted: fractions are rounded to the nearest of a float type; ENUMERIC for a
 * number that an integer type or bool does not hold exactly. NaN and infinities are kept. */
MUCMM_API mucmm_status mucmm_npy_read(mucmm_ctx *ctx, const char *path, mucmm_dtype want,
                                      mucmm_tensor *out);
MUCMM_API void mucmm_tensor_free(mucmm_tensor *t);
/* As mucmm_npy_write; NumPy has no bfloat16: it is written as float32. */
MUCMM_API mucmm_status mucmm_npy_write_tensor(mucmm_ctx *ctx, const char *path,
                                              const mucmm_tensor *t);

/* A network: operators and constants. Read-only after loading; may be shared by threads. */
typedef struct mucmm_graph mucmm_graph;

/* External weights are read from files inside the model's folder.
 * EFORMAT       not a well-formed ONNX model (what and which node)
 * EUNSUPPORTED  names every node that cannot be run, with operator and opset */
MUCMM_API mucmm_status mucmm_graph_load(mucmm_ctx *ctx, const char *path, mucmm_graph **out);
/* The same from memory (copied), without external weights; label stands for a path in messages. */
MUCMM_API mucmm_status mucmm_graph_load_memory(mucmm_ctx *ctx, const void *bytes, size_t size,
                                               const char *label, mucmm_graph **out);
MUCMM_API void mucmm_graph_free(mucmm_graph *g);

/* What the file declares: in shape, -1 is a dimension that is open until the run, and rank -1 a
 * shape that is not declared; data is NULL. NULL if i is out of range. */
MUCMM_API int32_t mucmm_graph_inputs(const mucmm_graph *g);
MUCMM_API const mucmm_named_tensor *mucmm_graph_input(const mucmm_graph *g, int32_t i);
MUCMM_API int32_t mucmm_graph_outputs(const mucmm_graph *g);
MUCMM_API const mucmm_named_tensor *mucmm_graph_output(const mucmm_graph *g, int32_t i);
/* Is there a tensor (input, output or inner) of that name? If not, the EARG message offers the
 * nearest names. */
MUCMM_API mucmm_status mucmm_graph_find(mucmm_ctx *ctx, const mucmm_graph *g, const char *name);
MUCMM_API int32_t mucmm_graph_nodes(const mucmm_graph *g);
/* Operator and name of a node, the name of its first output. */
typedef struct mucmm_node_info {
    uint32_t struct_size;
    const char *op, *name, *output;
    int32_t opset;
} mucmm_node_info;
MUCMM_API void mucmm_node_info_init_sized(mucmm_node_info *n, size_t size);
#define mucmm_node_info_init(n) mucmm_node_info_init_sized((n), sizeof *(n))
/* 1; or 0 if i is out of range, or no init has seen *out. */
MUCMM_API int32_t mucmm_graph_node(const mucmm_graph *g, int32_t i, mucmm_node_info *out);

/* The same as JSON text, for mucmm_text_free: inputs, outputs, nodes, opsets, operators with their
 * counts and, with tensors, the first output of every node. */
MUCMM_API mucmm_status mucmm_graph_json(mucmm_ctx *ctx, const mucmm_graph *g, int32_t tensors,
                                        char **out);

/* For people, *out for mucmm_text_free: how many nodes, their opsets, and a line an operator. */
MUCMM_API mucmm_status mucmm_graph_operators_text(mucmm_ctx *ctx, const mucmm_graph *g, char **out);

/* The operators that are supported, in the order of the table. until is the newest opset this
 * library knows where the entry has no end. */
typedef struct mucmm_op_info {
    uint32_t struct_size;
    const char *type;
    int32_t since, until;
    int32_t differentiable; /* 1: gradients pass; 0: they do not (and are zero, or refused) */
} mucmm_op_info;
MUCMM_API void mucmm_op_info_init_sized(mucmm_op_info *o, size_t size);
#define mucmm_op_info_init(o) mucmm_op_info_init_sized((o), sizeof *(o))
MUCMM_API int32_t mucmm_ops(void);
/* 1; or 0 if i is out of range, or no init has seen *out. */
MUCMM_API int32_t mucmm_op(int32_t i, mucmm_op_info *out);
/* All of them as a table in Markdown, by name, *out for mucmm_text_free. */
MUCMM_API mucmm_status mucmm_ops_text(mucmm_ctx *ctx, char **out);

typedef struct mucmm_run_params {
    uint32_t struct_size;
    const char *const *outputs; /* names of any tensors; NULL = the graph's outputs            */
    int32_t n_outputs;
    const char *const *wrt; /* inputs or inner tensors whose gradients will be asked for;
                               0 = forward only                                            */
    int32_t n_wrt;
    uint64_t memory; /* bytes the activations may take; 0 = 8 GiB. With wrt, what does not fit is
                        computed again in the vjp instead of being kept.                  */
} mucmm_run_params;

MUCMM_API void mucmm_run_params_init_sized(mucmm_run_params *p, size_t size);
#define mucmm_run_params_init(p) mucmm_run_params_init_sized((p), sizeof *(p))

/* One forward pass; with wrt it keeps what a vjp needs. */
typedef struct mucmm_run mucmm_run;

/* inputs: by name, in any order; also inner tensors, which are then given instead of computed.
 * The numbers are only read during the call.
 * EARG  an unknown name, or an input that is needed and not given
 * ESHAPE  an input that does not fit the declared shape, or a node whose inputs do not fit */
MUCMM_API mucmm_status mucmm_graph_run(mucmm_ctx *ctx, const mucmm_graph *g,
                                       const mucmm_named_tensor *inputs, int32_t n_inputs,
                                       const mucmm_run_params *params, mucmm_run **out);
/* Bytes of activations that such a run would take: only the shapes of inputs are used (data may be
 * NULL). For a network whose shapes depend on data: UINT64_MAX. */
MUCMM_API mucmm_status mucmm_graph_memory(mucmm_ctx *ctx, const mucmm_graph *g,
                                          const mucmm_named_tensor *inputs, int32_t n_inputs,
                                          const mucmm_run_params *params, uint64_t *out);
MUCMM_API void mucmm_run_free(mucmm_run *r);
/* In the order of params.outputs; belongs to the run. NULL if i is out of range. */
MUCMM_API const mucmm_tensor *mucmm_run_output(const mucmm_run *r, int32_t i);
/* Shape and type of wrt i (data NULL). */
MUCMM_API const mucmm_tensor *mucmm_run_wrt(const mucmm_run *r, int32_t i);
/* Reverse mode: grads[i] (float32, caller's memory of the shape of wrt i) becomes
 * d sum_o <cotangents[o], output o> / d wrt i. cotangents [n_outputs]: float32 of the output's
 * shape, data NULL = zero. May be called many times on one run, with different cotangents.
 * EUNSUPPORTED names a node on the way that has no gradient. */
MUCMM_API mucmm_status mucmm_run_vjp(mucmm_ctx *ctx, mucmm_run *r, const mucmm_tensor *cotangents,
                                     mucmm_tensor *grads);

/* ---- raw inputs: pictures, texts and sound, through an encoder --------------------- */

/* A description is a JSON object: what kind the raw inputs of a view are, how they are prepared,
 * and which network they go through, for example
 *   {"kind": "image", "size": 224, "normalize": "signed",
 *    "encoder": "mobilenet.onnx", "tensor": "last_map", "pool": "4x4"}
 * docs/study.md lists all keys. Relative paths in it are taken from `folder` (NULL: the current
 * one). EARG names an unknown key and offers the nearest. */

typedef enum mucmm_source_kind {
    MUCMM_SOURCE_ROWS = 0, /* rows of numbers                      */
    MUCMM_SOURCE_IMAGE = 1,
    MUCMM_SOURCE_TEXT = 2,
    MUCMM_SOURCE_AUDIO = 3
} mucmm_source_kind;

/* The raw inputs of one view. Read-only after creation. */
typedef struct mucmm_source mucmm_source;

/* items [n]: file names (image, audio) or texts, copied. Files are read when they are needed. */
MUCMM_API mucmm_status mucmm_source_create(mucmm_ctx *ctx, const char *description,
                                           const char *folder, const char *const *items, int64_t n,
                                           mucmm_source **out);
/* Rows of numbers, such as pictures in an .npy file; data is kept alive. */
MUCMM_API mucmm_status mucmm_source_wrap(mucmm_ctx *ctx, const mucmm_data *data,
                                         mucmm_source **out);
MUCMM_API void mucmm_source_free(mucmm_source *s);

/* From the raw input of a row to its features, and gradients back. Read-only after creation. */
typedef struct mucmm_encoder mucmm_encoder;

/* Through the ONNX network, or the chain of networks, that the description names. */
MUCMM_API mucmm_status mucmm_encoder_load(mucmm_ctx *ctx, const char *description,
                                          const char *folder, mucmm_encoder **out);

/* The caller's own encoder. raw [n, r] are the prepared rows of an image, audio or rows source;
 * features [n, product of shape]. A nonzero return is a failure (EBACKEND). Called by one thread
 * at a time. */
typedef struct mucmm_encoder_callbacks {
    uint32_t struct_size;
    const char *name; /* in messages and model files; a cache is valid for one name   */
    int32_t rank;     /* of a row of features */
    int64_t shape[MUCMM_MAX_RANK];
    int (*forward)(void *user, int64_t n, const float *raw, float *features);
    /* grads [n, r] = cotangents [n, features] times d features / d raw; NULL = no maps */
    int (*vjp)(void *user, int64_t n, const float *raw, const float *cotangents, float *grads);
    void *user;
} mucmm_encoder_callbacks;

MUCMM_API void mucmm_encoder_callbacks_init_sized(mucmm_encoder_callbacks *c, size_t size);
#define mucmm_encoder_callbacks_init(p) mucmm_encoder_callbacks_init_sized((p), sizeof *(p))
MUCMM_API mucmm_status mucmm_encoder_wrap(mucmm_ctx *ctx, const mucmm_encoder_callbacks *callbacks,
                                          mucmm_encoder **out);
MUCMM_API void mucmm_encoder_free(mucmm_encoder *e);

typedef struct mucmm_encode_params {
    uint32_t struct_size;
    const char *cache; /* .npy file for the features, with a .json beside it; NULL = in memory. An
                          interrupted run is resumed; other inputs, description or network start
                          anew. */
    uint64_t memory;   /* bytes the encoder's activations may take; 0 = 1 GiB                   */
    int32_t skip_bad;  /* 1: leave out rows that cannot be read, with a warning; 0: fail        */
} mucmm_encode_params;

MUCMM_API void mucmm_encode_params_init_sized(mucmm_encode_params *p, size_t size);
#define mucmm_encode_params_init(p) mucmm_encode_params_init_sized((p), sizeof *(p))

/* The features of all rows as float32 data, which keeps source and encoder: explanations
 * of it, and on its subsets, reach the raw input. The shape of a row is the
 * tensor's (pooled), without the batch. */
MUCMM_API mucmm_status mucmm_data_encode(mucmm_ctx *ctx, const mucmm_source *source,
                                         const mucmm_encoder *encoder,
                                         const mucmm_encode_params *params, mucmm_data **out);

/* Raw inputs of data, in which explanations live: of encoded data the encoder's input (image:
 * [3, height, width] or nhwc; audio: [samples]) or the inner tensor that the description's "wrt"
 * names (text: [tokens, width]); of all other data the rows themselves. */
MUCMM_API int32_t mucmm_data_raw_shape(const mucmm_data *d, int64_t shape[MUCMM_MAX_RANK]);
MUCMM_API int64_t mucmm_data_raw_cols(const mucmm_data *d);
/* As mucmm_data_read; out [n, raw cols]. */
MUCMM_API mucmm_status mucmm_data_read_raw(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                           int64_t n, const mucmm_mat *out);
MUCMM_API mucmm_source_kind mucmm_data_source_kind(const mucmm_data *d);
/* Sound: samples a second of the raw input, as the encoder takes it; 0 for other kinds. */
MUCMM_API double mucmm_data_rate(const mucmm_data *d);
/* File name or text of a row; NULL if the data has none. */
MUCMM_API const char *mucmm_data_item(const mucmm_data *d, int64_t row);
/* What stands for a row that is numbers alone, by the study's key "show": a text, or the file of a
 * picture; NULL: nothing. */
MUCMM_API const char *mucmm_data_shown(const mucmm_data *d, int64_t row);
/* Its picture, rgb [height, width, 3] or NULL to ask for the size; *height 0: there is none. */
MUCMM_API mucmm_status mucmm_data_shown_picture(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                                int64_t *height, int64_t *width,
                                                unsigned char *rgb);
/* Row of the source that is row i (others may have been skipped). */
MUCMM_API int64_t mucmm_data_source_row(const mucmm_data *d, int64_t i);
/* Text: the pieces of a row, one for each of the encoder's tokens ("" for padding); of a bag of
 * words the words of the text in order, each as its column would be named. EARG for other kinds. */
typedef struct mucmm_tokens mucmm_tokens;
MUCMM_API mucmm_status mucmm_data_tokens(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                         mucmm_tokens **out);
MUCMM_API void mucmm_tokens_free(mucmm_tokens *t);
MUCMM_API int64_t mucmm_tokens_count(const mucmm_tokens *t);
/* UTF-8, belongs to t; NULL if i is out of range. */
MUCMM_API const char *mucmm_tokens_piece(const mucmm_tokens *t, int64_t i);
/* Image: the prepared picture [height, width, 3], 8-bit; rgb NULL = only the sizes. */
MUCMM_API mucmm_status mucmm_data_picture(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                          int64_t *height, int64_t *width, unsigned char *rgb);
/* Description of source and encoder as JSON text; NULL for data that is not encoded. */
MUCMM_API const char *mucmm_data_description(const mucmm_data *d);

/* ---- study files ------------------------------------------------------------------- */

/* A JSON file that names a table, how its rows are split, and the views (docs/study.md). */
typedef struct mucmm_study mucmm_study;

typedef enum mucmm_part {
    MUCMM_PART_ALL = 0,
    MUCMM_PART_TRAIN = 1,
    MUCMM_PART_TEST = 2
} mucmm_part;

/* Reads and checks the file and its table. EFORMAT, EARG name file, line and key. */
MUCMM_API mucmm_status mucmm_study_load(mucmm_ctx *ctx, const char *path, mucmm_study **out);
MUCMM_API void mucmm_study_free(mucmm_study *s);
MUCMM_API int32_t mucmm_study_views(const mucmm_study *s);
MUCMM_API const char *mucmm_study_view_name(const mucmm_study *s, int32_t view);
MUCMM_API int32_t mucmm_study_has_split(const mucmm_study *s);

typedef struct mucmm_study_params {
    uint32_t struct_size;
    const char *cache; /* folder for features, made if missing; NULL = .mucmm-cache beside the
                          study file                                                          */
    uint64_t memory;   /* as in mucmm_encode_params */
    int32_t skip_bad;  /* 1: a row that is bad in one view is left out of all, with a warning */
    int32_t missing;   /* of mucmm_missing, of files of features: default an error; with
                          MUCMM_MISSING_DROP a row that lacks a view or a cell is left out of all */
    double missing_row, missing_column; /* as in mucmm_data_params */
} mucmm_study_params;

MUCMM_API void mucmm_study_params_init_sized(mucmm_study_params *p, size_t size);
#define mucmm_study_params_init(p) mucmm_study_params_init_sized((p), sizeof *(p))

/* Opens all views and computes the features that the cache does not have. */
MUCMM_API mucmm_status mucmm_study_encode(mucmm_ctx *ctx, mucmm_study *s,
                                          const mucmm_study_params *params);
/* The rest needs mucmm_study_encode first. Rows of a part, without those skipped; EARG a part of a
 * study without a split, or an empty one. */
MUCMM_API mucmm_status mucmm_study_view(mucmm_ctx *ctx, const mucmm_study *s, int32_t view,
                                        mucmm_part part, mucmm_data **out);
MUCMM_API int64_t mucmm_study_rows(const mucmm_study *s, mucmm_part part);
MUCMM_API int64_t mucmm_study_skipped(const mucmm_study *s);
/* Row of the table, from 0, that is row i of a part. */
MUCMM_API int64_t mucmm_study_row(const mucmm_study *s, mucmm_part part, int64_t i);
/* A cell of the table by its row (from 0) and the column's name; NULL if there is none. */
MUCMM_API const char *mucmm_study_cell(const mucmm_study *s, int64_t row, const char *column);
/* Description of a view as in the file, and the folder its paths are relative to. */
MUCMM_API const char *mucmm_study_description(const mucmm_study *s, int32_t view);
MUCMM_API const char *mucmm_study_folder(const mucmm_study *s);

/* ---- paired views ------------------------------------------------------------------ */

/* Several views, row i of each of which belongs to the same sample. Keeps their data, and the study
 * they are of, alive. Read-only after creation; may be shared by threads. */
typedef struct mucmm_views mucmm_views;

/* views [n], n from 1 to MUCMM_MAX_VIEWS; the names are copied, the data kept alive. ESHAPE: they
 * have not the same number of rows; EARG: a name of other characters, or one that stands twice. */
MUCMM_API mucmm_status mucmm_views_create(mucmm_ctx *ctx, const mucmm_view *views, int32_t n,
                                          mucmm_views **out);
/* From files, names [n] and paths [n]. With params->key rows are paired by it: as mucmm_data_pair,
 * or with params->missing as mucmm_data_pair_all. */
MUCMM_API mucmm_status mucmm_views_open(mucmm_ctx *ctx, const char *const *names,
                                        const char *const *paths, int32_t n,
                                        const mucmm_data_params *params, mucmm_views **out);
/* All views of a study, rows of a part; needs mucmm_study_encode first. */
MUCMM_API mucmm_status mucmm_views_of_study(mucmm_ctx *ctx, const mucmm_study *study,
                                            mucmm_part part, mucmm_views **out);
/* Those of a model, in its order, by name. EARG names a view that the model does not have; or, if
 * all is not 0, one of the model that is not there. */
MUCMM_API mucmm_status mucmm_views_match(mucmm_ctx *ctx, const mucmm_views *from,
                                         const mucmm_model *m, int32_t all, mucmm_views **out);
/* The same check of names [n] alone, before anything is opened. */
MUCMM_API mucmm_status mucmm_model_match_names(mucmm_ctx *ctx, const mucmm_model *m,
                                               const char *const *names, int32_t n, int32_t all);
MUCMM_API void mucmm_views_free(mucmm_views *v);

/* The rows of a table that belong to the rows of views, *out [rows of the views]: by key if both
 * have keys, whatever their order, and a row of the views that the table does not know has missing
 * cells; else by position (of a study: the rows of its table), and the numbers of rows must be
 * equal (ESHAPE). EFORMAT: no key is in both; EARG: the table's key was asked for, and the rows of
 * the views have none. */
MUCMM_API mucmm_status mucmm_table_match(mucmm_ctx *ctx, const mucmm_table *t,
                                         const mucmm_views *views, mucmm_table **out);
/* A number for each row of the views, groups [mucmm_views_rows], the same where the cells of this
 * column are the same, in other tables too (a hash of the text): for mucmm_fit_params.groups. The
 * table's rows are matched with those of the views; t NULL: the column is one of the study's table.
 * EARG: no such column, or a row without a cell. */
MUCMM_API mucmm_status mucmm_views_groups(mucmm_ctx *ctx, const mucmm_views *views,
                                          const mucmm_table *t, const char *column,
                                          int64_t *groups);
/* The same views, with these rows attached to each (mucmm_data_attach). */
MUCMM_API mucmm_status mucmm_views_attach(mucmm_ctx *ctx, const mucmm_views *views,
                                          const mucmm_table *t, mucmm_views **out);
/* The same views, of the rows that have them all; what is attached stays. A warning says how many
 * are left out. EFORMAT: none has; EUNSUPPORTED: rows of a study. */
MUCMM_API mucmm_status mucmm_views_complete(mucmm_ctx *ctx, const mucmm_views *views,
                                            mucmm_views **out);

MUCMM_API int32_t mucmm_views_count(const mucmm_views *v);
MUCMM_API int64_t mucmm_views_rows(const mucmm_views *v);
/* What is missing in rows, added up over the views. */
typedef struct mucmm_missing_counts {
    int64_t cells;   /* empty cells of rows that have the view                          */
    int64_t rows;    /* rows of a view with such cells                                  */
    int64_t sparse;  /* rows of a view's file that lack it, because too many cells are empty */
    int64_t dropped; /* rows that were left out (MUCMM_MISSING_DROP)                     */
} mucmm_missing_counts;
MUCMM_API mucmm_missing_counts mucmm_views_missing(const mucmm_views *v);
MUCMM_API const mucmm_view *mucmm_views_list(const mucmm_views *v); /* [count], belongs to v */
/* NULL if the rows are none of a study; which rows of it. */
MUCMM_API const mucmm_study *mucmm_views_study(const mucmm_views *v);
MUCMM_API mucmm_part mucmm_views_part(const mucmm_views *v);
/* Cell of the study's table; NULL without a study, or a column of that name. */
MUCMM_API const char *mucmm_views_cell(const mucmm_views *v, int64_t row, const char *column);
/* What tells a row from others: its cell in the study's column (NULL = none), else its key, the
 * file of its picture or sound, its text; NULL if it has none of them. */
MUCMM_API const char *mucmm_views_sample(const mucmm_views *v, int64_t row, const char *column);
/* The same in few words, in out [size] (cut if need be): a file without its folder, "sample N" if
 * there is nothing else. Returns out. */
MUCMM_API const char *mucmm_views_label(const mucmm_views *v, int64_t row, const char *column,
                                        char *out, size_t size);
/* The rows that a text names, *rows [*n] for mucmm_bytes_free, in its order: names of samples
 * (mucmm_views_sample), numbers from 0 and ranges of them, or all (that lack no view), apart by
 * commas: "P-17,0-4". A
 * name comes before a number. EARG: no such list, or an empty one (with the nearest name); ESHAPE:
 * there is no row of that number. */
MUCMM_API mucmm_status mucmm_views_samples(mucmm_ctx *ctx, const mucmm_views *v, const char *text,
                                           int64_t **rows, int64_t *n);
/* A name for files of the row, in out [size >= 128]: its key; what is not plain in one ('/',
 * spaces,
 * ...) becomes '_' and "~ROW" follows; the row's number where there is no key. Names of different
 * rows differ. Returns out. */
MUCMM_API const char *mucmm_views_file_name(const mucmm_views *v, int64_t row, char *out,
                                            size_t size);
/* Rows of the study's view that a model would be fitted to: the training part, or all rows of a
 * study without a split. OK and NULL without a study or such a view. */
MUCMM_API mucmm_status mucmm_views_training(mucmm_ctx *ctx, const mucmm_views *v, const char *view,
                                            mucmm_data **out);

/* The scores as csv, a row for each sample, *text for mucmm_text_free: sample, common, of each view
 * of the model NAME.common_energy and NAME.individual, and row, what it is to the model: new,
 * fitted or held-out. An empty cell for what is not known. sample: the row's mucmm_views_sample,
 * else its number, which it is too with views NULL. ESHAPE: the views are of another number of
 * rows. */
MUCMM_API mucmm_status mucmm_scores_csv(mucmm_ctx *ctx, const mucmm_scores *s,
                                        const mucmm_views *views, char **text);

/* What every component shows, as csv, a row for each set of rows, representation and component;
 * *text for mucmm_text_free. rows: train, held-out or cross-fitted of a model, new or fitted of
 * scores; representation: heads or linear; n, component (from 0), correlation, low and high (95 %:
 * of cross-fitted rows by their bootstrap; of two views and independent new or held-out rows by
 * Fisher's z; else empty), p_value, significant (yes, no), harmonic, carried_by ("left+right"),
 * similarity and comes_back (mucmm_stability). An empty cell for what is not known. */
MUCMM_API mucmm_status mucmm_model_components_csv(mucmm_ctx *ctx, const mucmm_model *m,
                                                  char **text);
MUCMM_API mucmm_status mucmm_scores_components_csv(mucmm_ctx *ctx, const mucmm_scores *s,
                                                   char **text);
/* The same as a figure, path as of mucmm_loadings_figure: a mark for each component (at most 60)
 * with its interval, of trained heads and of the closed form, filled where p <= 0.05; and how far
 * chance reaches, where the summary knows (null_95). Of held-out (else training) rows of a model,
 * of new (else fitted) rows of scores. EUNSUPPORTED: there is none; EIO. */
MUCMM_API mucmm_status mucmm_model_components_figure(mucmm_ctx *ctx, const mucmm_model *m,
                                                     const char *path);
MUCMM_API mucmm_status mucmm_scores_components_figure(mucmm_ctx *ctx, const mucmm_scores *s,
                                                      const char *path);

/* Variates of m as csv, a row for each sample: sample (as mucmm_scores_csv has it), then of every
 * view NAME.common0, ..., NAME.individual0, ... and, where rows lack the view,
 * NAME.common-predicted0, ..., NAME.common-sd0, ...; numbers read back as the same floats. ESHAPE:
 * the views are of another number of rows. */
MUCMM_API mucmm_status mucmm_variates_csv(mucmm_ctx *ctx, const mucmm_variates *v,
                                          const mucmm_model *m, const mucmm_views *views,
                                          char **text);

/* ---- report of a model ------------------------------------------------------------- */

/* Sections of the page, in their order; their sum is a choice of them. */
typedef enum mucmm_section {
    MUCMM_SECTION_SHORT = 1,        /* in short: components, harmonics, shares                    */
    MUCMM_SECTION_SHARED = 2,       /* correlations, dimensions, carriers, stability; and, of rows
                                       with a table attached, what is known of them               */
    MUCMM_SECTION_SHARES = 4,       /* of the variance of each view                               */
    MUCMM_SECTION_RETRIEVAL = 8,    /* partners found                                             */
    MUCMM_SECTION_LEAKAGE = 16,     /* dependence left                                            */
    MUCMM_SECTION_SCORES = 32,      /* histograms                                                 */
    MUCMM_SECTION_SAMPLES = 64,     /* the ends of the scores, with maps                          */
    MUCMM_SECTION_COMPONENTS = 128, /* the ends of the first components, with what makes them     */
    MUCMM_SECTION_TRAINING = 256,   /* history of the heads                                       */
    MUCMM_SECTION_FITTED = 512,     /* views and parameters                                       */
    MUCMM_SECTION_AGAIN = 1024,     /* how to make the page again; none if params.again is NULL   */
    MUCMM_SECTION_GLOSSARY = 2048,  /* the words                                                  */
    MUCMM_SECTION_COUPLING = 4096,  /* which word goes with which spot; behind the samples        */
    MUCMM_SECTION_METHODS = 8192,   /* a methods paragraph and its references                     */
    MUCMM_SECTION_ALL = 16383
} mucmm_section;

#define MUCMM_REPORT_MAX_SHOWN 100

/* Texts are read during the call. */
typedef struct mucmm_report_params {
    uint32_t struct_size;
    uint32_t sections; /* sum of mucmm_section; default all                                 */
    int64_t shown;     /* samples of a gallery, 1 to 100; default 6, or as many as there are */
    const char *label; /* column of a study's table that names a sample; NULL = none        */
    int32_t map;       /* a mucmm_map_kind, or MUCMM_MAP_DEFAULT: by the kind of view       */
    const char *model_label; /* such as the model's file; NULL = none                             */
    const char *again;       /* commands or code that make the page again, shown as they are      */
    const char *again_note;  /* a sentence on them; NULL = none                                   */
    /* Words for what a reader may do: to leave out the test, and to keep trained heads. Default:
     * the parameters of this interface.                                                          */
    const char *untested_word, *keep_heads_word;
    const mucmm_views *training; /* the rows that the model was fitted to, for maps of encoded rows;
                                    NULL = those of the study that the views are of               */
    const mucmm_score_params *score; /* of mucmm_model_report; its groups also of what is known of
                                        the rows, in mucmm_report_add too; NULL = the defaults    */
} mucmm_report_params;

MUCMM_API void mucmm_report_params_init_sized(mucmm_report_params *p, size_t size);
#define mucmm_report_params_init(p) mucmm_report_params_init_sized((p), sizeof *(p))

/* Adds what a model shows of rows: all views of the model by name, in any order, and the scores of
 * these rows. EARG  a view or the label's column is missing, or a parameter is out of range;
 * ESHAPE  the scores are of other rows, or a row lacks a view. */
MUCMM_API mucmm_status mucmm_report_add(mucmm_ctx *ctx, mucmm_report *r, const mucmm_model *m,
                                        const mucmm_views *views, const mucmm_scores *scores,
                                        const mucmm_report_params *params);
/* All in one: scores, and a page on them at path, written as mucmm_report_write does. */
MUCMM_API mucmm_status mucmm_model_report(mucmm_ctx *ctx, const mucmm_model *m,
                                          const mucmm_views *views,
                                          const mucmm_report_params *params, const char *path);

/* The views that carry a component, for people, in out [size]: "all", "image + words", "none beyond
 * chance", or "not computed" without p-values or for two views. Returns out. */
#define MUCMM_CARRIERS_SIZE (MUCMM_MAX_VIEWS * 68)
MUCMM_API const char *mucmm_summary_carriers(const mucmm_model *m, const mucmm_summary *s,
                                             int64_t component, char *out, size_t size);

/* ---- what else is known of the rows ------------------------------------------------ */

/* Every component of c and u of every view against every column of a table, on the rows given that
 * have all views and that the model was not fitted to (docs/method.md, section 5): correlation with
 * numbers, eta squared with categories; p-values by the beta distribution that approximates the one
 * of all permutations; false discovery rates over all of them. Read-only after creation. */
typedef struct mucmm_relate mucmm_relate;

typedef struct mucmm_relate_params {
    uint32_t struct_size;
    mucmm_representation representation; /* default MUCMM_HEADS                              */
    uint64_t seed;                       /* of the folds of the readers; default 1           */
    const int64_t *groups; /* as in mucmm_score_params: p-values are then those of whole groups
                              exchanged for each other, readers do not see the groups that they are
                              judged by, and rows of fitted groups count as fitted; default NULL  */
} mucmm_relate_params;

MUCMM_API void mucmm_relate_params_init_sized(mucmm_relate_params *p, size_t size);
#define mucmm_relate_params_init(p) mucmm_relate_params_init_sized((p), sizeof *(p))

/* A later version may have more at their end: take both by their address, do not copy them. */
typedef struct mucmm_relation {
    int32_t view, individual; /* 0: a component of the view's c, 1: of its u                      */
    int64_t component, column;
    int64_t rows;    /* of which the column is known                                             */
    double strength; /* correlation, in [-1, 1], or eta squared, in [0, 1]; NaN: fewer than 8 rows,
                        or constant                                                              */
    double p_value;  /* two-sided; NaN also of rows that were all fitted                         */
    double q_value;  /* the least false discovery rate (Benjamini and Hochberg 1995) at which it
                        counts as found                                                          */
} mucmm_relation;

/* In which part is a column? */
typedef struct mucmm_related {
    const char *name;
    int64_t rows;   /* of which it is known                                                      */
    int32_t levels; /* of categories, that are there; 0: numbers                                 */
    double chance;  /* of categories, share of the largest                                       */
    /* How well a linear reader reads it from all of c, and from u of each view: R2 of numbers,
     * accuracy of categories (2 to MUCMM_PROBE_CLASSES), cross-validated in 5 folds; NaN with fewer
     * than 20 rows. */
    double common, individual[MUCMM_MAX_VIEWS];
    int32_t in_common; /* 1: a component of c is found related to it (q_value at most 0.05)    */
    uint32_t in_individual; /* bit v: one of u of view v */
    int32_t adjusted; /* 1: the model takes it out; what is found is left by the few rows it was
                         learnt from */
} mucmm_related;

/* views: all of the model's, in any order; t: of their rows (mucmm_table_match), else ESHAPE. Rows
 * that were all fitted are looked at, but not tested. */
MUCMM_API mucmm_status mucmm_relate_create(mucmm_ctx *ctx, const mucmm_model *m,
                                           const mucmm_view *views, int32_t n_views,
                                           const mucmm_table *t, const mucmm_relate_params *params,
                                           mucmm_relate **out);
MUCMM_API void mucmm_relate_free(mucmm_relate *r);
/* [*n], belong to r. */
MUCMM_API const mucmm_relation *mucmm_relate_list(const mucmm_relate *r, int64_t *n);
MUCMM_API const mucmm_related *mucmm_relate_columns(const mucmm_relate *r, int64_t *n);
/* Rows that were looked at; 1: the model was fitted to all of them. */
MUCMM_API int64_t mucmm_relate_rows(const mucmm_relate *r);
MUCMM_API int32_t mucmm_relate_in_sample(const mucmm_relate *r);
/* Groups of rows; 0: none were given. */
MUCMM_API int64_t mucmm_relate_groups(const mucmm_relate *r);
/* "common, individual of left", "none beyond chance", "not tested" of a column, in out [size] (cut
 * if need be). Returns out. */
MUCMM_API const char *mucmm_related_text(const mucmm_relate *r, int64_t column, char *out,
                                         size_t size);
/* All for people, as csv and as JSON; *out for mucmm_text_free. */
MUCMM_API mucmm_status mucmm_relate_text(mucmm_ctx *ctx, const mucmm_relate *r, char **out);
MUCMM_API mucmm_status mucmm_relate_csv(mucmm_ctx *ctx, const mucmm_relate *r, char **out);
MUCMM_API mucmm_status mucmm_relate_json(mucmm_ctx *ctx, const mucmm_relate *r, char **out);

/* ---- probes ------------------------------------------------------------------------ */

/* How well a class can be read from a representation: by a linear reader (multinomial logistic
 * regression, l2 1e-4), or by a nonlinear one (a layer of 128 ReLU, 20 epochs of Adam). Columns are
 * standardized by the training rows. */
#define MUCMM_PROBE_CLASSES 16
typedef struct mucmm_probe {
    mucmm_cmat train, test;                  /* [n, d], borrowed                     */
    const int32_t *train_class, *test_class; /* [n], 0 .. classes - 1; borrowed      */
    int32_t classes;                         /* 2 to MUCMM_PROBE_CLASSES             */
    int32_t nonlinear;                       /* 0: linear                            */
    double accuracy; /* out: share of the test rows read right, in [0, 1]; NaN without rows or
                        columns */
} mucmm_probe;

/* Trains and tests all of them, one a task on the context's threads, whose number changes no
 * result. EARG a class is out of range; ESHAPE the columns of train and test differ. */
MUCMM_API mucmm_status mucmm_probes_run(mucmm_ctx *ctx, mucmm_probe *probes, int64_t n,
                                        uint64_t seed);

/* ---- benchmarks -------------------------------------------------------------------- */

/* GFLOP/s of float32 C = A B through oneDNN, best of `repeats`. */
MUCMM_API mucmm_status mucmm_bench_gemm(mucmm_ctx *ctx, int64_t m, int64_t n, int64_t k,
                                        int32_t repeats, double *gflops);

typedef struct mucmm_bench_train_params {
    uint32_t struct_size;
    int64_t features, common, batch, steps; /* default 768, 64, 2000, 20 */
    int32_t n_hidden;                       /* default 2 */
    int64_t hidden[MUCMM_MAX_HIDDEN];       /* default 1024, 1024 */
} mucmm_bench_train_params;

MUCMM_API void mucmm_bench_train_params_init_sized(mucmm_bench_train_params *p, size_t size);
#define mucmm_bench_train_params_init(p) mucmm_bench_train_params_init_sized((p), sizeof *(p))
/* Steps of training the common heads of two views, as mucmm_fit does them. */
MUCMM_API mucmm_status mucmm_bench_train(mucmm_ctx *ctx, const mucmm_bench_train_params *params,
                                         double *rows_per_second, double *gflops);

/* A network: median seconds of `repeats` forward passes, after as many (at least three) that do not
 * count, and with both (or NULL) of forward passes with the gradient of the outputs' sum with
 * respect to params.wrt (one tensor; none: the first float32 input). Of inputs only type and shape
 * count; their numbers are 0/64 to 63/64 in turn, or 0 to 63. */
MUCMM_API mucmm_status mucmm_bench_graph(mucmm_ctx *ctx, const mucmm_graph *g,
                                         const mucmm_named_tensor *inputs, int32_t n_inputs,
                                         const mucmm_run_params *params, int64_t repeats,
                                         double *forward, double *both);

/* The closed form of mucmm_fit on whole views in memory: seconds [1] (the best of `repeats`) from
 * rows to weights (moments, factorizations, weights), correlations [k]. */
MUCMM_API mucmm_status mucmm_bench_closed_form(mucmm_ctx *ctx, const mucmm_view *views,
                                               int32_t n_views, int64_t k, int32_t repeats,
                                               double *seconds, double *correlations);

/* The permutation test of mucmm_score on random variates: seconds [1] (the best of `repeats`) of
 * `permutations` of `rows` rows, 2 to MUCMM_MAX_VIEWS views of k components each. */
MUCMM_API mucmm_status mucmm_bench_permutation(mucmm_ctx *ctx, int64_t rows, int64_t k,
                                               int32_t n_views, int64_t permutations,
                                               int32_t repeats, double *seconds);

#ifdef __cplusplus
}
#endif

#endif /* MUCMM_H */
