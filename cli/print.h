/* SPDX-License-Identifier: MIT
 *
 * Summaries as tables for people, and JSON for programs.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <mucmm.h>

/* One column of a table of summaries: "trained heads" over "held-out". */
typedef struct summary_column {
    const char *group, *title;
    const mucmm_summary *summary;
} summary_column;

/* Correlations, variance shares and leakage; view names are the model's. */
void print_summaries(const mucmm_model *m, const summary_column *columns, int n);

/* Which components come back in other fits, if the fit was asked; nothing else. */
void print_stability(const mucmm_model *m);

/* A number, or null if it is not finite. */
json_t *number_json(double x);

/* What the first columns of a table are of: the closed form may have been kept. */
const char *kept_name(const mucmm_model *m);

#endif
