/* SPDX-License-Identifier: MIT
 *
 * mucmm cite: a methods paragraph with the numbers of a fit, and its references.
 */
#include "cli.h"

const option cite_options[] = {
    OPTION_JSON,
    {"bibtex", 0, OPTION_FLAG, false, AT(bibtex), 0, 0, NULL, "print the references as BibTeX"},
    OPTION_OUTPUT(false, "FILE", "write it there instead"),
    OPTION_END,
};

int run_cite(const settings *given)
{
    session s = {0};
    mucmm_model *m = NULL;
    char *text = NULL;
    mucmm_status made;
    int code = 0;

    if (given->json && given->bibtex)
        return fail(EXIT_USAGE, "cite: give --json or --bibtex, not both");
    if (given->output)
        TRY(output_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    made = given->json     ? mucmm_model_cite_json(s.ctx, m, &text)
           : given->bibtex ? mucmm_model_cite_bibtex(s.ctx, m, &text)
                           : mucmm_model_cite_text(s.ctx, m, &text);
    TRY(given->output ? write_made(&s, made, &text, given->output) : print_made(&s, made, &text));
done:
    mucmm_model_free(m);
    session_close(&s);
    return code;
}
