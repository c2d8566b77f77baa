/* SPDX-License-Identifier: MIT
 *
 * Summaries as tables for people, and JSON for programs. */
#include "print.h"

#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- tables ------------------------------------------------------------------------ */

enum { LABEL_WIDTH = 30, CELL_WIDTH = 11, SHOWN_COMPONENTS = 12 };

static void print_cell(double x)
{
    if (isfinite(x))
        printf("%*.4f", CELL_WIDTH, x);
    else
        printf("%*s", CELL_WIDTH, "-");
}

static void print_p(double p, int64_t permutations)
{
    char text[MUCMM_P_TEXT];

    printf("%*s", CELL_WIDTH, mucmm_p_text(p, permutations, text));
}

/* Did the summary come with p-values? */
static bool has_p(const mucmm_summary *s)
{
    return s->p_values && s->components > 0 && !isnan(s->p_values[0]);
}

/* Cells of a column: its value, and its p-value where it has any. */
static int cells_of(const summary_column *c)
{
    return has_p(c->summary) ? 2 : 1;
}

static void print_group_line(const summary_column *columns, int n)
{
    printf("%-*s", LABEL_WIDTH, "");
    for (int i = 0; i < n;) {
        int cells = 0, j = i;
        for (; j < n && strcmp(columns[j].group, columns[i].group) == 0; j++)
            cells += cells_of(&columns[j]);
        printf("%*s", cells * CELL_WIDTH, columns[i].group);
        i = j;
    }
    printf("\n");
}

static void print_title_line(const char *label, const summary_column *columns, int n)
{
    printf("%-*s", LABEL_WIDTH, label);
    for (int i = 0; i < n; i++) {
        printf("%*s", CELL_WIDTH, columns[i].title);
        if (has_p(columns[i].summary))
            printf("%*s", CELL_WIDTH, "p-value");
    }
    printf("\n");
}

/* The value that a row of the table shows of one summary. */
typedef double (*pick)(const mucmm_summary *s, int64_t i);

static double pick_total(const mucmm_summary *s, int64_t i)
{
    (void)i;
    return s->total_correlation;
}

static double pick_common(const mucmm_summary *s, int64_t i)
{
    return s->common_share[i];
}

/* Of the components that are significant; NaN if none is, or if that is for other rows to say. */
static double pick_shared(const mucmm_summary *s, int64_t i)
{
    return s->permutations > 0 ? s->shared_share[i] : NAN;
}

/* What is neither shared nor individual: components that are not significant count here. */
static double pick_unshared(const mucmm_summary *s, int64_t i)
{
    double shared = isfinite(s->shared_share[i]) ? s->shared_share[i] : 0;

    return s->permutations > 0 ? 1 - shared - s->individual_share[i] : NAN;
}

static double pick_redundancy(const mucmm_summary *s, int64_t i)
{
    return s->redundancy[i];
}

static double pick_individual(const mucmm_summary *s, int64_t i)
{
    return s->individual_share[i];
}

static double pick_rest(const mucmm_summary *s, int64_t i)
{
    return s->rest_share[i];
}

static double pick_linear_chance(const mucmm_summary *s, int64_t i)
{
    return s->leakage_linear_chance[i];
}

static double pick_linear_p(const mucmm_summary *s, int64_t i)
{
    return s->leakage_linear_p[i];
}

static double pick_kernel_p(const mucmm_summary *s, int64_t i)
{
    return s->leakage_kernel_p[i];
}

static double pick_pair_chance(const mucmm_summary *s, int64_t i)
{
    return s->leakage_individual_chance[i];
}

static double pick_pair_p(const mucmm_summary *s, int64_t i)
{
    return s->leakage_individual_p[i];
}

static double pick_linear(const mucmm_summary *s, int64_t i)
{
    return s->leakage_linear[i];
}

static double pick_kernel(const mucmm_summary *s, int64_t i)
{
    return s->leakage_kernel[i];
}

static double pick_complete(const mucmm_summary *s, int64_t i)
{
    return s->completeness_linear[i];
}

static double pick_complete_any(const mucmm_summary *s, int64_t i)
{
    return s->completeness_nonlinear[i];
}

static double pick_rank(const mucmm_summary *s, int64_t i)
{
    return s->effective_rank[i];
}

static double pick_retrieval_1(const mucmm_summary *s, int64_t i)
{
    return s->retrieval_1[i];
}

static double pick_retrieval_10(const mucmm_summary *s, int64_t i)
{
    return s->retrieval_10[i];
}

static double pick_low(const mucmm_summary *s, double rate)
{
    double low, high;

    mucmm_rate_interval(rate, s->rows, &low, &high);
    return low;
}

static double pick_high(const mucmm_summary *s, double rate)
{
    double low, high;

    mucmm_rate_interval(rate, s->rows, &low, &high);
    return high;
}

static double pick_1_low(const mucmm_summary *s, int64_t i)
{
    return pick_low(s, s->retrieval_1[i]);
}

static double pick_1_high(const mucmm_summary *s, int64_t i)
{
    return pick_high(s, s->retrieval_1[i]);
}

static double pick_10_low(const mucmm_summary *s, int64_t i)
{
    return pick_low(s, s->retrieval_10[i]);
}

static double pick_10_high(const mucmm_summary *s, int64_t i)
{
    return pick_high(s, s->retrieval_10[i]);
}

static double pick_pair(const mucmm_summary *s, int64_t i)
{
    return s->leakage_individual[i];
}

/* p: its p-value, or NULL. */
static void print_tested(const char *label, const summary_column *columns, int n, pick value,
                         pick p, int64_t i)
{
    printf("  %-*s", LABEL_WIDTH - 2, label);
    for (int c = 0; c < n; c++) {
        const mucmm_summary *s = columns[c].summary;
        print_cell(value(s, i));
        if (has_p(s) && p)
            print_p(p(s, i), s->leakage_permutations);
        else if (has_p(s))
            printf("%*s", CELL_WIDTH, "");
    }
    printf("\n");
}

static void print_row(const char *label, const summary_column *columns, int n, pick value,
                      int64_t i)
{
    print_tested(label, columns, n, value, NULL, i);
}

static void print_correlations(const summary_column *columns, int n)
{
    int64_t k = columns[0].summary->components;

    print_title_line("correlation", columns, n);
    for (int64_t j = 0; j < k && j < SHOWN_COMPONENTS; j++) {
        char label[48];
        bool harmonic = columns[0].summary->harmonic[j] >= MUCMM_HARMONIC_R2;
        snprintf(label, sizeof label, "component %" PRId64 "%s", j, harmonic ? " (harmonic)" : "");
        printf("  %-*s", LABEL_WIDTH - 2, label);
        for (int c = 0; c < n; c++) {
            print_cell(columns[c].summary->correlations[j]);
            if (has_p(columns[c].summary))
                print_p(columns[c].summary->p_values[j], columns[c].summary->permutations);
        }
        printf("\n");
    }
    if (k > SHOWN_COMPONENTS)
        printf("  ... and %" PRId64 " more\n", k - SHOWN_COMPONENTS);
    print_row("total", columns, n, pick_total, 0);
}

/* One count a column, of those that have p-values. */
static void print_count(const char *label, const summary_column *columns, int n, bool dimensions)
{
    printf("  %-*s", LABEL_WIDTH - 2, label);
    for (int c = 0; c < n; c++) {
        const mucmm_summary *s = columns[c].summary;
        if (has_p(s))
            printf("%*s%*" PRId64, CELL_WIDTH, "", CELL_WIDTH,
                   dimensions ? s->dimensions : s->significant);
        else
            printf("%*s", CELL_WIDTH, "-");
    }
    printf("\n");
}

static void print_significant(const summary_column *columns, int n)
{
    bool any = false, found = false;
    char label[64];

    for (int c = 0; c < n; c++)
        any = any || has_p(columns[c].summary);
    if (!any)
        return;
    snprintf(label, sizeof label, "significant (p <= %g)", MUCMM_SIGNIFICANT);
    print_count(label, columns, n, false);
    print_count("  of these no harmonics", columns, n, true);
    for (int c = 0; c < n; c++)
        found = found || columns[c].summary->significant > 0;
    if (!found)
        printf("nothing that is shared was found: no component is beyond chance\n");
}

/* Of more than two views: which of them a component is about. */
static void print_carriers(const mucmm_model *m, const summary_column *columns, int n)
{
    int64_t k = columns[0].summary->components;
    char text[MUCMM_CARRIERS_SIZE];

    for (int c = 0; c < n; c++) {
        if (!columns[c].summary->carried || !has_p(columns[c].summary))
            continue;
        printf("views that carry a component (%s, %s)\n", columns[c].group, columns[c].title);
        for (int64_t j = 0; j < k && j < SHOWN_COMPONENTS; j++)
            printf("  component %-*" PRId64 "%s\n", LABEL_WIDTH - 12, j,
                   mucmm_summary_carriers(m, columns[c].summary, j, text, sizeof text));
        if (k > SHOWN_COMPONENTS)
            printf("  ... and %" PRId64 " more\n", k - SHOWN_COMPONENTS);
    }
}

/* Has any view individual variates? */
static bool any_individual(const mucmm_model *m)
{
    bool any = false;

    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        any = any || mucmm_model_individual(m, v) > 0;
    return any;
}

static void print_shares(const mucmm_model *m, const summary_column *columns, int n)
{
    bool tested = false;
    char label[MAX_NAME + 32];

    for (int c = 0; c < n; c++)
        tested = tested || columns[c].summary->permutations > 0;
    const struct {
        const char *name;
        pick value;
    } parts[] = {{"common", tested ? pick_shared : pick_common},
                 {"  from other views", pick_redundancy},
                 {"individual", pick_individual},
                 {"rest", tested ? pick_unshared : pick_rest}};

    printf("share of the view's variance\n");
    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            if (parts[p].value == pick_individual && mucmm_model_individual(m, v) == 0)
                continue;
            snprintf(label, sizeof label, "%s, %s", mucmm_model_view_name(m, v), parts[p].name);
            print_row(parts[p].value == pick_redundancy ? parts[p].name : label, columns, n,
                      parts[p].value, v);
        }
}

static void print_leakage(const mucmm_model *m, const summary_column *columns, int n)
{
    int32_t views = mucmm_model_views(m);
    char label[2 * MAX_NAME + 32];

    if (!any_individual(m))
        return;
    print_title_line("dependence left (0 = none)", columns, n);
    for (int32_t v = 0; v < views; v++) {
        if (mucmm_model_individual(m, v) == 0)
            continue;
        snprintf(label, sizeof label, "%s on common, linear", mucmm_model_view_name(m, v));
        print_tested(label, columns, n, pick_linear, pick_linear_p, v);
        print_row("  by chance", columns, n, pick_linear_chance, v);
        snprintf(label, sizeof label, "%s on common, kernel", mucmm_model_view_name(m, v));
        print_tested(label, columns, n, pick_kernel, pick_kernel_p, v);
    }
    for (int32_t v = 0; v < views; v++)
        for (int32_t w = v + 1; w < views; w++) {
            int64_t pair = (int64_t)v * views + w;
            if (mucmm_model_individual(m, v) == 0 || mucmm_model_individual(m, w) == 0)
                continue;
            snprintf(label, sizeof label, "%s on %s", mucmm_model_view_name(m, v),
                     mucmm_model_view_name(m, w));
            print_tested(label, columns, n, pick_pair, pick_pair_p, pair);
            print_row("  by chance", columns, n, pick_pair_chance, pair);
        }
}

/* Beside what u must not hold, how much of the rest it does. */
static void print_completeness(const mucmm_model *m, const summary_column *columns, int n)
{
    static const struct {
        const char *name;
        pick value;
    } figures[] = {
        {"linear", pick_complete}, {"any kind", pick_complete_any}, {"effective rank", pick_rank}};
    char label[MAX_NAME + 64];

    if (!any_individual(m))
        return;
    printf("individual part: share rebuilt of what the common part leaves\n");
    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
            if (mucmm_model_individual(m, v) == 0)
                continue;
            int used = snprintf(label, sizeof label, "%s, %s", mucmm_model_view_name(m, v),
                                figures[i].name);
            if (figures[i].value == pick_rank)
                snprintf(label + used, sizeof label - (size_t)used, " of %" PRId64,
                         mucmm_model_individual(m, v));
            print_row(label, columns, n, figures[i].value, v);
        }
}

/* From each view to each other. */
static void print_retrieval(const mucmm_model *m, const summary_column *columns, int n)
{
    int32_t views = mucmm_model_views(m);
    char label[2 * MAX_NAME + 32];

    printf("partner found by the common part (with intervals of Wilson)\n");
    for (int32_t v = 0; v < views; v++)
        for (int32_t w = 0; w < views; w++) {
            int64_t pair = (int64_t)v * views + w;
            if (v == w)
                continue;
            snprintf(label, sizeof label, "%s to %s, first", mucmm_model_view_name(m, v),
                     mucmm_model_view_name(m, w));
            print_row(label, columns, n, pick_retrieval_1, pair);
            print_row("  95 % from", columns, n, pick_1_low, pair);
            print_row("  to", columns, n, pick_1_high, pair);
            snprintf(label, sizeof label, "%s to %s, top 10", mucmm_model_view_name(m, v),
                     mucmm_model_view_name(m, w));
            print_row(label, columns, n, pick_retrieval_10, pair);
            print_row("  95 % from", columns, n, pick_10_low, pair);
            print_row("  to", columns, n, pick_10_high, pair);
        }
}

void print_summaries(const mucmm_model *m, const summary_column *columns, int n)
{
    /* linear heads are the yardstick: once is enough */
    if (n > 1 && columns[n / 2].summary == columns[0].summary)
        n /= 2;
    print_group_line(columns, n);
    print_correlations(columns, n);
    print_significant(columns, n);
    print_carriers(m, columns, n);
    print_shares(m, columns, n);
    print_leakage(m, columns, n);
    print_completeness(m, columns, n);
    print_retrieval(m, columns, n);
}

/* starts: the extremes are of all, not without 5 %. */
static void print_stability_of(const mucmm_stability *s, const char *of, bool starts)
{
    const char *low = starts ? "least" : "5 %", *high = starts ? "most" : "95 %";
    const char *const titles[] = {"similarity", low, "subspace", "corr.", low, high, "averaged"};
    int64_t shown = s->components < SHOWN_COMPONENTS ? s->components : SHOWN_COMPONENTS;

    printf("stability: %" PRId64 " %s\n%-*s", s->compared, of, LABEL_WIDTH, "");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        printf("%*s", CELL_WIDTH, titles[i]);
    printf("\n");
    for (int64_t j = 0; j < shown; j++) {
        const double cells[] = {s->similarity[j],   s->similarity_low[j],  s->subspace[j],
                                s->correlations[j], s->correlation_low[j], s->correlation_high[j],
                                s->averaged[j]};
        printf("  component %-*" PRId64, LABEL_WIDTH - 12, j);
        for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
            print_cell(cells[i]);
        printf("%s\n", s->comes_back[j] ? "" : "  does not come back");
    }
    if (s->components > shown)
        printf("  ... and %" PRId64 " more\n", s->components - shown);
    printf("  %-*s%*" PRId64 " of %" PRId64 " (similarity >= 0.7, correlation above 0)\n",
           LABEL_WIDTH - 2, "come back", CELL_WIDTH, s->returning, s->components);
}

void print_stability(const mucmm_model *m)
{
    const mucmm_stability *linear = mucmm_model_stability(m, MUCMM_LINEAR);

    const mucmm_stability *heads = mucmm_model_stability(m, MUCMM_HEADS);

    if (heads && heads != linear)
        print_stability_of(heads, "other starts of the trained heads", true);
    if (linear)
        print_stability_of(linear, "bootstrap replicates of the closed form", false);
}

/* ---- JSON -------------------------------------------------------------------------- */

json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

const char *kept_name(const mucmm_model *m)
{
    if (mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS) ==
        mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR))
        return "closed form";
    /* of which a part may be the closed form: a note says so */
    return mucmm_model_about(m)->common_kept == MUCMM_KEPT_NO_BETTER ? "heads" : "trained heads";
}
