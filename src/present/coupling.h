/* SPDX-License-Identifier: MIT
 *
 * coupling.h - the matrix of two views' cells, as its factors. */
#ifndef MUCMM_PRESENT_COUPLING_H
#define MUCMM_PRESENT_COUPLING_H

#include "explain/attribution.h"
#include "present/display.h"

/* A sample as one view has it. */
typedef struct mucmm__coupled {
    int64_t n;            /* cells */
    float *factor;        /* [n, k] */
    mucmm__labels labels; /* of words */
} mucmm__coupled;

typedef struct mucmm__coupling_side {
    int32_t view;
    mucmm_data *data;
    mucmm_display *look; /* the inputs alone */
    int64_t rows, cols;  /* of cells in a picture; 0 x 0 of words and columns */
    double local_sd;     /* of local sums, in cells; 0: none */
    mucmm__coupled *of;  /* [n] */
} mucmm__coupling_side;

struct mucmm_coupling {
    mucmm_model *m;
    mucmm_representation representation;
    int64_t n, k;
    int64_t *rows;
    double *weight;        /* [k] */
    double *scores, *gaps; /* [n] */
    mucmm__coupling_side side[2];
    float **p_values; /* [n] of [cells of first, cells of second]; NULL without null models */
    double mask;      /* NaN: none */
};

/* ---- coupling.c -------------------------------------------------------------------- */

/* The maps that it takes of rows like data, but for params.training: there is some, or not. What
 * the rows cannot have is left to the default. */
void mucmm__coupling_maps(const mucmm_coupling_params *p, const mucmm_data *data, bool training,
                          mucmm_explain_params *out);

/* ---- coupling_cells.c -------------------------------------------------------------- */

/* How a side is cut into cells. */
void mucmm__coupling_cut(mucmm__coupling_side *s);
/* Factor [n, k] of sample i out of its attribution. What no cell holds (the baseline's variate,
 * marks such as [CLS]) is spread evenly over the cells. out, zeroed, is dropped also after a
 * failure. */
mucmm_status mucmm__coupling_gather(mucmm_ctx *ctx, const mucmm__coupling_side *s,
                                    const mucmm__attribution *a, int64_t i, mucmm__coupled *out);
void mucmm__coupled_drop(mucmm__coupled *c);
/* out [b->n]: row `cell` of a diag(w) b'. */
void mucmm__coupling_row(const double *w, int64_t k, const mucmm__coupled *a, int64_t cell,
                         const mucmm__coupled *b, float *out);

/* ---- coupling_read.c --------------------------------------------------------------- */

/* EARG: there is no such sample, side or cell. */
mucmm_status mucmm__coupling_place(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                   int64_t cell);

/* ---- coupling_null.c --------------------------------------------------------------- */

/* c->p_values, from what the null models make of the same samples. p: as for mucmm__attribute, one
 * of each side. */
mucmm_status mucmm__coupling_p_values(mucmm_ctx *ctx, mucmm_coupling *c, const mucmm_null *null,
                                      const mucmm_data *const *data, const mucmm_explain_params *p);

/* ---- coupling_pick.c --------------------------------------------------------------- */

/* The side whose cells become rows of a sheet or labels of a page: words, else columns, else the
 * first. */
int32_t mucmm__coupling_row_side(const mucmm_coupling *c);
/* Up to `most` cells of that side: words in reading order, the strongest columns, or the strongest
 * spots that lie apart, in descending order. */
mucmm_status mucmm__coupling_pick(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                  int64_t most, int64_t *cells, int64_t *found);

#endif
