/* SPDX-License-Identifier: MIT
 *
 * data.h - what the readers of this folder share: an array as it lies in a file,
 * a table with names, names in messages, a hash index over names. */
#ifndef MUCMM_IO_DATA_H
#define MUCMM_IO_DATA_H

#include "io/io.h"
#include "io/number.h"

/* Room for a name in a message. */
#define MUCMM__QUOTE 64

/* ---- an array as it lies in a file ------------------------------------------------- */

typedef struct mucmm__array {
    const unsigned char *data; /* need not be aligned */
    mucmm_dtype type;
    bool swap, fortran;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
} mucmm__array;

/* Bytes of product(shape) numbers; false on overflow. */
bool mucmm__array_bytes(const mucmm__array *a, int64_t *bytes);
/* Byte offset of the element with C-order index `index` of axes [first, rank). */
int64_t mucmm__array_offset(const mucmm__array *a, int32_t first, int64_t index);

/* ---- a table read from text -------------------------------------------------------- */
typedef struct mucmm__table {
    double *values; /* [rows, cols] */
    int64_t rows, cols;
    char *text;         /* all names, each ended by a NUL      */
    int64_t *column_at; /* [cols] offsets into text            */
    int64_t *key_at;    /* [rows] offsets into text, or NULL   */
    int64_t *line;      /* [rows] line on which a row begins   */
    bool keyed;         /* a key column was asked for          */
    bool *empty;        /* [rows] no cell of the row has a value; NULL if there is no such row */
    int64_t n_empty;
    bool *category;   /* [cols] a column NAME=LEVEL; NULL: there are none */
    bool row_names;   /* the keys are those of a first column of texts */
    uint64_t used[3]; /* which of the first 64 columns, ignore, categories stand for a column */
    char hole[4 * MUCMM__QUOTE]; /* the first empty cell of a row that has others, for messages; or
                                    "" */
} mucmm__table;

void mucmm__table_drop(mucmm__table *t);

/* A table of texts: every cell as it is. */
typedef struct mucmm__strings {
    int64_t rows, cols;
    char *text;    /* all cells, each ended by a NUL                     */
    int64_t *at;   /* [rows + 1, cols] offsets into text; first the header */
    int64_t *line; /* [rows] line on which a row begins                  */
} mucmm__strings;

void mucmm__strings_drop(mucmm__strings *t);
const char *mucmm__strings_cell(const mucmm__strings *t, int64_t row, int64_t column);
int64_t mucmm__strings_column(const mucmm__strings *t, const char *name); /* -1 = none */

/* A cell without the spaces and tabs around it, which are cut off in place. */
char *mucmm__trim(char *s);
/* What a trimmed cell is: no value ("", NA, NaN, NULL, N/A, #N/A, in letters of either case);
 * infinity; a decimal number and nothing else, so no hexadecimal and no thousands separator. */
bool mucmm__is_missing(const char *s);
bool mucmm__is_infinite(const char *s);
bool mucmm__is_decimal(const char *s);

/* ---- parsers: name stands for the file in messages, bytes are borrowed ------------- */
mucmm_status mucmm__npy_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, mucmm__array *out);
/* Its header alone, of which these bytes have to be the beginning; out->data is NULL. */
mucmm_status mucmm__npy_describe(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, mucmm__array *out);
mucmm_status mucmm__idx_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, mucmm__array *out);
/* The whole .idx file that a gzip file holds; freed with mucmm__free. */
mucmm_status mucmm__idx_inflate(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                size_t size, unsigned char **out, size_t *out_size);
/* By mucmm_data_params; key "" is a first column without a name. */
mucmm_status mucmm__csv_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, const mucmm_data_params *p, mucmm__table *out);
mucmm_status mucmm__strings_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, mucmm_header header, mucmm__strings *out);
/* The text of a table whose rows are the columns of this one; freed with mucmm__free. */
mucmm_status mucmm__csv_transpose(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, unsigned char **out, size_t *out_size);
/* What a gzip file holds; freed with mucmm__free. */
mucmm_status mucmm__gunzip(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                           size_t size, unsigned char **out, size_t *out_size);
bool mucmm__is_table_name(const char *name); /* .csv, .tsv, .csv.gz, .tsv.gz */

/* Item i of a list with commas, in out (cut to 255 bytes, with the spaces around it taken off);
 * false: there are not so many. */
enum { MUCMM__ITEM = 256 };
bool mucmm__list_item(const char *list, int64_t i, char out[MUCMM__ITEM]);
/* Does the pattern, in which * stands for anything, stand for the name? */
bool mucmm__pattern_fits(const char *pattern, const char *name);
/* Which item of the list stands for the name, -1 = none; marked in used unless NULL. */
int64_t mucmm__list_find(const char *list, const char *name, uint64_t *used);
bool mucmm__is_npy(const unsigned char *bytes, size_t size);
bool mucmm__is_idx(const unsigned char *bytes, size_t size);
bool mucmm__is_gzip(const unsigned char *bytes, size_t size);
bool mucmm__ends_with(const char *name, const char *end); /* letters of either case */

/* ---- a data object ----------------------------------------------------------------- */
struct mucmm_data {
    _Atomic int64_t references;
    mucmm_data *base; /* subset: the data object whose rows these are; else NULL      */
    int64_t *rows;    /* subset: [n] rows of base, -1 = missing                      */
    int64_t *columns; /* subset: [cols] columns of base, -1 = zeros; NULL = all of them */
    int64_t n, cols;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];

    /* Only without base. Element (i, j) lies at byte i * row_step +
     * (column_at ? column_at[j] : j * column_step) of values. */
    char *label;
    const unsigned char *values;
    mucmm_dtype type;
    bool swap;
    int64_t row_step, column_step;
    int64_t *column_at;
    mucmm__map map;              /* what values point into, if mapped         */
    unsigned char *owned;        /* or if decompressed                        */
    mucmm__table table;          /* or if parsed                              */
    void (*release)(void *user); /* or who wants to know that they are not used any more */
    void *release_user;
    bool *missing;  /* [n] rows that lack the view; NULL if there is none       */
    bool allows;    /* a cell may be empty                                      */
    int64_t sparse; /* rows that lack it because they have too few cells          */
    int32_t *empty; /* [n] how many are, of rows that have the view; NULL if none */

    /* Done to a row of this object that has been read; data made of it do not have it. */
    void (*change)(const void *arg, int64_t row, float *x);
    const void *change_arg;
    const double *origin;    /* [cols] taken off when they are read, before that; or NULL */
    mucmm_data *before;      /* whose change is done first, or NULL */
    mucmm_table *covariates; /* [n] rows that belong to these; NULL: none are known */

    /* Subsets by name (mucmm__data_select), which live as long as this one; each has its owner and
     * the hash of the names that it was selected by. */
    mucmm_data *_Atomic selected;
    mucmm_data *next, *owner;
    uint64_t names;

    /* What encode/ knows of the raw inputs behind the rows; freed with the data. */
    void *encoded;
    void (*encoded_free)(void *encoded);
    struct mucmm__shown *shown; /* and what stands for rows that are numbers alone, or NULL */
    void (*shown_free)(struct mucmm__shown *s);
    /* What explain/ has computed from the raw inputs, set once: their mean; NULL: not asked yet. */
    float *_Atomic raw_mean;
};

/* The same data, for another who will free it. Only the reference count changes, which is no part
 * of what const promises. */
mucmm_data *mucmm__data_keep(const mucmm_data *d);

/* An empty one; label copied, or NULL. */
mucmm_status mucmm__data_create(mucmm_ctx *ctx, const char *label, mucmm_data **out);
/* As mucmm_data_open, but columns, ignore and categories may stand for nothing. */
mucmm_status mucmm__data_open(mucmm_ctx *ctx, const char *path, const mucmm_data_params *params,
                              mucmm_data **out);
/* EARG: one of them stands for no column of d, or of all that used is of. */
mucmm_status mucmm__check_used(mucmm_ctx *ctx, const mucmm_data_params *p, const mucmm_data *d,
                               const uint64_t used[3]);
/* EARG: a column is no measurement (mucmm_fit_params.allow_ids). */
mucmm_status mucmm__check_ids(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views);
/* Which cells are empty, and which rows lack the view: those with nothing but NaN, or with more
 * than the share p->missing_row of it. EFORMAT: all are; a column has more than p->missing_column.
 */
mucmm_status mucmm__data_mark_empty(mucmm_ctx *ctx, mucmm_data *d, const mucmm_data_params *p);

/* The same rows, which `change` makes others when they are read, after what is done to those of
 * from; arg is borrowed. */
mucmm_status mucmm__data_changed(mucmm_ctx *ctx, const mucmm_data *from,
                                 void (*change)(const void *arg, int64_t row, float *x),
                                 const void *arg, mucmm_data **out);

/* Columns that a model was fitted on, in its order. */
typedef struct mucmm__wanted {
    const char *view;         /* whose they are, for messages         */
    const char *const *names; /* [n] as mucmm__name_make makes them; NULL: it knows none */
    int64_t n;
} mucmm__wanted;

/* The columns of d by name, in the order wanted: d itself, or a subset that lives as long as d.
 * What is left out, or taken by position because one of the two has no names, is said once.
 * ESHAPE: a column is not there, or there are others than wanted. */
mucmm_status mucmm__data_select(mucmm_ctx *ctx, const mucmm_data *d, const mucmm__wanted *w,
                                const mucmm_data **out);
/* Are all of w's names columns of d? */
bool mucmm__data_has_names(const mucmm_data *d, const mucmm__wanted *w);
/* How a name is kept: as it is, but for what is no text (mucmm_text_printable). */
mucmm_status mucmm__name_make(mucmm_ctx *ctx, const char *name, char **out);
/* ---- origins: what is taken off in double, before a number becomes a float ----------------- */
/* The same rows less origin [cols], which is borrowed; data made of it by mucmm__data_changed have
 * it too. */
mucmm_status mucmm__data_centred(mucmm_ctx *ctx, const mucmm_data *from, const double *origin,
                                 mucmm_data **out);
/* The number itself in column j of d and row `row` of its base. */
double mucmm__data_number(const mucmm_data *d, int64_t row, int64_t j);
/* As mucmm_data_read, less origin [cols] (NULL: what d itself takes off, if anything). */
mucmm_status mucmm__data_read_less(mucmm_ctx *ctx, const mucmm_data *d, const double *origin,
                                   const int64_t *rows, int64_t n, const mucmm_mat *out);
/* Near the means of columns whose rows rows[0..n) would lose digits as floats, 0 elsewhere, into
 * *origin [cols] (mucmm__alloc); NULL if no column would. Rows that lack the view, and NaN, do not
 * count. */
mucmm_status mucmm__data_origin(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                                double **origin);

/* Rows [n, cols] in memory that the data object takes over (mucmm__alloc). */
mucmm_status mucmm__data_own(mucmm_ctx *ctx, const char *label, float *values, int64_t n,
                             const int64_t *shape, int32_t rank, mucmm_data **out);

/* Row of the file that is row i of d; -1 if d has no such row. */
static inline int64_t mucmm__data_row(const mucmm_data *d, int64_t i)
{
    return d->rows ? d->rows[i] : i;
}

static inline const mucmm_data *mucmm__data_base(const mucmm_data *d)
{
    return d->base ? d->base : d;
}

/* ---- names ------------------------------------------------------------------------- */
/* s cut to fit into a message, which shows control characters as such. Returns out. */
const char *mucmm__quote(char out[MUCMM__QUOTE], const char *s);
/* Letters that have to be changed, added or taken away to make b of a (their first 96). */
int64_t mucmm__edit_distance(const char *a, const char *b);

/* Which names have been seen; name(arg, i) gives the i-th. */
typedef struct mucmm__index {
    int64_t *slots; /* i + 1, 0 = free */
    int64_t n_slots;
    const char *(*name)(const void *arg, int64_t i);
    const void *arg;
} mucmm__index;

mucmm_status mucmm__index_init(mucmm_ctx *ctx, mucmm__index *x, int64_t n,
                               const char *(*name)(const void *, int64_t), const void *arg);
void mucmm__index_drop(mucmm__index *x);
/* The i whose name that is, or -1. */
int64_t mucmm__index_find(const mucmm__index *x, const char *name);
/* Enters i and returns -1, or returns the one that has its name already. */
int64_t mucmm__index_insert(mucmm__index *x, int64_t i);

#endif
