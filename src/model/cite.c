/* SPDX-License-Identifier: MIT
 *
 * A methods paragraph and its references, as text, JSON and BibTeX. */
#include "model/cite.h"

#include "core/json.h"

#include <stdio.h>
#include <string.h>

/* The software itself, as CITATION.cff has it. */
static void software_bibtex(mucmm__text *t)
{
    mucmm__text_format(t, "@software{mucmm, title = {mucmm: what paired views have in common, ");
    mucmm__text_format(t, "what each holds alone, and where}, version = {%d.%d.%d}}\n",
                       MUCMM_VERSION_MAJOR, MUCMM_VERSION_MINOR, MUCMM_VERSION_PATCH);
}

static void put_lines(mucmm__text *t, const bool *used, bool bibtex)
{
    for (int i = 0; i < MUCMM__REFERENCES; i++) {
        const char *line = bibtex ? mucmm__sources[i].bibtex : mucmm__sources[i].text;
        if (!used[i])
            continue;
        mucmm__text_add(t, line, strlen(line));
        mucmm__text_add(t, "\n", 1);
    }
}

mucmm_status mucmm_model_cite_text(mucmm_ctx *ctx, const mucmm_model *m, char **out)
{
    bool used[MUCMM__REFERENCES] = {false};
    mucmm__text t = {.ctx = ctx};

    *out = NULL;
    mucmm__cite_paragraph(&t, m, used);
    mucmm__text_format(&t, "\n\nReferences\n\n");
    put_lines(&t, used, false);
    return mucmm__text_done(&t, out);
}

mucmm_status mucmm_model_cite_bibtex(mucmm_ctx *ctx, const mucmm_model *m, char **out)
{
    mucmm_status status = MUCMM_OK;
    bool used[MUCMM__REFERENCES] = {false};
    mucmm__text paragraph = {.ctx = ctx}, t = {.ctx = ctx};
    char *text = NULL;

    *out = NULL;
    mucmm__cite_paragraph(&paragraph, m, used);
    TRY(mucmm__text_done(&paragraph, &text));
    software_bibtex(&t);
    put_lines(&t, used, true);
    TRY(mucmm__text_done(&t, out));
done:
    mucmm__free(text);
    return status;
}

mucmm_status mucmm_model_cite_json(mucmm_ctx *ctx, const mucmm_model *m, char **out)
{
    mucmm_status status = MUCMM_OK;
    bool used[MUCMM__REFERENCES] = {false};
    mucmm__json_build b = {0};
    mucmm__text t = {.ctx = ctx};
    json_t *root = json_object(), *list = json_array();
    char *text = NULL, version[32];

    *out = NULL;
    snprintf(version, sizeof version, "%d.%d.%d", MUCMM_VERSION_MAJOR, MUCMM_VERSION_MINOR,
             MUCMM_VERSION_PATCH);
    mucmm__cite_paragraph(&t, m, used);
    status = mucmm__text_done(&t, &text);
    for (int i = 0; i < MUCMM__REFERENCES; i++) {
        json_t *o = used[i] ? json_object() : NULL;
        if (!used[i])
            continue;
        mucmm__json_set(&b, o, "key", mucmm__json_string(mucmm__sources[i].key));
        mucmm__json_set(&b, o, "text", mucmm__json_string(mucmm__sources[i].text));
        mucmm__json_set(&b, o, "bibtex", mucmm__json_string(mucmm__sources[i].bibtex));
        mucmm__json_add(&b, list, o);
    }
    mucmm__json_set(&b, root, "software", mucmm__json_string("mucmm"));
    mucmm__json_set(&b, root, "version", mucmm__json_string(version));
    mucmm__json_set(&b, root, "paragraph", mucmm__json_string(text));
    mucmm__json_set(&b, root, "references", list);
    TRY(status);
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_INDENT(2), out));
done:
    mucmm__free(text);
    json_decref(root);
    return status;
}
