/* SPDX-License-Identifier: MIT
 *
 * csv.c - tables of numbers as text: a header, RFC 4180 quotes, any line end, the
 * delimiter told from the header. Every message names file, line and column. */
#include "io/data.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct reader {
    mucmm_ctx *ctx;
    const char *name;
    const unsigned char *p, *end;
    unsigned char delimiter;
    locale_t c_locale; /* so that 0.5 is a number whatever the program's locale is */
    int64_t line, field_line;
    bool record_ended; /* after the last field of a line */

    char *field; /* the field just read, unquoted, ended by a NUL */
    size_t field_size, field_room;

    int64_t *names; /* [n_columns] offsets into table->text */
    int64_t n_columns, names_room;
    int64_t key_column;  /* whose fields are the row's key; -1 = none              */
    int64_t skip_column; /* neither key nor feature: row names beside a key; or -1 */
    int64_t left_out;    /* neither, as asked for; or -1 */

    int64_t missing;                /* cells of the row without a value      */
    int64_t hole_column, hole_line; /* the first of them, and how it is spelled */
    char hole[8];

    int64_t text_size, text_room, rows_room;
    mucmm__table *table;
    mucmm__strings *strings; /* only of a table of texts */
} reader;

void mucmm__table_drop(mucmm__table *t)
{
    mucmm__free(t->values);
    mucmm__free(t->text);
    mucmm__free(t->column_at);
    mucmm__free(t->key_at);
    mucmm__free(t->line);
    mucmm__free(t->empty);
    *t = (mucmm__table){0};
}

/* ---- fields ------------------------------------------------------------------------ */

static mucmm_status append(reader *r, const unsigned char *p, size_t n)
{
    mucmm_status status = MUCMM_OK;

    if (r->field_room - r->field_size <= n) {
        size_t room = 2 * (r->field_size + n) + 64;
        TRY(mucmm__realloc(r->ctx, (int64_t)r->field_size, (int64_t)room, 1, &r->field));
        r->field_room = room;
    }
    if (memchr(p, 0, n))
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                        "%s:%" PRId64 ": a NUL byte; the file must be text in UTF-8", r->name,
                        r->line));
    memcpy(r->field + r->field_size, p, n);
    r->field_size += n;
    r->field[r->field_size] = '\0';
done:
    return status;
}

/* From the opening to the closing quote; "" inside stands for one. */
static mucmm_status read_quoted(reader *r)
{
    mucmm_status status = MUCMM_OK;

    r->p++;
    for (;;) {
        const unsigned char *q = memchr(r->p, '"', (size_t)(r->end - r->p));
        bool doubled;

        if (!q)
            return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                               "%s:%" PRId64 ": a quote that is opened here is never closed",
                               r->name, r->field_line);
        doubled = q + 1 < r->end && q[1] == '"';
        for (const unsigned char *c = r->p; c < q; c++)
            r->line += *c == '\n' || (*c == '\r' && c[1] != '\n');
        TRY(append(r, r->p, (size_t)(q - r->p) + doubled));
        r->p = q + 1 + doubled;
        if (!doubled)
            return MUCMM_OK;
    }
done:
    return status;
}

static mucmm_status read_plain(reader *r)
{
    const unsigned char *first = r->p;

    while (r->p < r->end && *r->p != r->delimiter && *r->p != '\n' && *r->p != '\r' && *r->p != '"')
        r->p++;
    return append(r, first, (size_t)(r->p - first));
}

static void take_line_end(reader *r)
{
    if (r->p < r->end) {
        r->p += *r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n' ? 2 : 1;
        r->line++;
    }
    r->record_ended = true;
}

/* The next field of the line into r->field; sets record_ended after the last one. */
static mucmm_status read_field(reader *r)
{
    mucmm_status status = MUCMM_OK;

    r->field_size = 0;
    r->field_line = r->line;
    r->record_ended = false;
    if (r->p < r->end && *r->p == '"') {
        TRY(append(r, r->p, 0));
        TRY(read_quoted(r));
    } else
        TRY(read_plain(r));
    if (r->p == r->end || *r->p == '\n' || *r->p == '\r')
        take_line_end(r);
    else if (*r->p == r->delimiter)
        r->p++;
    else
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                        "%s:%" PRId64 ": a stray quote; a field with quotes is written \"like "
                        "\"\"this\"\"\"",
                        r->name, r->line));
done:
    return status;
}

/* Keeps the field just read among the names. */
static mucmm_status keep_field(reader *r, int64_t *at)
{
    int64_t n = (int64_t)r->field_size + 1;
    mucmm_status status = MUCMM_OK;

    if (r->text_room - r->text_size < n) {
        int64_t room = 2 * (r->text_size + n) + 256;
        TRY(mucmm__realloc(r->ctx, r->text_size, room, 1, &r->table->text));
        r->text_room = room;
    }
    memcpy(r->table->text + r->text_size, r->field, (size_t)n);
    *at = r->text_size;
    r->text_size += n;
done:
    return status;
}

/* ---- the header -------------------------------------------------------------------- */

/* Outside quotes in the first line, the most frequent of , tab ; wins; .tsv means tab. */
static unsigned char choose_delimiter(const reader *r)
{
    static const unsigned char candidates[] = {',', '\t', ';'};
    int64_t count[sizeof candidates] = {0};
    size_t best = 0;
    bool quoted = false;

    if (mucmm__ends_with(r->name, ".tsv"))
        return '\t';
    for (const unsigned char *p = r->p; p < r->end; p++) {
        quoted ^= *p == '"';
        if (!quoted && (*p == '\n' || *p == '\r'))
            break;
        for (size_t k = 0; k < sizeof candidates; k++)
            count[k] += !quoted && *p == candidates[k];
    }
    for (size_t k = 1; k < sizeof candidates; k++)
        if (count[k] > count[best])
            best = k;
    return candidates[best];
}

static const char *column_name(const void *arg, int64_t i)
{
    const reader *r = arg;
    return r->table->text + r->names[i];
}

static mucmm_status read_names(reader *r)
{
    mucmm_status status = MUCMM_OK;

    do {
        if (r->n_columns == r->names_room) {
            int64_t room = 2 * r->names_room + 16;
            TRY(mucmm__realloc(r->ctx, r->n_columns, room, sizeof *r->names, &r->names));
            r->names_room = room;
        }
        TRY(read_field(r));
        TRY(keep_field(r, &r->names[r->n_columns]));
        r->n_columns++;
        if (r->field_size == 0 && r->n_columns > 1)
            TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                            "%s:1: column %" PRId64 " has no name; only the first may have none "
                            "(it holds the names of the rows)",
                            r->name, r->n_columns));
    } while (!r->record_ended);
done:
    return status;
}

static mucmm_status check_names_differ(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    char quoted[MUCMM__QUOTE];

    TRY(mucmm__index_init(r->ctx, &index, r->n_columns, column_name, r));
    for (int64_t i = 0; i < r->n_columns; i++) {
        int64_t before = mucmm__index_insert(&index, i);
        if (before >= 0)
            TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                            "%s:1: columns %" PRId64 " and %" PRId64 " are both named '%s'",
                            r->name, before + 1, i + 1, mucmm__quote(quoted, column_name(r, i))));
    }
done:
    mucmm__index_drop(&index);
    return status;
}

static mucmm_status fail_unknown_key(reader *r, const char *key)
{
    char list[600] = "", quoted[MUCMM__QUOTE];
    size_t used = 0;

    for (int64_t i = 0; i < r->n_columns && used < sizeof list - MUCMM__QUOTE - 16; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", i ? ", " : "",
                                 mucmm__quote(quoted, column_name(r, i)));
    if (used >= sizeof list - MUCMM__QUOTE - 16)
        snprintf(list + used, sizeof list - used, ", ...");
    return mucmm__fail(r->ctx, MUCMM_EARG, "%s: no column is named '%s'; the columns are %s",
                       r->name, mucmm__quote(quoted, key), list);
}

static int64_t find_column(const reader *r, const char *name)
{
    for (int64_t i = 0; name && i < r->n_columns; i++)
        if (strcmp(column_name(r, i), name) == 0)
            return i;
    return -1;
}

static mucmm_status choose_columns(reader *r, const char *key, const char *skip)
{
    bool unnamed = column_name(r, 0)[0] == '\0';
    int64_t i = find_column(r, key);

    r->key_column = unnamed ? 0 : -1;
    r->skip_column = -1;
    r->left_out = find_column(r, skip);
    if (!key)
        return MUCMM_OK;
    if (i < 0)
        return fail_unknown_key(r, key);
    r->key_column = i;
    r->skip_column = unnamed && i > 0 ? 0 : -1;
    r->table->keyed = true;
    return MUCMM_OK;
}

static bool is_feature(const reader *r, int64_t column)
{
    return column != r->key_column && column != r->skip_column && column != r->left_out;
}

static bool only_line_ends(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == '\n' || *p == '\r'))
        p++;
    return p == end;
}

/* Names of all columns, all different. */
static mucmm_status read_first_line(reader *r)
{
    mucmm_status status = MUCMM_OK;

    if (only_line_ends(r->p, r->end))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: the file has only empty lines", r->name);
    r->line = 1;
    if (r->end - r->p >= 2 &&
        (memcmp(r->p, "\xff\xfe", 2) == 0 || memcmp(r->p, "\xfe\xff", 2) == 0))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: UTF-16 text; save it as UTF-8", r->name);
    if (r->end - r->p >= 3 && memcmp(r->p, "\xef\xbb\xbf", 3) == 0)
        r->p += 3;
    r->delimiter = choose_delimiter(r);
    TRY(read_names(r));
    TRY(check_names_differ(r));
done:
    return status;
}

static mucmm_status read_header(reader *r, const char *key, const char *skip)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    TRY(read_first_line(r));
    TRY(choose_columns(r, key, skip));
    TRY(mucmm__alloc(r->ctx, r->n_columns, sizeof *t->column_at, &t->column_at));
    for (int64_t i = 0; i < r->n_columns; i++)
        if (is_feature(r, i))
            t->column_at[t->cols++] = r->names[i];
    if (t->cols == 0)
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s:1: no column of numbers beside the key",
                        r->name));
done:
    return status;
}

/* ---- rows -------------------------------------------------------------------------- */

static mucmm_status fail_at(reader *r, mucmm_status s, int64_t line, int64_t column,
                            const char *cell, const char *what)
{
    char name[MUCMM__QUOTE], text[MUCMM__QUOTE];

    return mucmm__fail(r->ctx, s, "%s:%" PRId64 ": column %" PRId64 " ('%s'): '%s' %s", r->name,
                       line, column + 1, mucmm__quote(name, column_name(r, column)),
                       mucmm__quote(text, cell), what);
}

static mucmm_status fail_cell(reader *r, mucmm_status s, int64_t column, const char *what)
{
    return fail_at(r, s, r->field_line, column, r->field, what);
}

/* A row may be empty as a whole: what it is shows at its end. */
static void note_hole(reader *r, int64_t column)
{
    if (r->missing++ > 0)
        return;
    r->hole_column = column;
    r->hole_line = r->field_line;
    snprintf(r->hole, sizeof r->hole, "%s", r->field);
}

static size_t count_digits(const char *s)
{
    return strspn(s, "0123456789");
}

bool mucmm__is_decimal(const char *s)
{
    size_t whole, fraction = 0;

    s += *s == '+' || *s == '-';
    whole = count_digits(s);
    s += whole;
    if (*s == '.') {
        fraction = count_digits(s + 1);
        s += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '+' || s[1] == '-');
        if (!count_digits(s))
            return false;
        s += count_digits(s);
    }
    return *s == '\0';
}

static bool is_one_of(const char *s, const char *const *words)
{
    while (*words && strcasecmp(s, *words) != 0)
        words++;
    return *words != NULL;
}

char *mucmm__trim(char *s)
{
    char *last = s + strlen(s);

    while (*s == ' ' || *s == '\t')
        s++;
    while (last > s && (last[-1] == ' ' || last[-1] == '\t'))
        *--last = '\0';
    return s;
}

bool mucmm__is_missing(const char *s)
{
    static const char *const missing[] = {"", "na", "nan", "+nan", "-nan", NULL};
    return is_one_of(s, missing);
}

bool mucmm__is_infinite(const char *s)
{
    static const char *const infinite[] = {"inf",       "+inf",      "-inf", "infinity",
                                           "+infinity", "-infinity", NULL};
    return is_one_of(s, infinite);
}

static mucmm_status parse_number(reader *r, int64_t column, double *out)
{
    char *s = mucmm__trim(r->field);

    *out = NAN;
    if (mucmm__is_missing(s)) {
        note_hole(r, column);
        return MUCMM_OK;
    }
    if (mucmm__is_infinite(s))
        return fail_cell(r, MUCMM_ENUMERIC, column, "is infinite; every value must be finite");
    if (!mucmm__is_decimal(s))
        return fail_cell(r, MUCMM_EFORMAT, column, "is not a number");
    *out = strtod_l(s, NULL, r->c_locale);
    if (!isfinite((float)*out))
        return fail_cell(r, MUCMM_ENUMERIC, column, "is beyond the range of float (3.4e38)");
    return MUCMM_OK;
}

static mucmm_status grow_rows(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;
    int64_t room = 2 * r->rows_room + 16, numbers;

    if (t->rows < r->rows_room)
        return MUCMM_OK;
    if (!mucmm__mul(room, t->cols, &numbers))
        return mucmm__fail(r->ctx, MUCMM_ENOMEM, "%s: out of memory: too many values", r->name);
    TRY(mucmm__realloc(r->ctx, t->rows * t->cols, numbers, sizeof *t->values, &t->values));
    TRY(mucmm__realloc(r->ctx, t->rows, room, sizeof *t->line, &t->line));
    if (t->empty)
        TRY(mucmm__realloc(r->ctx, t->rows, room, sizeof *t->empty, &t->empty));
    if (r->key_column >= 0)
        TRY(mucmm__realloc(r->ctx, t->rows, room, sizeof *t->key_at, &t->key_at));
    r->rows_room = room;
done:
    return status;
}

static mucmm_status read_cell(reader *r, int64_t column, double **next)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    if (is_feature(r, column))
        TRY(parse_number(r, column, (*next)++));
    if (column == r->key_column) {
        if (t->keyed && r->field_size == 0)
            TRY(fail_cell(r, MUCMM_EFORMAT, column, "is no key; it must not be empty"));
        TRY(keep_field(r, &t->key_at[t->rows]));
    }
done:
    return status;
}

/* All of the row's cells have values, or none. */
static mucmm_status end_row(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    if (r->missing == 0)
        return MUCMM_OK;
    if (r->missing < t->cols)
        return fail_at(r, MUCMM_EUNSUPPORTED, r->hole_line, r->hole_column, r->hole,
                       "is a missing value, and the row has others: remove the row or fill it in; "
                       "only a whole row may be missing (`missing` allow)");
    if (!t->empty)
        TRY(mucmm__alloc(r->ctx, r->rows_room, sizeof *t->empty, &t->empty));
    t->empty[t->rows] = true;
    t->n_empty++;
done:
    return status;
}

static mucmm_status fail_length(const reader *r, int64_t line, int64_t n)
{
    return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                       "%s:%" PRId64 ": %" PRId64 " fields, the header has %" PRId64, r->name, line,
                       n, r->n_columns);
}

static mucmm_status read_row(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;
    int64_t line = r->line, n = 0;
    double *next;

    TRY(grow_rows(r));
    next = t->values + t->rows * t->cols;
    t->line[t->rows] = line;
    r->missing = 0;
    do {
        TRY(read_field(r));
        /* The last field of a short line is not looked at: the length is the mistake. */
        if (n < r->n_columns && (!r->record_ended || n == r->n_columns - 1))
            TRY(read_cell(r, n, &next));
        n++;
    } while (!r->record_ended);
    if (n != r->n_columns)
        TRY(fail_length(r, line, n));
    TRY(end_row(r));
    t->rows++;
done:
    return status;
}

static mucmm_status read_rows(reader *r, mucmm_status (*row)(reader *r), const int64_t *rows)
{
    mucmm_status status = MUCMM_OK;

    while (r->p < r->end) {
        if (*r->p == '\n' || *r->p == '\r') {
            if (only_line_ends(r->p, r->end))
                break;
            TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s:%" PRId64 ": the line is empty", r->name,
                            r->line));
        }
        TRY(row(r));
    }
    if (*rows == 0)
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: a header and no rows", r->name));
done:
    return status;
}

mucmm_status mucmm__csv_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, const char *key, const char *skip, mucmm__table *out)
{
    mucmm_status status = MUCMM_OK;
    reader r = {.ctx = ctx, .name = name, .p = bytes, .end = bytes + size, .table = out};

    *out = (mucmm__table){0};
    r.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.c_locale)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory: no C locale", name);
    TRY(read_header(&r, key, skip));
    TRY(read_rows(&r, read_row, &out->rows));
done:
    freelocale(r.c_locale);
    mucmm__free(r.field);
    mucmm__free(r.names);
    if (status != MUCMM_OK)
        mucmm__table_drop(out);
    return status;
}

/* ---- tables of texts --------------------------------------------------------------- */

void mucmm__strings_drop(mucmm__strings *t)
{
    mucmm__free(t->text);
    mucmm__free(t->at);
    mucmm__free(t->line);
    *t = (mucmm__strings){0};
}

const char *mucmm__strings_cell(const mucmm__strings *t, int64_t row, int64_t column)
{
    return t->text + t->at[(row + 1) * t->cols + column];
}

int64_t mucmm__strings_column(const mucmm__strings *t, const char *name)
{
    for (int64_t j = 0; j < t->cols; j++)
        if (strcmp(mucmm__strings_cell(t, -1, j), name) == 0)
            return j;
    return -1;
}

static mucmm_status read_text_row(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__strings *t = r->strings;
    int64_t line = r->line, n = 0, cells;

    if (t->rows >= r->rows_room) {
        int64_t room = 2 * r->rows_room + 16;
        if (!mucmm__mul(room + 1, t->cols, &cells))
            return mucmm__fail(r->ctx, MUCMM_ENOMEM, "%s: out of memory: too many cells", r->name);
        TRY(mucmm__realloc(r->ctx, (t->rows + 1) * t->cols, cells, sizeof *t->at, &t->at));
        TRY(mucmm__realloc(r->ctx, t->rows, room, sizeof *t->line, &t->line));
        r->rows_room = room;
    }
    t->line[t->rows] = line;
    do {
        TRY(read_field(r));
        if (n < t->cols)
            TRY(keep_field(r, &t->at[(t->rows + 1) * t->cols + n]));
        n++;
    } while (!r->record_ended);
    if (n != t->cols)
        TRY(fail_length(r, line, n));
    t->rows++;
done:
    return status;
}

mucmm_status mucmm__strings_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, mucmm__strings *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table table = {0}; /* holds the text */
    reader r = {
        .ctx = ctx, .name = name, .p = bytes, .end = bytes + size, .table = &table, .strings = out};

    *out = (mucmm__strings){0};
    TRY(read_first_line(&r));
    out->cols = r.n_columns;
    TRY(mucmm__alloc(ctx, out->cols, sizeof *out->at, &out->at));
    memcpy(out->at, r.names, (size_t)out->cols * sizeof *out->at);
    TRY(read_rows(&r, read_text_row, &out->rows));
done:
    out->text = table.text;
    mucmm__free(r.field);
    mucmm__free(r.names);
    if (status != MUCMM_OK)
        mucmm__strings_drop(out);
    return status;
}
