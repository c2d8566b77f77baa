/* SPDX-License-Identifier: MIT
 *
 * mucmm check-gradient: the analytic gradient of every score, on every view,
 * against finite differences.
 */
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option check_gradient_options[] = {
    OPTION_VIEW,
    {"samples", 0, OPTION_TEXT, false, AT(samples), 0, 0, "0,5,9",
     "rows to check at, also as 0-4 (default: the first 3)"},
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_MISSING,
    OPTION_COVARIATES,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_END,
};

/* float32 forward passes carry about seven digits; a central difference of them
 * keeps three to four. A wrong gradient is off by far more. */
static const double TOLERANCE = 1e-3;
/* Networks of float32 with many kinks keep less. */
static const double ENCODER_TOLERANCE = 5e-3;

static const char *const scores[] = {"common", "common-energy", "individual", "common:0",
                                     "individual:0"};
static const char *const representations[] = {"heads", "linear"};

typedef struct gradient_case {
    int32_t view;
    const char *score;
    mucmm_representation representation;
} gradient_case;

static int check_case(session *s, const mucmm_model *m, const inputs *in, const sample_list *rows,
                      const gradient_case *c, double *worst)
{
    mucmm_explanation *e = NULL;
    mucmm_explain_params p;
    bool there;
    int code = 0;

    mucmm_explain_params_init(&p);
    p.representation = c->representation;
    p.map = MUCMM_MAP_GRADIENT;
    TRY(check(s, mucmm_score_parse(s->ctx, c->score, &p.score, &p.component)));
    TRY(check(s, mucmm_explanation_create(s->ctx, m, in->views, in->n, c->view, rows->rows, rows->n,
                                          &p, &e)));
    TRY(check_part(s, mucmm_explanation_check_gradient(s->ctx, e, worst), &there));
    if (!there)
        *worst = NAN;
done:
    mucmm_explanation_free(e);
    return code;
}

static json_t *case_json(const char *view, const gradient_case *c, double worst, bool passed)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b}", "view", view, "score", c->score, "representation",
                     representations[c->representation], "worst",
                     isnan(worst) ? json_null() : json_real(worst), "passed", passed);
}

/* Calls check_case for all there is; *failed counts. */
static int check_all(session *s, const mucmm_model *m, const inputs *in, const sample_list *rows,
                     json_t *list, int64_t *failed)
{
    int code = 0;

    for (int32_t v = 0; v < in->n; v++)
        for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
            for (int representation = MUCMM_HEADS; representation <= MUCMM_LINEAR;
                 representation++) {
                const gradient_case c = {v, scores[i], (mucmm_representation)representation};
                double worst = 0;
                if (strncmp(c.score, "individual", 10) == 0 && mucmm_model_individual(m, v) == 0)
                    continue;
                TRY(check_case(s, m, in, rows, &c, &worst));
                bool encoded = mucmm_data_description(in->data[v]) != NULL;
                bool passed =
                    worst <= (encoded ? ENCODER_TOLERANCE : TOLERANCE); /* false for NaN */
                *failed += !passed && !isnan(worst);
                s->incomplete = s->incomplete || isnan(worst);
                if (list)
                    json_append(list, case_json(in->views[v].name, &c, worst, passed));
                else if (isnan(worst))
                    printf("%-16s %-16s %-14s %12s  none\n", in->views[v].name, c.score,
                           representations[c.representation], "-");
                else
                    printf("%-16s %-16s %-14s %12.3e  %s\n", in->views[v].name, c.score,
                           representations[c.representation], worst, passed ? "pass" : "FAIL");
            }
done:
    return code;
}

static int report(session *s, const mucmm_model *m, const inputs *in, const sample_list *rows,
                  bool json)
{
    json_t *list = json ? json_array() : NULL;
    int64_t failed = 0;
    int code = 0;

    if (!json)
        printf("%-16s %-16s %-14s %12s\n", "view", "score", "representation", "worst error");
    TRY(check_all(s, m, in, rows, list, &failed));
    if (json) {
        TRY(print_json(list));
        list = NULL;
    }
    if (failed > 0)
        code =
            fail(EXIT_RUN, "%" PRId64 " gradients are off by more than %g (%g through an encoder)",
                 failed, TOLERANCE, ENCODER_TOLERANCE);
done:
    json_decref(list);
    return code;
}

int run_check_gradient(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    sample_list rows = {0};

    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(samples_parse(&s, given->samples, &in, 3, &rows));
    TRY(report(&s, m, &in, &rows, given->json));
    if (s.incomplete)
        code = fail(EXIT_RUN, "some gradients cannot be had (see above)");
done:
    samples_free(&rows);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
