/* SPDX-License-Identifier: MIT
 *
 * report_page.h - what the sections of a model's report share: what is told, and how lines, tables
 * and charts are added to the page. */
#ifndef MUCMM_PRESENT_REPORT_PAGE_H
#define MUCMM_PRESENT_REPORT_PAGE_H

#include "core/json.h"

/* What is told. */
typedef struct mucmm__page {
    mucmm_ctx *ctx;
    mucmm_report *r;
    const mucmm_model *m;
    const mucmm_views *views; /* the model's, in its order */
    int32_t n_views;
    const mucmm_view *view; /* [n_views] */
    const mucmm_scores *scores;
    const mucmm_summary *heads, *linear; /* of the rows that testify: those given that the model was
                                            not fitted to, or the held-out rows of the fit        */
    bool held_out;                       /* the latter: there are none of the former              */
    int64_t fitted;                      /* rows given that the model was fitted to               */
    const mucmm_report_params *params;
    int64_t rows, shown; /* of the views; samples of a gallery */
    bool trained;        /* the heads are not the closed form */
} mucmm__page;

enum { PAGE_LABEL = 256 };

/* What tells a sample from others, in out. */
const char *mucmm__page_label(const mucmm__page *p, int64_t row, char out[PAGE_LABEL]);
/* Of a sample that the model was fitted to: ", in-sample"; else "". */
const char *mucmm__page_in_sample(const mucmm__page *p, int64_t row);
/* Do the numbers of the page come from models of folds, each judged on rows it did not see? */
bool mucmm__page_cross_fitted(const mucmm__page *p);
/* Components were tested, and none is beyond chance. */
bool mucmm__page_nothing_found(const mucmm_summary *s);
/* Components beyond chance that are curves of those before them. */
int64_t mucmm__page_harmonics(const mucmm_summary *s);

/* ---- lines, cells, charts ---------------------------------------------------------- */

/* A paragraph. */
mucmm_status mucmm__page_say(const mucmm__page *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Cells of a table, row by row. Zeroed at the start; a failure is remembered until they are shown.
 */
typedef struct mucmm__page_cells {
    char **cell;
    int64_t n, capacity;
    mucmm_status status;
} mucmm__page_cells;

void mucmm__page_cell(const mucmm__page *p, mucmm__page_cells *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Frees and forgets the cells from number `from` on. */
void mucmm__page_cells_cut(mucmm__page_cells *c, int64_t from);
/* The table of them, of cols columns; frees them. */
mucmm_status mucmm__page_table(const mucmm__page *p, const char *caption, const char *const *head,
                               int64_t cols, mucmm__page_cells *c);

/* A Vega-Lite template and its rows, which are consumed; no chart without rows. */
mucmm_status mucmm__page_chart(const mucmm__page *p, const char *title, const char *caption,
                               const char *template, const mucmm__json_build *b, json_t *values);

/* ---- sections ---------------------------------------------------------------------- */

mucmm_status mucmm__report_short(const mucmm__page *p);
mucmm_status mucmm__report_shared(const mucmm__page *p);
mucmm_status mucmm__report_shares(const mucmm__page *p);
mucmm_status mucmm__report_relate(const mucmm__page *p);
mucmm_status mucmm__report_retrieval(const mucmm__page *p);
mucmm_status mucmm__report_leakage(const mucmm__page *p);
mucmm_status mucmm__report_scores(const mucmm__page *p);
mucmm_status mucmm__report_samples(const mucmm__page *p);
mucmm_status mucmm__report_coupling(const mucmm__page *p);
mucmm_status mucmm__report_components(const mucmm__page *p);
mucmm_status mucmm__report_training(const mucmm__page *p);
mucmm_status mucmm__report_fitted(const mucmm__page *p);
mucmm_status mucmm__report_methods(const mucmm__page *p);
mucmm_status mucmm__report_again(const mucmm__page *p);
mucmm_status mucmm__report_glossary(const mucmm__page *p);

/* Parts of the section on what the views share. */
mucmm_status mucmm__chart_spectrum(const mucmm__page *p);
mucmm_status mucmm__chart_dimensions(const mucmm__page *p);
mucmm_status mucmm__table_in_sample(const mucmm__page *p);
mucmm_status mucmm__table_folds(const mucmm__page *p);
mucmm_status mucmm__table_carriers(const mucmm__page *p);
mucmm_status mucmm__table_stability(const mucmm__page *p);

#endif
