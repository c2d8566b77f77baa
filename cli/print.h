/* SPDX-License-Identifier: MIT
 *
 * Summaries as tables for people and as JSON for programs.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <mucmm.h>
#include <stdbool.h>

/* One column of a table of summaries: "trained heads" over "held-out". */
typedef struct summary_column {
    const char *group, *title;
    const mucmm_summary *summary;
} summary_column;

/* Correlations, variance shares and leakage; view names are the model's. */
void print_summaries(const mucmm_model *m, const summary_column *columns, int n);

/* Which components come back in other fits, if the fit was asked; nothing else. */
void print_stability(const mucmm_model *m);
json_t *stability_json(const mucmm_model *m);

/* {"correlations": .., .., "linear": {the same keys of `linear`}} */
json_t *summary_json(const mucmm_model *m, const mucmm_summary *heads, const mucmm_summary *linear);

/* A number, or null if it is not finite. */
json_t *number_json(double x);
json_t *numbers_json(const double *x, int64_t n);

/* What of a model's heads is the closed form, because training brought nothing; about: its
 * metadata. false: nothing is. */
#define CLOSED_FORM_NOTE 200
bool closed_form_note(const json_t *about, char text[CLOSED_FORM_NOTE]);

#endif
