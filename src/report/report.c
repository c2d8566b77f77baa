/* SPDX-License-Identifier: MIT
 *
 * report.c - the page: sections, texts, tables, charts, glossary. Pictures are in draw.c. */
#include "report/report.h"

#include "core/json.h"
#include "report/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- text -------------------------------------------------------------------------- */

mucmm_status mucmm__page_raw(mucmm_ctx *ctx, mucmm__page_text *t, const char *bytes, int64_t size)
{
    if (size > t->capacity - t->size - 1) {
        int64_t capacity = 2 * t->capacity + size + 4096;
        mucmm_status status = mucmm__realloc(ctx, t->size, capacity, 1, &t->data);
        if (status != MUCMM_OK)
            return status;
        t->capacity = capacity;
    }
    memcpy(t->data + t->size, bytes, (size_t)size);
    t->size += size;
    t->data[t->size] = '\0';
    return MUCMM_OK;
}

mucmm_status mucmm__page_markup(mucmm_ctx *ctx, mucmm__page_text *t, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        return mucmm__fail(ctx, MUCMM_EARG, "report: markup of %d bytes", n);
    return mucmm__page_raw(ctx, t, text, n);
}

/* Length of the well-formed UTF-8 character at s, 0 if there is none. */
static int64_t character(const unsigned char *s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int64_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t code = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

    if (s[0] >= 0xf8 || (s[0] >= 0x80 && s[0] < 0xc0))
        return 0;
    for (int64_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    return n > 1 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) ? 0
                                                                                              : n;
}

mucmm_status mucmm__page_escaped(mucmm_ctx *ctx, mucmm__page_text *t, const char *text)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    mucmm_status status = MUCMM_OK;

    for (const char *at = text ? text : ""; *at;) {
        int64_t n = character((const unsigned char *)at);
        const char *shown = n > 0 ? at : "\xef\xbf\xbd";
        int64_t size = n > 0 ? n : 3;
        for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
            if (*at == entities[i].c) {
                shown = entities[i].entity;
                size = (int64_t)strlen(shown);
            }
        if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f) {
            shown = " ";
            size = 1;
        }
        TRY(mucmm__page_raw(ctx, t, shown, size));
        at += n > 0 ? n : 1;
    }
done:
    return status;
}

/* before, the text escaped, after. */
static mucmm_status element(mucmm_ctx *ctx, mucmm__page_text *t, const char *before,
                            const char *text, const char *after)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_raw(ctx, t, before, (int64_t)strlen(before)));
    TRY(mucmm__page_escaped(ctx, t, text));
    TRY(mucmm__page_raw(ctx, t, after, (int64_t)strlen(after)));
done:
    return status;
}

/* ---- the report -------------------------------------------------------------------- */

mucmm_status mucmm_report_create(mucmm_ctx *ctx, const char *title, mucmm_report **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_report *r = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *r, &r));
    TRY(mucmm__strdup(ctx, title ? title : "", &r->title));
    *out = r;
    r = NULL;
done:
    mucmm_report_free(r);
    return status;
}

void mucmm_report_free(mucmm_report *r)
{
    if (!r)
        return;
    mucmm__free(r->title);
    mucmm__free(r->nav.data);
    mucmm__free(r->body.data);
    mucmm__free(r->ticks.data);
    mucmm__free(r);
}

/* Ends the cards or the glossary that is open, and begins what `open` says. */
static mucmm_status change_open(mucmm_ctx *ctx, mucmm_report *r, mucmm__page_open open)
{
    static const char *const first[] = {"", "<div class=\"cards\">\n", "<dl>\n"};
    static const char *const last[] = {"", "</div></article>\n</div>\n", "</dl>\n"};
    mucmm_status status = MUCMM_OK;

    if (open == r->open)
        return MUCMM_OK;
    TRY(mucmm__page_markup(ctx, &r->body, "%s%s", last[r->open], first[open]));
    r->open = open;
done:
    return status;
}

mucmm_status mucmm_report_section(mucmm_ctx *ctx, mucmm_report *r, const char *title)
{
    mucmm_status status = MUCMM_OK;

    TRY(change_open(ctx, r, OPEN_NONE));
    if (r->sections++ > 0)
        TRY(mucmm__page_markup(ctx, &r->body, "</section>\n"));
    TRY(mucmm__page_markup(ctx, &r->nav, "<li><a href=\"#s%" PRId64 "\">", r->sections));
    TRY(element(ctx, &r->nav, "", title, "</a></li>\n"));
    TRY(mucmm__page_markup(ctx, &r->body, "<section id=\"s%" PRId64 "\">", r->sections));
    TRY(element(ctx, &r->body, "<h2>", title, "</h2>\n"));
done:
    return status;
}

static mucmm_status block(mucmm_ctx *ctx, mucmm_report *r, const char *before, const char *text,
                          const char *after)
{
    mucmm_status status = MUCMM_OK;

    TRY(change_open(ctx, r, OPEN_NONE));
    TRY(element(ctx, &r->body, before, text, after));
done:
    return status;
}

mucmm_status mucmm_report_heading(mucmm_ctx *ctx, mucmm_report *r, const char *title)
{
    return block(ctx, r, "<h3>", title, "</h3>\n");
}

mucmm_status mucmm_report_text(mucmm_ctx *ctx, mucmm_report *r, const char *text)
{
    return block(ctx, r, "<p>", text, "</p>\n");
}

mucmm_status mucmm_report_code(mucmm_ctx *ctx, mucmm_report *r, const char *text)
{
    return block(ctx, r, "<pre>", text, "</pre>\n");
}

mucmm_status mucmm_report_term(mucmm_ctx *ctx, mucmm_report *r, const char *term,
                               const char *meaning)
{
    mucmm_status status = MUCMM_OK;

    TRY(change_open(ctx, r, OPEN_TERMS));
    TRY(element(ctx, &r->body, "<dt>", term, "</dt>"));
    TRY(element(ctx, &r->body, "<dd>", meaning, "</dd>\n"));
done:
    return status;
}

mucmm_status mucmm_report_card(mucmm_ctx *ctx, mucmm_report *r, const char *title)
{
    mucmm_status status = MUCMM_OK;

    if (r->open == OPEN_CARDS)
        TRY(mucmm__page_markup(ctx, &r->body, "</div></article>\n"));
    r->ticks.size = 0;
    TRY(change_open(ctx, r, OPEN_CARDS));
    TRY(element(ctx, &r->body, "<article class=\"card\"><h4>", title,
                "</h4><div class=\"parts\">\n"));
done:
    return status;
}

mucmm_status mucmm__page_in_card(mucmm_ctx *ctx, const mucmm_report *r)
{
    return r->open == OPEN_CARDS
               ? MUCMM_OK
               : mucmm__fail(ctx, MUCMM_EARG, "report: this belongs in a card; begin one first");
}

mucmm_status mucmm_report_line(mucmm_ctx *ctx, mucmm_report *r, const char *text)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_in_card(ctx, r));
    TRY(element(ctx, &r->body, "<div class=\"part wide\">", text, "</div>\n"));
done:
    return status;
}

/* ---- tables ------------------------------------------------------------------------ */

/* Looks like a number: is set to the right. */
static bool is_number(const char *text)
{
    return text && text[0] && strspn(text, "+-.,0123456789e% <=") == strlen(text);
}

static mucmm_status table(mucmm_ctx *ctx, mucmm__page_text *t, const char *caption,
                          const char *const *head, const char *const *cells, int64_t rows,
                          int64_t cols)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_markup(ctx, t, "<div class=\"scroll\"><table>"));
    if (caption && caption[0])
        TRY(element(ctx, t, "<caption>", caption, "</caption>"));
    TRY(mucmm__page_markup(ctx, t, "<thead><tr>"));
    for (int64_t j = 0; j < cols; j++)
        TRY(element(ctx, t,
                    rows > 0 && is_number(cells[j]) ? "<th scope=\"col\" class=\"number\">"
                                                    : "<th scope=\"col\">",
                    head[j], "</th>"));
    TRY(mucmm__page_markup(ctx, t, "</tr></thead>\n<tbody>\n"));
    for (int64_t i = 0; i < rows; i++) {
        TRY(mucmm__page_markup(ctx, t, "<tr>"));
        for (int64_t j = 0; j < cols; j++)
            TRY(element(ctx, t, is_number(cells[i * cols + j]) ? "<td class=\"number\">" : "<td>",
                        cells[i * cols + j], "</td>"));
        TRY(mucmm__page_markup(ctx, t, "</tr>\n"));
    }
    TRY(mucmm__page_markup(ctx, t, "</tbody></table></div>\n"));
done:
    return status;
}

mucmm_status mucmm_report_table(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                const char *const *head, const char *const *cells, int64_t rows,
                                int64_t cols)
{
    mucmm_status status = MUCMM_OK;

    if (rows < 0 || cols < 1)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "report: a table of %" PRId64 " rows and %" PRId64 " columns", rows,
                           cols);
    TRY(change_open(ctx, r, OPEN_NONE));
    TRY(table(ctx, &r->body, caption, head, cells, rows, cols));
done:
    return status;
}

/* ---- charts ------------------------------------------------------------------------ */

const char *mucmm_report_charts(void)
{
    return mucmm__page_charts[0] ? "vega 5.33.0, vega-lite 5.23.0" : "";
}

/* The cell of a row as text, in out if it is a number. */
static const char *cell_text(const json_t *value, char *out, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        snprintf(out, size, "%" PRId64, (int64_t)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(out, size, "%.4g", json_real_value(value));
    else
        return "";
    return out;
}

/* The values as a table; its columns are the keys of the first row. */
static mucmm_status values_table(mucmm_ctx *ctx, mucmm__page_text *t, json_t *values)
{
    mucmm_status status = MUCMM_OK;
    json_t *keys = json_array_get(values, 0), *value;
    int64_t cols = (int64_t)json_object_size(keys), rows = (int64_t)json_array_size(values);
    const char **cells = NULL, **head = NULL, *key;
    char(*numbers)[32] = NULL;
    int64_t j = 0;

    TRY(mucmm__alloc(ctx, rows * cols, sizeof *cells, &cells));
    TRY(mucmm__alloc(ctx, rows * cols, sizeof *numbers, &numbers));
    TRY(mucmm__alloc(ctx, cols, sizeof *head, &head));
    json_object_foreach(keys, key, value)
    {
        head[j] = key;
        for (int64_t i = 0; i < rows; i++)
            cells[i * cols + j] = cell_text(json_object_get(json_array_get(values, (size_t)i), key),
                                            numbers[i * cols + j], sizeof numbers[i * cols + j]);
        j++;
    }
    TRY(table(ctx, t, NULL, head, cells, rows, cols));
done:
    mucmm__free(cells);
    mucmm__free(head);
    mucmm__free(numbers);
    return status;
}

mucmm_status mucmm__page_json(mucmm_ctx *ctx, mucmm__page_text *t, const json_t *spec)
{
    mucmm_status status = MUCMM_OK;
    char *text = NULL;

    TRY(mucmm__json_dump(ctx, spec, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6),
                         &text));
    for (const char *at = text; *at;) {
        int64_t plain = (int64_t)strcspn(at, "<>&");
        TRY(mucmm__page_raw(ctx, t, at, plain));
        at += plain;
        if (*at)
            TRY(mucmm__page_markup(ctx, t, "\\u%04x", (unsigned)(unsigned char)*at++));
    }
done:
    mucmm__free(text);
    return status;
}

static mucmm_status chart(mucmm_ctx *ctx, mucmm_report *r, const char *title, const char *caption,
                          const json_t *spec, json_t *values)
{
    mucmm_status status = MUCMM_OK;

    TRY(change_open(ctx, r, OPEN_NONE));
    TRY(element(ctx, &r->body, "<figure class=\"chart\"><h3>", title, "</h3>\n"));
    TRY(element(ctx, &r->body, "<div class=\"draw\" role=\"img\" aria-label=\"", caption,
                "\"></div>\n"));
    TRY(element(ctx, &r->body, "<figcaption>", caption, "</figcaption>\n"));
    if (mucmm__page_charts[0]) {
        TRY(mucmm__page_markup(ctx, &r->body, "<script type=\"application/json\">"));
        TRY(mucmm__page_json(ctx, &r->body, spec));
        TRY(mucmm__page_markup(ctx, &r->body, "</script>\n"));
    }
    TRY(mucmm__page_markup(ctx, &r->body, "<details%s><summary>The numbers</summary>\n",
                           mucmm__page_charts[0] ? "" : " open"));
    TRY(values_table(ctx, &r->body, values));
    TRY(mucmm__page_markup(ctx, &r->body, "</details></figure>\n"));
    r->charts++;
done:
    return status;
}

mucmm_status mucmm_report_chart(mucmm_ctx *ctx, mucmm_report *r, const char *title,
                                const char *caption, const char *spec)
{
    mucmm_status status = MUCMM_OK;
    json_t *root = NULL, *values;
    int line = 0;

    status = mucmm__json_parse(ctx, spec, strlen(spec), &line, &root);
    if (status == MUCMM_EFORMAT)
        status = mucmm__prefix(ctx, status, "report: chart '%s': line %d", title, line);
    TRY(status);
    values = json_object_get(json_object_get(root, "data"), "values");
    if (json_array_size(values) == 0 || json_object_size(json_array_get(values, 0)) == 0)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "report: chart '%s' has no rows of objects in data.values", title));
    TRY(chart(ctx, r, title, caption, root, values));
done:
    json_decref(root);
    return status;
}

/* ---- the file ---------------------------------------------------------------------- */

/* The policy of the page forbids the browser to fetch anything. */
static const char head_markup[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n";

static mucmm_status whole_page(mucmm_ctx *ctx, const mucmm_report *r, mucmm__page_text *t)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_raw(ctx, t, head_markup, sizeof head_markup - 1));
    TRY(element(ctx, t, "<title>", r->title, "</title>\n<style>"));
    TRY(mucmm__page_raw(ctx, t, mucmm__page_css, (int64_t)strlen(mucmm__page_css)));
    TRY(mucmm__page_markup(ctx, t, "</style>\n</head>\n<body>\n"));
    TRY(element(ctx, t, "<header><h1>", r->title, "</h1></header>\n<nav><ul>\n"));
    TRY(mucmm__page_raw(ctx, t, r->nav.data ? r->nav.data : "", r->nav.size));
    TRY(mucmm__page_markup(ctx, t, "</ul></nav>\n<main>\n"));
    TRY(mucmm__page_raw(ctx, t, r->body.data ? r->body.data : "", r->body.size));
    TRY(mucmm__page_markup(ctx, t, "%s</main>\n<script>", r->sections > 0 ? "</section>\n" : ""));
    if (r->charts > 0)
        TRY(mucmm__page_raw(ctx, t, mucmm__page_charts, (int64_t)strlen(mucmm__page_charts)));
    TRY(mucmm__page_markup(ctx, t, "</script>\n<script>"));
    TRY(mucmm__page_raw(ctx, t, mucmm__page_js, (int64_t)strlen(mucmm__page_js)));
    TRY(mucmm__page_markup(ctx, t, "</script>\n</body>\n</html>\n"));
done:
    return status;
}

mucmm_status mucmm_report_write(mucmm_ctx *ctx, mucmm_report *r, const char *path)
{
    mucmm_status status = MUCMM_OK;
    mucmm__page_text t = {0};

    TRY(change_open(ctx, r, OPEN_NONE));
    TRY(whole_page(ctx, r, &t));
    TRY(mucmm_file_write(ctx, path, t.data, (size_t)t.size));
done:
    mucmm__free(t.data);
    return status;
}
