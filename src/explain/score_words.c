/* SPDX-License-Identifier: MIT
 *
 * Words for scores, maps and baselines. */
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct word {
    int value;
    const char *text;
} word;

#define X(name, value, text) {value, text},
static const word maps[] = {MUCMM_MAP_KINDS(X)};
static const word scores[] = {MUCMM_SCORE_KINDS(X)};
static const word baselines[] = {MUCMM_BASELINES(X)};
#undef X

enum {
    N_MAPS = sizeof maps / sizeof *maps,
    N_SCORES = sizeof scores / sizeof *scores,
    N_BASELINES = sizeof baselines / sizeof *baselines,
    MOST_WORDS = 8
};

static const char *text_of(const word *words, int n, int value, const char *otherwise)
{
    for (int i = 0; i < n; i++)
        if (words[i].value == value)
            return words[i].text;
    return otherwise;
}

/* EARG: text is none of the words; note: what they cannot say of themselves. */
static mucmm_status unknown(mucmm_ctx *ctx, const char *what, const char *text, const word *words,
                            int n, const char *note)
{
    const char *list[MOST_WORDS], *near;
    char all[160] = "";

    for (int i = 0; i < n; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", words[i].text);
        list[i] = words[i].text;
    }
    near = mucmm_nearest_word(text, list, n);
    return mucmm__fail(ctx, MUCMM_EARG, "`%s` '%.64s' is none of %s%s%s%s%s", what, text, all, note,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static mucmm_status check_text(mucmm_ctx *ctx, const char *what, const char *text)
{
    return text ? MUCMM_OK : mucmm__fail(ctx, MUCMM_EARG, "no word for a %s", what);
}

/* ---- maps -------------------------------------------------------------------------- */

const char *mucmm_map_text(mucmm_map_kind map)
{
    return text_of(maps, N_MAPS, (int)map, "unknown map");
}

mucmm_status mucmm_map_parse(mucmm_ctx *ctx, const char *text, mucmm_map_kind *out)
{
    *out = MUCMM_MAP_DEFAULT;
    if (check_text(ctx, "map", text) != MUCMM_OK)
        return MUCMM_EARG;
    for (int i = 0; i < N_MAPS; i++)
        if (strcmp(text, maps[i].text) == 0) {
            *out = (mucmm_map_kind)maps[i].value;
            return MUCMM_OK;
        }
    return unknown(ctx, "map", text, maps, N_MAPS, "");
}

/* ---- scores ------------------------------------------------------------------------ */

void mucmm_score_text(mucmm_score_kind score, int64_t component, char *out, size_t size)
{
    const char *text = text_of(scores, N_SCORES, (int)score, "unknown score");
    int length = (int)strcspn(text, ":");

    if (text[length] == '\0')
        snprintf(out, size, "%s", text);
    else
        snprintf(out, size, "%.*s:%" PRId64, length, text, component);
}

/* text is the word, or its part before J and a number. */
static bool is_score(const char *text, const char *form, int64_t *component)
{
    size_t length = strcspn(form, ":");

    *component = 0;
    if (form[length] == '\0')
        return strcmp(text, form) == 0;
    return strncmp(text, form, length + 1) == 0 && mucmm__digits(text + length + 1, component);
}

mucmm_status mucmm_score_parse(mucmm_ctx *ctx, const char *text, mucmm_score_kind *score,
                               int64_t *component)
{
    *score = MUCMM_SCORE_COMMON;
    *component = 0;
    if (check_text(ctx, "score", text) != MUCMM_OK)
        return MUCMM_EARG;
    for (int i = 0; i < N_SCORES; i++)
        if (is_score(text, scores[i].text, component)) {
            *score = (mucmm_score_kind)scores[i].value;
            return MUCMM_OK;
        }
    return unknown(ctx, "score", text, scores, N_SCORES, " (J counts from 0)");
}

/* ---- baselines --------------------------------------------------------------------- */

void mucmm_baseline_text(mucmm_baseline baseline, int64_t row, char *out, size_t size)
{
    if (baseline == MUCMM_BASELINE_ROW)
        snprintf(out, size, "%" PRId64, row);
    else
        snprintf(out, size, "%s",
                 text_of(baselines, N_BASELINES, (int)baseline, "unknown baseline"));
}

mucmm_status mucmm_baseline_parse(mucmm_ctx *ctx, const char *text, mucmm_baseline *baseline,
                                  int64_t *row)
{
    *baseline = MUCMM_BASELINE_DEFAULT;
    *row = 0;
    if (check_text(ctx, "baseline", text) != MUCMM_OK)
        return MUCMM_EARG;
    if (mucmm__digits(text, row)) {
        *baseline = MUCMM_BASELINE_ROW;
        return MUCMM_OK;
    }
    for (int i = 0; i < N_BASELINES; i++)
        if (baselines[i].value != MUCMM_BASELINE_ROW && strcmp(text, baselines[i].text) == 0) {
            *baseline = (mucmm_baseline)baselines[i].value;
            return MUCMM_OK;
        }
    return unknown(ctx, "baseline", text, baselines, N_BASELINES, " (its number, from 0)");
}
