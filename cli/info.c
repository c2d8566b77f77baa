/* SPDX-License-Identifier: MIT
 *
 * mucmm info: what is in a model file.
 */
#include "cli.h"
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option info_options[] = {
    {"json", 0, OPTION_FLAG, false, AT(json), 0, 0, NULL,
     "print the metadata of the file as it is"},
    OPTION_FIGURE("figure of the components' correlations (.svg, .pdf, else PNG)"),
    OPTION_END,
};

/* How the rows of an encoded view were made: the keys of its description in one line. */
static void print_source(const json_t *source)
{
    const char *key, *separator = "  from ";
    json_t *value;

    json_object_foreach((json_t *)source, key, value)
    {
        char *text = json_is_string(value) ? NULL : json_line(value, JSON_ENCODE_ANY);
        printf("%s%s %s", separator, shown(key), shown(text ? text : json_string_value(value)));
        separator = ", ";
        free(text);
    }
    if (json_object_size(source) > 0)
        printf("\n");
}

static void print_view(const mucmm_model *m, int32_t view, const json_t *meta)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_model_view_shape(m, view, shape);

    printf("view %s: %" PRId64 " columns", mucmm_model_view_name(m, view),
           mucmm_model_view_cols(m, view));
    for (int32_t i = 0; rank > 1 && i < rank; i++)
        printf("%s%" PRId64, i > 0 ? "x" : " (", shape[i]);
    printf("%s, %" PRId64 " common and %" PRId64 " individual dimensions\n", rank > 1 ? ")" : "",
           mucmm_model_common(m), mucmm_model_individual(m, view));
    print_source(
        json_object_get(json_array_get(json_object_get(meta, "views"), (size_t)view), "source"));
}

/* A one-line value: numbers, texts, and lists of few numbers. */
static bool is_short(const json_t *value)
{
    return !json_is_object(value) && (!json_is_array(value) || json_array_size(value) <= 12);
}

/* What the metadata says in one line a key; tables and long lists are left to --json. */
static void print_settings(const json_t *object, const char *indent)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (json_is_object(value) && indent[0] == '\0' && strstr("params fit settings", key)) {
            printf("%s:\n", key);
            print_settings(value, "  ");
        } else if (is_short(value) && !json_is_array(value)) {
            char *text = json_line(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
            printf("%s%s: %s\n", indent, shown(key), shown(text ? text : "?"));
            free(text);
        }
    }
}

static int print_info(const mucmm_model *m, const char *path)
{
    json_t *meta = json_loads(mucmm_model_json(m), 0, NULL);
    const summary_column columns[] = {
        {kept_name(m), "train", mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)},
        {kept_name(m), "held-out", mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)},
        {"linear yardstick", "train", mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR)},
        {"linear yardstick", "held-out", mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)},
    };

    if (!meta)
        return fail(EXIT_RUN, "out of memory");
    printf("%s\n", shown(path));
    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        print_view(m, v, meta);
    print_settings(meta, "");
    json_decref(meta);
    if (mucmm_model_cross_fit(m))
        printf("\nfound at the end of fit on all %" PRId64
               " rows, held-out numbers by models that did not see the row:\n",
               columns[0].summary->rows);
    else
        printf("\nfound at the end of fit on %" PRId64 " training and %" PRId64 " held-out rows:\n",
               columns[0].summary->rows, columns[1].summary->rows);
    print_summaries(m, columns, 4);
    print_stability(m);
    return json_check();
}

int run_info(const settings *given)
{
    int code = 0;
    session s = {0};
    mucmm_model *m = NULL;

    if (given->figure)
        TRY(output_check(given->figure));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    if (given->figure)
        TRY(check_written(&s, mucmm_model_components_figure(s.ctx, m, given->figure),
                          given->figure));
    if (given->json)
        code = print_text(mucmm_model_json(m));
    else if (!given->figure)
        code = print_info(m, given->operand[0]);
done:
    mucmm_model_free(m);
    session_close(&s);
    return code;
}
