/* SPDX-License-Identifier: MIT
 *
 * report_gallery.h - samples with their maps, as the galleries and the components of a report show
 * them. */
#ifndef MUCMM_PRESENT_REPORT_GALLERY_H
#define MUCMM_PRESENT_REPORT_GALLERY_H

#include "present/report_page.h"

/* How maps are drawn on a page. */
mucmm_display_params mucmm__gallery_look(void);
/* Rows for the covariance or the mean behind an encoder, out of some training rows, spread evenly;
 * NULL where such maps need none, or there is no study. p: with the map and the baseline. */
mucmm_status mucmm__gallery_training(const mucmm__page *p, int32_t v,
                                     const mucmm_explain_params *params, mucmm_data **out);
/* Are its columns many and without names, as those of embeddings, so that nothing is said by them?
 */
bool mucmm__gallery_nameless(const mucmm__page *p, int32_t v);
/* What stands for row `row` of data (mucmm_data_shown), in the card that is open: its picture under
 * the line, or its text behind it. */
mucmm_status mucmm__gallery_shown(const mucmm__page *p, const mucmm_data *data, int64_t row,
                                  const char *line, bool small, bool *shown);
/* How a view looks. */
mucmm_status mucmm__gallery_looks(const mucmm__page *p, int32_t v, mucmm_look *out);
/* Maps of n rows of view v; params: score and component, the rest is the page's. */
mucmm_status mucmm__gallery_maps(const mucmm__page *p, int32_t v, const int64_t *rows, int64_t n,
                                 const mucmm_explain_params *params, mucmm_display **out);
/* Sample i of the maps of view v, in the card that is open. */
mucmm_status mucmm__gallery_show(const mucmm__page *p, int32_t v, const mucmm_display *d, int64_t i,
                                 const char *what);
/* The n rows with the largest sign * x [rows], the largest first. */
void mucmm__gallery_extremes(const double *x, int64_t rows, double sign, int64_t n, int64_t *out);

#endif
