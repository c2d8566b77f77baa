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
    const unsigned char *bytes, *p, *end;
    size_t size;
    unsigned char delimiter;
    locale_t c_locale; /* so that 0.5 is a number whatever the program's locale is */
    int64_t line, field_line;
    bool record_ended; /* after the last field of a line */

    char *field; /* the field just read, unquoted, ended by a NUL */
    size_t field_size, field_room;

    int64_t *names; /* [n_columns] offsets into table->text */
    int64_t n_columns, names_room;
    int64_t key_column;  /* whose fields are the row's key; -1 = none              */
    unsigned char *kind; /* [n_columns] of column_kind */

    const mucmm_data_params *asked;
    mucmm_header header;
    bool looked, again;   /* the whole table has been looked at; its rows must be read once more */
    bool comma;           /* stands before the decimals */
    mucmm__strings seen;  /* all cells, if it was looked at */
    bool *is_text;        /* [n_columns] a column without a number */
    const char ***levels; /* [n_columns][n_levels] of a category, sorted */
    int64_t *n_levels;

    int64_t missing;                /* cells of the row without a value      */
    int64_t hole_column, hole_line; /* the first of them, and how it is spelled */
    char hole[8];

    int64_t text_size, text_room, rows_room;
    mucmm__table *table;
    mucmm__strings *strings; /* only of a table of texts */
} reader;

enum column_kind { FEATURE, KEY, LEFT_OUT, TEXTS, CATEGORY };
enum { MOST_LEVELS = 1000 };

void mucmm__table_drop(mucmm__table *t)
{
    mucmm__free(t->values);
    mucmm__free(t->text);
    mucmm__free(t->column_at);
    mucmm__free(t->key_at);
    mucmm__free(t->line);
    mucmm__free(t->empty);
    mucmm__free(t->category);
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

static const unsigned char delimiters[] = {',', '\t', ';'};
enum { DELIMITERS = sizeof delimiters, LINES_LOOKED_AT = 20 };

/* How often each stands outside quotes in the line at *p, which moves behind it. numbers: is there
 * nothing but numbers? */
static void count_delimiters(const reader *r, const unsigned char **p, int64_t *count,
                             bool *numbers)
{
    bool quoted = false;

    memset(count, 0, DELIMITERS * sizeof *count);
    *numbers = true;
    for (; *p < r->end; (*p)++) {
        unsigned char c = **p;
        quoted ^= c == '"';
        if (!quoted && (c == '\n' || c == '\r'))
            break;
        for (int k = 0; k < DELIMITERS; k++)
            count[k] += !quoted && c == delimiters[k];
        *numbers = *numbers && c && strchr("0123456789+-.,;eE \"", c);
    }
    while (*p < r->end && (**p == '\n' || **p == '\r'))
        (*p)++;
}

/* .tsv means tab. Of , tab ; the one that the next lines have as often as the header, else the one
 * that the header has most often: a name may have a comma, and so may a number. */
static unsigned char choose_delimiter(const reader *r)
{
    int64_t count[DELIMITERS], others[DELIMITERS], best = 0;
    const unsigned char *p = r->p;
    bool agrees[DELIMITERS], numbers, any;

    if (mucmm__ends_with(r->name, ".tsv") || mucmm__ends_with(r->name, ".tsv.gz"))
        return '\t';
    count_delimiters(r, &p, count, &numbers);
    if (numbers && count[2] > 0) /* 1,5;2,25 */
        return ';';
    for (int k = 0; k < DELIMITERS; k++)
        agrees[k] = count[k] > 0;
    for (int i = 0; i < LINES_LOOKED_AT && p < r->end; i++) {
        count_delimiters(r, &p, others, &any);
        for (int k = 0; k < DELIMITERS; k++)
            agrees[k] = agrees[k] && others[k] == count[k];
    }
    for (int k = 1; k < DELIMITERS; k++)
        if (agrees[k] || (!agrees[best] && count[k] > count[best]))
            best = k; /* of several the later: a comma stands before decimals, too */
    if (count[best] == 0 && r->comma) /* one column of such numbers */
        return ';';
    return delimiters[best];
}

static const char *column_name(const void *arg, int64_t i)
{
    const reader *r = arg;
    return r->table->text + r->names[i];
}

static int64_t find_column(const reader *r, const char *name)
{
    for (int64_t i = 0; name && i < r->n_columns; i++)
        if (strcmp(column_name(r, i), name) == 0)
            return i;
    return -1;
}

static bool only_line_ends(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == '\n' || *p == '\r'))
        p++;
    return p == end;
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
        if (r->field_size == 0 && r->n_columns > 1 && r->header != MUCMM_HEADER_NO)
            TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                            "%s:1: column %" PRId64 " has no name; only the first may have none "
                            "(it holds the names of the rows)",
                            r->name, r->n_columns));
    } while (!r->record_ended);
done:
    return status;
}

/* Without a header columns are called 1, 2, .., and the first line is one of the rows. */
static mucmm_status make_names(reader *r)
{
    mucmm_status status = MUCMM_OK;

    r->text_size = 0;
    for (int64_t i = 0; i < r->n_columns; i++) {
        char name[24];
        r->field_size = 0;
        TRY(append(r, (unsigned char *)name,
                   (size_t)snprintf(name, sizeof name, "%" PRId64, i + 1)));
        TRY(keep_field(r, &r->names[i]));
    }
done:
    return status;
}

/* "1,5": what a decimal is where the comma stands for the point. */
static bool is_comma_decimal(const char *s)
{
    const char *comma = strchr(s, ',');
    char copy[64];

    if (!comma || strlen(s) >= sizeof copy || strchr(s, '.'))
        return false;
    memcpy(copy, s, strlen(s) + 1);
    copy[comma - s] = '.';
    return mucmm__is_decimal(copy);
}

static bool is_numeric(const char *s)
{
    while (*s == ' ')
        s++;
    return mucmm__is_decimal(s) || is_comma_decimal(s) || (*s && mucmm__is_missing(s)) ||
           mucmm__is_infinite(s);
}

/* 0, 1, 2, .. or 1, 2, 3, ..: what programs name columns that have no names. */
static bool names_count(const reader *r)
{
    int64_t first = column_name(r, 0)[0] == '\0';
    int64_t from = first < r->n_columns ? strcmp(column_name(r, first), "0") != 0 : 0;
    char want[24];

    for (int64_t i = first; i < r->n_columns; i++) {
        snprintf(want, sizeof want, "%" PRId64, i - first + from);
        if (strcmp(column_name(r, i), want) != 0)
            return false;
    }
    return r->n_columns - first >= 3;
}

/* Is a name of letters above a number in the second line? Then the first is a header. */
static mucmm_status is_above_numbers(reader *r, bool *above)
{
    mucmm_status status = MUCMM_OK;
    const unsigned char *p = r->p;
    int64_t line = r->line, i = 0;

    *above = false;
    r->record_ended = r->p == r->end || only_line_ends(r->p, r->end);
    for (; !r->record_ended && i < r->n_columns; i++) {
        TRY(read_field(r));
        *above = *above || (!is_numeric(column_name(r, i)) && r->field[0] && is_numeric(r->field));
    }
done:
    r->p = p;
    r->line = line;
    return status;
}

/* A first line of numbers, with or without texts above texts, is a row that would be lost. */
static mucmm_status check_is_header(reader *r)
{
    mucmm_status status = MUCMM_OK;
    const char *key = r->asked ? r->asked->key : NULL;
    int64_t numbers = 0, first = -1;
    bool above = false;
    char quoted[MUCMM__QUOTE];

    for (int64_t i = 0; i < r->n_columns; i++)
        if (is_numeric(column_name(r, i))) {
            first = first < 0 ? i : first;
            numbers++;
        }
    if (numbers == 0 || column_name(r, 0)[0] == '\0' || names_count(r) ||
        (key && find_column(r, key) >= 0 && !is_numeric(key)))
        return MUCMM_OK;
    if (numbers < r->n_columns)
        TRY(is_above_numbers(r, &above));
    if (!above)
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                        "%s:1: the header holds numbers where names are expected (%" PRId64
                        " of %" PRId64 ", such as '%s'): if this is the first row, say that there "
                        "is no header (`header` no); if these are names, such as years or masses, "
                        "say that it is one (`header` yes)",
                        r->name, numbers, r->n_columns,
                        mucmm__quote(quoted, column_name(r, first))));
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

static const char *first_cell(const void *arg, int64_t row)
{
    return mucmm__strings_cell(arg, row, 0);
}

enum { COLUMN_LIST = 600 };

/* 'a', 'b', ... in list [COLUMN_LIST]. */
static void list_columns(const reader *r, char *list)
{
    char quoted[MUCMM__QUOTE];
    size_t used = 0;

    for (int64_t i = 0; i < r->n_columns && used < COLUMN_LIST - MUCMM__QUOTE - 16; i++)
        used += (size_t)snprintf(list + used, COLUMN_LIST - used, "%s'%s'", i ? ", " : "",
                                 mucmm__quote(quoted, column_name(r, i)));
    if (used >= COLUMN_LIST - MUCMM__QUOTE - 16)
        snprintf(list + used, COLUMN_LIST - used, ", ...");
}

static mucmm_status fail_no_feature(reader *r)
{
    const mucmm_data_params *p = r->asked;
    char list[COLUMN_LIST] = "";

    if (!p || (!p->columns && !p->ignore))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s:1: no column of numbers beside the key",
                           r->name);
    list_columns(r, list);
    return mucmm__fail(
        r->ctx, MUCMM_EFORMAT,
        "%s:1: no column of numbers is left by %s%.64s%s%s%.64s%s; the columns are %s", r->name,
        p->columns ? "`columns` '" : "", p->columns ? p->columns : "", p->columns ? "'" : "",
        p->ignore ? (p->columns ? " and `ignore` '" : "`ignore` '") : "",
        p->ignore ? p->ignore : "", p->ignore ? "'" : "", list);
}

static mucmm_status fail_unknown_key(reader *r, const char *key)
{
    char list[COLUMN_LIST] = "", quoted[MUCMM__QUOTE];

    list_columns(r, list);
    return mucmm__fail(r->ctx, MUCMM_EARG, "%s: no column is named '%s'; the columns are %s",
                       r->name, mucmm__quote(quoted, key), list);
}

/* What a column is by its name and by what was asked for. */
static unsigned char kind_of(reader *r, int64_t i)
{
    const mucmm_data_params *p = r->asked;
    const char *name = column_name(r, i);
    uint64_t *used = r->table->used;
    bool wanted = !p->columns || mucmm__list_find(p->columns, name, &used[0]) >= 0;
    bool ignored = p->ignore && mucmm__list_find(p->ignore, name, &used[1]) >= 0;

    if (p->categories && mucmm__list_find(p->categories, name, &used[2]) >= 0)
        return CATEGORY;
    if (!wanted || ignored || (p->skip && strcmp(p->skip, name) == 0))
        return LEFT_OUT;
    return r->is_text && r->is_text[i] ? TEXTS : FEATURE;
}

/* No two rows have the same cell in the first column. */
static mucmm_status is_telling(reader *r, bool *telling)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};

    *telling = true;
    TRY(mucmm__index_init(r->ctx, &index, r->seen.rows, first_cell, &r->seen));
    for (int64_t i = 0; i < r->seen.rows && *telling; i++)
        *telling = first_cell(&r->seen, i)[0] && mucmm__index_insert(&index, i) < 0;
done:
    mucmm__index_drop(&index);
    return status;
}

static mucmm_status choose_columns(reader *r)
{
    mucmm_status status = MUCMM_OK;
    const char *key = r->asked->key;
    bool unnamed = column_name(r, 0)[0] == '\0', names_rows = unnamed;
    int64_t at = find_column(r, key);

    if (key && at < 0)
        return fail_unknown_key(r, key);
    TRY(mucmm__realloc(r->ctx, 0, r->n_columns, 1, &r->kind));
    for (int64_t i = 0; i < r->n_columns; i++)
        r->kind[i] = kind_of(r, i);
    if (!key && r->kind[0] == TEXTS)
        TRY(is_telling(r, &names_rows));
    r->kind[0] = unnamed ? LEFT_OUT : r->kind[0]; /* names of the rows, beside a key */
    r->key_column = key ? at : names_rows ? 0 : -1;
    r->table->keyed = key != NULL;
    r->table->row_names = !key && names_rows;
    if (r->key_column >= 0)
        r->kind[r->key_column] = KEY;
done:
    return status;
}

/* Names of all columns, all different. */
static mucmm_status read_first_line(reader *r)
{
    mucmm_status status = MUCMM_OK;
    const unsigned char *rows;

    if (only_line_ends(r->p, r->end))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: the file has only empty lines", r->name);
    r->line = 1;
    if (r->end - r->p >= 2 &&
        (memcmp(r->p, "\xff\xfe", 2) == 0 || memcmp(r->p, "\xfe\xff", 2) == 0))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: UTF-16 text; save it as UTF-8", r->name);
    if (r->end - r->p >= 3 && memcmp(r->p, "\xef\xbb\xbf", 3) == 0)
        r->p += 3;
    r->delimiter = choose_delimiter(r);
    rows = r->p;
    TRY(read_names(r));
    if (r->header == MUCMM_HEADER_NO) {
        TRY(make_names(r));
        r->p = rows;
        r->line = 1;
    } else if (r->header == MUCMM_HEADER_AUTO)
        TRY(check_is_header(r));
    TRY(check_names_differ(r));
done:
    return status;
}

/* Names NAME=LEVEL of a category's columns. */
static mucmm_status name_levels(reader *r, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    for (int64_t l = 0; l < r->n_levels[i]; l++) {
        const char *parts[] = {column_name(r, i), "=", r->levels[i][l]};
        r->field_size = 0;
        for (int k = 0; k < 3; k++)
            TRY(append(r, (const unsigned char *)parts[k], strlen(parts[k])));
        t->category[t->cols] = true;
        TRY(keep_field(r, &t->column_at[t->cols++]));
    }
done:
    return status;
}

static mucmm_status look(reader *r);

static mucmm_status read_header(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;
    int64_t most;

    TRY(read_first_line(r));
    if (r->asked->categories && !r->looked)
        TRY(look(r));
    TRY(choose_columns(r));
    most = r->n_columns;
    for (int64_t i = 0; r->levels && i < r->n_columns; i++)
        most += r->n_levels[i];
    TRY(mucmm__alloc(r->ctx, most, sizeof *t->column_at, &t->column_at));
    if (r->levels)
        TRY(mucmm__alloc(r->ctx, most, sizeof *t->category, &t->category));
    for (int64_t i = 0; i < r->n_columns; i++)
        if (r->kind[i] == CATEGORY)
            TRY(name_levels(r, i));
        else if (r->kind[i] == FEATURE)
            t->column_at[t->cols++] = r->names[i];
    if (t->cols == 0)
        TRY(fail_no_feature(r));
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
    static const char *const missing[] = {"",     "na",  "nan",  "+nan", "-nan",
                                          "null", "n/a", "#n/a", NULL};
    return is_one_of(s, missing);
}

bool mucmm__is_infinite(const char *s)
{
    static const char *const infinite[] = {"inf",       "+inf",      "-inf", "infinity",
                                           "+infinity", "-infinity", NULL};
    return is_one_of(s, infinite);
}

/* A cell that is no number: maybe none of its column is, or all have a decimal comma. */
static mucmm_status look_again(reader *r, int64_t column)
{
    mucmm_status status = MUCMM_OK;
    bool comma = r->comma;

    if (!r->looked) {
        TRY(look(r));
        r->again = r->is_text[column] || r->comma != comma;
    }
    status = r->again ? MUCMM_EFORMAT : fail_cell(r, MUCMM_EFORMAT, column, "is not a number");
done:
    return status;
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
    if (r->comma && is_comma_decimal(s))
        *strchr(s, ',') = '.';
    else if (r->comma && strchr(s, '.'))
        return fail_cell(r, MUCMM_EFORMAT, column, "is no number with a decimal comma");
    if (!mucmm__is_decimal(s))
        return look_again(r, column);
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

/* 1 for the cell's level, 0 for the others. */
static void read_category(reader *r, int64_t column, double **next)
{
    const char *s = mucmm__trim(r->field);
    bool missing = mucmm__is_missing(s);

    for (int64_t l = 0; l < r->n_levels[column]; l++) {
        if (missing)
            note_hole(r, column);
        *(*next)++ = missing ? NAN : strcmp(s, r->levels[column][l]) == 0;
    }
}

static mucmm_status read_cell(reader *r, int64_t column, double **next)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    if (r->kind[column] == FEATURE)
        TRY(parse_number(r, column, (*next)++));
    if (r->kind[column] == CATEGORY)
        read_category(r, column, next);
    if (column == r->key_column) {
        if (t->keyed && r->field_size == 0)
            TRY(fail_cell(r, MUCMM_EFORMAT, column, "is no key; it must not be empty"));
        TRY(keep_field(r, &t->key_at[t->rows]));
    }
done:
    return status;
}

/* Where the row's first empty cell is. */
static void write_hole(const reader *r, char *out)
{
    char name[MUCMM__QUOTE], text[MUCMM__QUOTE];

    snprintf(out, sizeof r->table->hole, "%" PRId64 ": column %" PRId64 " ('%s'): '%s'",
             r->hole_line, r->hole_column + 1, mucmm__quote(name, column_name(r, r->hole_column)),
             mucmm__quote(text, r->hole));
}

/* A row in which some cells have values, or none. */
static mucmm_status end_row(reader *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table *t = r->table;

    if (r->missing == 0)
        return MUCMM_OK;
    if (r->missing < t->cols) {
        if (!t->hole[0])
            write_hole(r, t->hole);
        return MUCMM_OK;
    }
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
                       "%s:%" PRId64 ": %" PRId64 " fields, the header has %" PRId64 "%s", r->name,
                       line, n, r->n_columns,
                       n == 2 && r->n_columns == 1 && r->delimiter == ','
                           ? "; if the comma stands before decimals, say so (`decimal` comma)"
                           : "");
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
                                  size_t size, mucmm_header header, mucmm__strings *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__table table = {0}; /* holds the text */
    reader r = {.ctx = ctx,
                .name = name,
                .p = bytes,
                .end = bytes + size,
                .header = header,
                .table = &table,
                .strings = out};

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

/* ---- looking at a whole table ------------------------------------------------------- */

static char *seen_cell(const reader *r, int64_t row, int64_t column)
{
    return mucmm__trim(r->seen.text + r->seen.at[(row + 1) * r->seen.cols + column]);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mucmm_status find_levels(reader *r, int64_t column)
{
    mucmm_status status = MUCMM_OK;
    const char **cell = NULL;
    char quoted[MUCMM__QUOTE];
    int64_t n = 0, levels = 0;

    TRY(mucmm__alloc(r->ctx, r->seen.rows, sizeof *cell, &cell));
    for (int64_t i = 0; i < r->seen.rows; i++)
        if (!mucmm__is_missing(seen_cell(r, i, column)))
            cell[n++] = seen_cell(r, i, column);
    qsort(cell, (size_t)n, sizeof *cell, compare_names);
    for (int64_t i = 0; i < n; i++)
        if (levels == 0 || strcmp(cell[i], cell[levels - 1]) != 0)
            cell[levels++] = cell[i];
    if (levels > MOST_LEVELS)
        TRY(mucmm__fail(
            r->ctx, MUCMM_EFORMAT,
            "%s: column '%s' has %" PRId64 " different cells; a category has at most %d", r->name,
            mucmm__quote(quoted, column_name(r, column)), levels, MOST_LEVELS));
    r->n_levels[column] = levels;
    r->levels[column] = cell;
    cell = NULL;
done:
    mucmm__free(cell);
    return status;
}

/* 1,234 may be a number with three decimals or one with thousands. */
static bool may_be_thousands(const char *s)
{
    s += *s == '+' || *s == '-';
    return *s != '0' && strchr(s, ',') - s <= 3 && strlen(strchr(s, ',')) == 4 &&
           count_digits(strchr(s, ',') + 1) == 3;
}

typedef struct decimals {
    int64_t commas,
        clear; /* cells with a decimal comma; those of which nothing else can be thought */
    const char *comma, *point;
    int64_t comma_line, point_line;
} decimals;

static void count_cell(decimals *d, const char *cell, int64_t line)
{
    if (is_comma_decimal(cell)) {
        d->commas++;
        d->clear += !may_be_thousands(cell);
        d->comma = cell;
        d->comma_line = line;
    } else if (mucmm__is_decimal(cell) && strchr(cell, '.')) {
        d->point = cell;
        d->point_line = line;
    }
}

static mucmm_status choose_decimal(reader *r, const decimals *d)
{
    char comma[MUCMM__QUOTE], point[MUCMM__QUOTE];

    if (d->commas == 0 || r->asked->decimal != MUCMM_DECIMAL_AUTO)
        return MUCMM_OK;
    if (d->point)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s: numbers have a decimal comma ('%s' in line %" PRId64
                           ") and a decimal point ('%s' in line %" PRId64
                           "): say which it is (`decimal`)",
                           r->name, mucmm__quote(comma, d->comma), d->comma_line,
                           mucmm__quote(point, d->point), d->point_line);
    if (d->clear == 0)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s:%" PRId64
                           ": '%s' has a comma before decimals, or between thousands: "
                           "say that it is a decimal comma (`decimal` comma), or write numbers "
                           "without thousands",
                           r->name, d->comma_line, mucmm__quote(comma, d->comma));
    r->comma = true;
    return MUCMM_OK;
}

/* Is there no number in the column, and a text? */
static bool look_at_column(reader *r, int64_t j, decimals *d)
{
    int64_t numbers = 0, texts = 0;

    for (int64_t i = 0; i < r->seen.rows; i++) {
        const char *cell = seen_cell(r, i, j);
        if (mucmm__is_missing(cell))
            continue;
        count_cell(d, cell, r->seen.line[i]);
        if (is_numeric(cell))
            numbers++;
        else
            texts++;
    }
    return numbers == 0 && texts > 0;
}

/* Which columns hold texts, the levels of categories, what stands before decimals. */
static mucmm_status look(reader *r)
{
    mucmm_status status = MUCMM_OK;
    uint64_t used = 0;
    decimals d = {0};

    r->looked = true;
    TRY(mucmm__strings_parse(r->ctx, r->name, r->bytes, r->size,
                             r->header == MUCMM_HEADER_NO ? r->header : MUCMM_HEADER_YES,
                             &r->seen));
    TRY(mucmm__alloc(r->ctx, r->n_columns, sizeof *r->is_text, &r->is_text));
    for (int64_t j = 0; j < r->n_columns; j++)
        if (!r->kind || r->kind[j] == FEATURE)
            r->is_text[j] = look_at_column(r, j, &d);
    TRY(choose_decimal(r, &d));
    if (!r->asked->categories)
        return MUCMM_OK;
    TRY(mucmm__alloc(r->ctx, r->n_columns, sizeof *r->levels, &r->levels));
    TRY(mucmm__alloc(r->ctx, r->n_columns, sizeof *r->n_levels, &r->n_levels));
    for (int64_t j = 0; j < r->n_columns; j++)
        if (mucmm__list_find(r->asked->categories, column_name(r, j), &used) >= 0)
            TRY(find_levels(r, j));
done:
    return status;
}

/* ---- a table of numbers -------------------------------------------------------------- */

/* The line that says which columns of texts are left out. */
static void say_texts(const reader *r)
{
    char list[400] = "", quoted[MUCMM__QUOTE];
    size_t used = 0;
    int64_t texts = 0;

    for (int64_t i = 0; i < r->n_columns; i++)
        if (r->is_text && r->is_text[i] &&
            (r->kind[i] == TEXTS ||
             (r->kind[i] == KEY && !r->table->keyed && column_name(r, i)[0]))) {
            texts++;
            if (used < sizeof list - MUCMM__QUOTE - 8)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'",
                                         used ? ", " : "", mucmm__quote(quoted, column_name(r, i)));
        }
    if (texts > 0)
        mucmm__warn(r->ctx,
                    "%s: no features, as they hold texts: %" PRId64 " column%s, %s (`key` pairs "
                    "rows by one, `categories` makes numbers of one, `ignore` says nothing of it)",
                    r->name, texts, texts == 1 ? "" : "s", list);
}

static mucmm_status parse_once(reader *r)
{
    mucmm_status status = MUCMM_OK;

    mucmm__table_drop(r->table);
    r->again = false;
    r->p = r->bytes;
    r->n_columns = r->text_size = r->text_room = r->rows_room = 0;
    TRY(read_header(r));
    TRY(read_rows(r, read_row, &r->table->rows));
done:
    return status;
}

static void reader_drop(reader *r)
{
    for (int64_t j = 0; r->levels && j < r->seen.cols; j++)
        mucmm__free(r->levels[j]);
    mucmm__free(r->levels);
    mucmm__free(r->n_levels);
    mucmm__free(r->is_text);
    mucmm__free(r->kind);
    mucmm__strings_drop(&r->seen);
    freelocale(r->c_locale);
    mucmm__free(r->field);
    mucmm__free(r->names);
}

mucmm_status mucmm__csv_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, const mucmm_data_params *p, mucmm__table *out)
{
    mucmm_status status = MUCMM_OK;
    reader r = {.ctx = ctx,
                .name = name,
                .bytes = bytes,
                .size = size,
                .end = bytes + size,
                .asked = p,
                .header = (mucmm_header)p->header,
                .comma = p->decimal == MUCMM_DECIMAL_COMMA,
                .table = out};

    *out = (mucmm__table){0};
    r.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.c_locale)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory: no C locale", name);
    status = parse_once(&r);
    while (r.again)
        status = parse_once(&r);
    if (status != MUCMM_OK)
        goto done;
    say_texts(&r);
    if (r.header == MUCMM_HEADER_NO && !out->category) {
        mucmm__free(out->column_at);
        out->column_at = NULL;
    }
done:
    reader_drop(&r);
    if (status != MUCMM_OK)
        mucmm__table_drop(out);
    return status;
}

/* ---- samples in columns -------------------------------------------------------------- */

/* Puts one byte where there is room. */
static void put(unsigned char *out, size_t *n, char c)
{
    if (out)
        out[*n] = (unsigned char)c;
    ++*n;
}

/* Every cell in quotes but for empty ones; out NULL: the size alone. */
static size_t put_transposed(const mucmm__strings *t, unsigned char *out)
{
    size_t n = 0;

    for (int64_t j = 0; j < t->cols; j++)
        for (int64_t i = -1; i < t->rows; i++) {
            put(out, &n, '"');
            for (const char *c = mucmm__strings_cell(t, i, j); *c; c++) {
                if (*c == '"')
                    put(out, &n, '"');
                put(out, &n, *c);
            }
            put(out, &n, '"');
            put(out, &n, i + 1 < t->rows ? ',' : '\n');
        }
    return n;
}

mucmm_status mucmm__csv_transpose(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                  size_t size, unsigned char **out, size_t *out_size)
{
    mucmm_status status = MUCMM_OK;
    mucmm__strings t = {0};

    *out = NULL;
    TRY(mucmm__strings_parse(ctx, name, bytes, size, MUCMM_HEADER_YES, &t));
    *out_size = put_transposed(&t, NULL);
    TRY(mucmm__alloc(ctx, (int64_t)*out_size, 1, out));
    put_transposed(&t, *out);
done:
    mucmm__strings_drop(&t);
    return status;
}
