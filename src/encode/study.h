/* SPDX-License-Identifier: MIT
 *
 * study.h - what the files of a study share: the study.
 *
 *   study.c (the object) --> study_file.c (from JSON), study_view.c (a view), study_split.c (rows)
 */
#ifndef MUCMM_ENCODE_STUDY_H
#define MUCMM_ENCODE_STUDY_H

#include "encode/encode.h"

/* What stands for rows of numbers; NULL is fine. */
typedef struct mucmm__shown mucmm__shown;
void mucmm__shown_free(mucmm__shown *s);

typedef struct mucmm__study_view {
    const char *name; /* belongs to root */
    char *description;
    mucmm__description d; /* root is borrowed */
    mucmm_source *source; /* while the study is being opened */
    mucmm_encoder *encoder;
    mucmm_data *data;    /* all rows, once opened */
    mucmm__shown *shown; /* what stands for them, until the data has it */
} mucmm__study_view;

struct mucmm_study {
    _Atomic int64_t keepers; /* who hold it besides its first owner */
    char *path, *folder;
    char *text; /* of the file, for line numbers */
    json_t *root;
    char *table_path; /* NULL = there is no table */
    mucmm__strings table;
    bool has_split;
    int64_t split_column; /* -1 = every row on its own */
    double split_test;
    int64_t split_seed;
    int32_t n_views;
    mucmm__study_view view[MUCMM_MAX_VIEWS];
    bool opened;
    int64_t n, skipped;
    bool *bad, *test;            /* [n] */
    int64_t dropped;             /* rows that were left out as they lack a view or a cell */
    int64_t *rows[3], n_rows[3]; /* by mucmm_part */
};

/* Reads and checks the file s->path. */
mucmm_status mucmm__study_read(mucmm_ctx *ctx, mucmm_study *s);
/* "study.json:7: " in front of the message, and the view; the line is that of the key inside the
 * view inside the parent, each of which may be NULL ("" for no key). */
mucmm_status mucmm__study_locate(mucmm_ctx *ctx, mucmm_status status, const mucmm_study *s,
                                 const char *parent, const char *view, const char *key);

/* The table's column of that name. EARG: the key's value is none, with the nearest. */
mucmm_status mucmm__study_column(mucmm_ctx *ctx, const mucmm_study *s, mucmm__description *d,
                                 const char *key, const char *name, int64_t *out);
/* v->shown from the view's key "show". */
mucmm_status mucmm__study_show(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v);
/* Everything of a view that can fail before the work: files, networks, rows that are not there. */
mucmm_status mucmm__study_view_open(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                                    const mucmm_study_params *params);
/* Learns from the training part what is learnt of a view. */
mucmm_status mucmm__study_view_fit(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v);
/* Encodes all rows; s->bad gains those that cannot be read. */
mucmm_status mucmm__study_view_encode(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                                      const mucmm_study_params *params);
void mucmm__study_view_drop(mucmm__study_view *v); /* source and encoder */

/* Sets s->test. ESHAPE: there is one group only. */
mucmm_status mucmm__study_split(mucmm_ctx *ctx, mucmm_study *s);
/* Row numbers of the parts, without those that are bad. */
mucmm_status mucmm__study_list_rows(mucmm_ctx *ctx, mucmm_study *s);

#endif
