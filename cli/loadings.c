/* SPDX-License-Identifier: MIT
 *
 * mucmm loadings: which columns a variate goes with.
 */
#include "cli.h"

const option loadings_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(false, "FILE", "csv with every column against every variate of its view"),
    OPTION_FIGURE("figure of the components beyond chance (.svg, .pdf, else PNG)"),
    OPTION_JSON,
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "of which variates (default: of both)"},
    {"top", 0, OPTION_COUNT, false, AT(top), 1, 1e9, "N",
     "of each variate the N columns of the largest loadings (default: all)"},
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_COVARIATES,
    OPTION_MISSING,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

int run_loadings(const settings *given)
{
    const bool rows = given->view.n > 0 || given->n_operands > 1; /* else those of the fit */
    session s = {0};
    mucmm_model *m = NULL;
    mucmm_loadings *l = NULL;
    inputs in = {0};
    mucmm_loadings_params p;
    char *text = NULL;
    int code = 0;

    if (given->output)
        TRY(output_check(given->output));
    if (given->figure)
        TRY(output_check(given->figure));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    if (rows)
        TRY(inputs_open_some(&s, m, given, &in));
    mucmm_loadings_params_init(&p);
    p.representation =
        given->representation >= 0 ? (int32_t)given->representation : MUCMM_REPRESENTATIONS_ALL;
    p.top = given->top > 0 ? given->top : 0;
    TRY(check(&s, mucmm_loadings_create(s.ctx, m, rows ? in.views : NULL, in.n, &p, &l)));
    if (given->output)
        TRY(write_made(&s, mucmm_loadings_csv(s.ctx, l, &text), &text, given->output));
    if (given->figure)
        TRY(check_written(&s, mucmm_loadings_figure(s.ctx, l, given->figure), given->figure));
    if (given->json)
        TRY(print_made(&s, mucmm_loadings_json(s.ctx, l, &text), &text));
    else if (!given->output && !given->figure)
        TRY(print_made(&s, mucmm_loadings_text(s.ctx, l, &text), &text));
done:
    mucmm_loadings_free(l);
    inputs_close(&in);
    mucmm_model_free(m);
    session_close(&s);
    return code;
}
