/* SPDX-License-Identifier: MIT
 *
 * From the words of a command line to settings, by the table of options. */
#include "options.h"

#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an option that takes one of several words, at most. */
enum { MAX_CHOICES = 16 };

/* ---- words ------------------------------------------------------------------------- */

/* Place of `word` in "one|two|three", or -1. */
static int64_t choice_index(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int64_t index = 0;

    for (const char *at = choices; at; index++) {
        const char *bar = strchr(at, '|');
        size_t n = bar ? (size_t)(bar - at) : strlen(at);
        if (n == length && strncmp(at, word, n) == 0)
            return index;
        at = bar ? bar + 1 : NULL;
    }
    return -1;
}

const char *choice_word(const char *choices, int64_t i, char *out, size_t size)
{
    for (; i > 0; i--)
        choices = strchr(choices, '|') + 1;
    snprintf(out, size, "%.*s", (int)strcspn(choices, "|"), choices);
    return out;
}

/* The word of "one|two|three" that is near to a mistyped one, "; did you mean 'two'?", or "". */
static const char *near_choice(const char *choices, const char *wrong, char *out, size_t size)
{
    const char *words[MAX_CHOICES], *near;
    char copy[256], *at = copy;
    int32_t n = 0;

    snprintf(copy, sizeof copy, "%s", choices);
    for (char *end; at && n < MAX_CHOICES; at = end ? end + 1 : NULL) {
        if ((end = strchr(at, '|')))
            *end = '\0';
        words[n++] = at;
    }
    near = mucmm_nearest_word(wrong, words, n);
    snprintf(out, size, "%s%s%s", near ? "; did you mean '" : "", near ? near : "",
             near ? "'?" : "");
    return out;
}

/* ---- values ------------------------------------------------------------------------ */

bool parse_count(const char *text, int64_t *out)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = value;
    return true;
}

bool parse_shape(const char *text, int64_t *shape, int32_t *rank)
{
    char word[24];

    *rank = 0;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "x");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        if (*rank == MUCMM_MAX_RANK || !parse_count(word, &shape[*rank]) || shape[*rank] < 1 ||
            shape[*rank] > INT32_MAX)
            return false;
        (*rank)++;
        at += length;
        if (*at == 'x' && *++at == '\0')
            return false;
    }
    return *rank > 0;
}

const char *find_pair(const pairs *p, const char *name)
{
    for (int32_t i = 0; i < p->n; i++)
        if (strcmp(p->name[i], name) == 0)
            return p->value[i];
    return NULL;
}

static bool parse_real(const char *text, double *out)
{
    char *end = NULL;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

/* "--common: 'x' is not a whole number from 1 to 100000" */
static bool refuse(const option *o, const char *text, const char *kind)
{
    if (o->hi >= 1e15)
        print_error("--%s: '%s' is not %s of at least %g", o->name, text, kind, o->lo);
    else
        print_error("--%s: '%s' is not %s from %g to %.10g", o->name, text, kind, o->lo, o->hi);
    return false;
}

static bool take_count(const option *o, const char *text, int64_t *out)
{
    if (!parse_count(text, out) || (double)*out < o->lo || (double)*out > o->hi)
        return refuse(o, text, "a whole number");
    return true;
}

/* Word i of "R|one|two" is the number -i. */
static bool take_real(const option *o, const char *text, double *out)
{
    const char *words = strchr(o->value, '|');
    char near[80];
    int64_t word = words ? choice_index(words + 1, text) : -1;

    if (word >= 0) {
        *out = -1.0 - (double)word;
        return true;
    }
    if (words && !parse_real(text, out)) {
        print_error("--%s: '%s' is no number and none of %s%s", o->name, text, words + 1,
                    near_choice(words + 1, text, near, sizeof near));
        return false;
    }
    if (!parse_real(text, out) || *out < o->lo || *out > o->hi)
        return refuse(o, text, "a number");
    return true;
}

static bool take_choice(const option *o, const char *text, int64_t *out)
{
    char near[80];

    *out = choice_index(o->value, text);
    if (*out < 0)
        print_error("--%s: '%s' is none of %s%s", o->name, text, o->value,
                    near_choice(o->value, text, near, sizeof near));
    return *out >= 0;
}

static bool take_counts(const option *o, const char *text, counts *out)
{
    const char *at = text;

    out->n = 0;
    while (*at) {
        char word[24];
        size_t length = strcspn(at, ",");
        if (out->n == MUCMM_MAX_HIDDEN) {
            print_error("--%s: '%s' has more than %d numbers", o->name, text, MUCMM_MAX_HIDDEN);
            return false;
        }
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        if (!take_count(o, word, &out->value[out->n++]))
            return false;
        at += length + (at[length] == ',');
    }
    return true;
}

static bool good_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return length > 0 && length < MAX_NAME;
}

/* Refuses the name in place n if it is among the n before it, which are `size` bytes apart. */
static bool is_new(const option *o, const char *names, size_t size, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (strcmp(names + (size_t)i * size, names + (size_t)n * size) == 0) {
            print_error("--%s: '%s' is given twice", o->name, names + (size_t)i * size);
            return false;
        }
    return true;
}

static bool take_pair(const option *o, const char *text, pairs *out)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;

    if (!equals || equals[1] == '\0' || !good_name(text, length)) {
        print_error("--%s: '%s' is not %s (a name has letters, digits, '_' and '-')", o->name, text,
                    o->value);
        return false;
    }
    if (out->n == MUCMM_MAX_VIEWS) {
        print_error("--%s is given more than %d times", o->name, MUCMM_MAX_VIEWS);
        return false;
    }
    snprintf(out->name[out->n], MAX_NAME, "%.*s", (int)length, text);
    if (!is_new(o, (const char *)out->name, MAX_NAME, out->n))
        return false;
    out->value[out->n++] = equals + 1;
    return true;
}

/* One of a list of numbers of views, `length` letters: NUMBER or NAME=NUMBER. */
static bool take_view_count(const option *o, const char *text, size_t length, view_counts *out)
{
    const char *equals = memchr(text, '=', length);
    size_t name = equals ? (size_t)(equals - text) : 0;
    char word[24];

    if (out->n == MUCMM_MAX_VIEWS) {
        print_error("--%s is given for more than %d views", o->name, MUCMM_MAX_VIEWS);
        return false;
    }
    if (equals && !good_name(text, name)) {
        print_error("--%s: '%.*s' is not NAME=NUMBER", o->name, (int)length, text);
        return false;
    }
    snprintf(out->name[out->n], MAX_NAME, "%.*s", (int)name, text);
    if (equals && !is_new(o, (const char *)out->name, MAX_NAME, out->n))
        return false;
    name += equals ? 1 : 0;
    snprintf(word, sizeof word, "%.*s", (int)(length - name), text + name);
    out->value[out->n] = COUNT_AUTO;
    if (strcmp(word, "auto") != 0 && !take_count(o, word, &out->value[out->n]))
        return false;
    out->n++;
    return true;
}

static bool take_view_counts(const option *o, const char *text, view_counts *out)
{
    out->n = 0;
    for (const char *at = text; *at || at == text;) {
        size_t length = strcspn(at, ",");
        if (!take_view_count(o, at, length, out))
            return false;
        at += length + (at[length] == ',');
        if (!*at)
            break;
    }
    return true;
}

static bool take_tensor(const option *o, const char *text, tensor_pairs *out)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;

    if (length == 0 || length >= MAX_TENSOR_NAME || equals[1] == '\0') {
        print_error("--%s: '%s' is not %s", o->name, text, o->value);
        return false;
    }
    if (out->n == MAX_TENSORS) {
        print_error("--%s is given more than %d times", o->name, MAX_TENSORS);
        return false;
    }
    snprintf(out->name[out->n], MAX_TENSOR_NAME, "%.*s", (int)length, text);
    if (!is_new(o, (const char *)out->name, MAX_TENSOR_NAME, out->n))
        return false;
    out->value[out->n++] = equals + 1;
    return true;
}

static bool take_text(const option *o, const char *text, texts *out)
{
    if (out->n == MAX_TENSORS) {
        print_error("--%s is given more than %d times", o->name, MAX_TENSORS);
        return false;
    }
    out->value[out->n++] = text;
    return true;
}

static bool take_value(const option *o, const char *text, settings *out)
{
    void *at = (char *)out + o->offset;

    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_TEXT:
        *(const char **)at = text;
        return true;
    case OPTION_COUNT:
        return take_count(o, text, at);
    case OPTION_AUTO:
        if (strcmp(text, "auto") != 0)
            return take_count(o, text, at);
        *(int64_t *)at = COUNT_AUTO;
        return true;
    case OPTION_REAL:
        return take_real(o, text, at);
    case OPTION_COUNTS:
        return take_counts(o, text, at);
    case OPTION_VIEW_COUNTS:
        return take_view_counts(o, text, at);
    case OPTION_CHOICE:
        return take_choice(o, text, at);
    case OPTION_PAIRS:
        return take_pair(o, text, at);
    case OPTION_TENSORS:
        return take_tensor(o, text, at);
    case OPTION_TEXTS:
        return take_text(o, text, at);
    }
    return false;
}

/* ---- the command line -------------------------------------------------------------- */

void options_none(settings *s)
{
    int64_t *whole[] = {&s->common,
                        &s->epochs,
                        &s->individual_epochs,
                        &s->batch,
                        &s->seed,
                        &s->threads,
                        &s->permutations,
                        &s->shown,
                        &s->features,
                        &s->steps,
                        &s->repeats,
                        &s->train_pairs,
                        &s->head,
                        &s->scale,
                        &s->method,
                        &s->representation,
                        &s->figures,
                        &s->part,
                        &s->missing,
                        &s->memory,
                        &s->noise_samples,
                        &s->null_models,
                        &s->null_rows,
                        &s->stages,
                        &s->top,
                        &s->measure,
                        &s->bootstrap,
                        &s->restarts,
                        &s->folds,
                        &s->adjust_nonlinear,
                        &s->header,
                        &s->decimal};
    double *reals[] = {&s->validation,  &s->ridge,         &s->learning_rate, &s->weight_decay,
                       &s->input_noise, &s->independence,  &s->noise,         &s->mask,
                       &s->missing_row, &s->missing_column};

    *s = (settings){0};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        *whole[i] = -1;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        *reals[i] = NAN;
    s->hidden.n = -1;
}

/* The option that arg names: "--name", "--name=value" or "-x". */
static const option *find_option(const option *table, const char *arg)
{
    size_t length = strcspn(arg, "=");

    for (const option *o = table; o->name; o++) {
        if (arg[0] == '-' && arg[1] == o->letter && o->letter && arg[2] == '\0')
            return o;
        if (strncmp(arg, "--", 2) == 0 && strlen(o->name) == length - 2 &&
            strncmp(arg + 2, o->name, length - 2) == 0)
            return o;
    }
    return NULL;
}

static void refuse_unknown(const char *command, const option *table, const char *arg)
{
    const char *words[64];
    char wrong[MAX_NAME];
    int32_t n = 0;

    snprintf(wrong, sizeof wrong, "%.*s", (int)strcspn(arg, "="), arg);
    for (const option *o = table; o->name && n < 64; o++)
        if (o->help)
            words[n++] = o->name;
    const char *near = mucmm_nearest_word(wrong + strspn(wrong, "-"), words, n);
    if (near)
        print_error("%s: unknown option '%s'; did you mean --%s?", command, wrong, near);
    else
        print_error("%s: unknown option '%s'; see mucmm help %s", command, wrong, command);
}

/* Reads the option at argv[*i] and moves *i behind it. */
static bool take_option(const char *command, const option *table, int argc, char **argv, int *i,
                        settings *out)
{
    const char *arg = argv[(*i)++], *equals = strchr(arg, '=');
    const option *o = find_option(table, arg);

    if (!o) {
        refuse_unknown(command, table, arg);
        return false;
    }
    if (o->kind == OPTION_FLAG) {
        if (equals)
            print_error("--%s takes no value", o->name);
        return !equals && take_value(o, NULL, out);
    }
    if (equals)
        return take_value(o, equals + 1, out);
    if (*i >= argc || strncmp(argv[*i], "--", 2) == 0) {
        print_error("--%s needs a value: %s", o->name, o->value);
        return false;
    }
    return take_value(o, argv[(*i)++], out);
}

static bool is_given(const option *o, const settings *s)
{
    const void *at = (const char *)s + o->offset;

    if (o->kind == OPTION_FLAG)
        return *(const bool *)at;
    if (o->kind == OPTION_REAL)
        return !isnan(*(const double *)at);
    if (o->kind == OPTION_COUNTS)
        return ((const counts *)at)->n >= 0;
    if (o->kind == OPTION_VIEW_COUNTS)
        return ((const view_counts *)at)->n > 0;
    if (o->kind == OPTION_TEXT)
        return *(const char *const *)at != NULL;
    if (o->kind == OPTION_PAIRS)
        return ((const pairs *)at)->n > 0;
    if (o->kind == OPTION_TENSORS)
        return ((const tensor_pairs *)at)->n > 0;
    if (o->kind == OPTION_TEXTS)
        return ((const texts *)at)->n > 0;
    return *(const int64_t *)at != -1;
}

bool options_parse(const char *command, const option *table, int argc, char **argv, settings *out)
{
    bool options_end = false;

    options_none(out);
    out->table = table;
    for (int i = 0; i < argc;) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
            i++;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!take_option(command, table, argc, argv, &i, out))
                return false;
        } else if (out->n_operands == MAX_OPERANDS) {
            print_error("%s: '%s' is one argument too many", command, argv[i]);
            return false;
        } else {
            out->operand[out->n_operands++] = argv[i++];
        }
    }
    return true;
}

bool options_complete(const char *command, const option *table, const settings *s)
{
    for (const option *o = table; o->name; o++)
        if (o->required && !is_given(o, s)) {
            print_error("%s: --%s %s is missing; see mucmm help %s", command, o->name, o->value,
                        command);
            return false;
        }
    return true;
}

/* ---- back to words ----------------------------------------------------------------- */

void word_put(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./,:=@%+";

    fputc(' ', out);
    if (word[0] && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
    fputc('\'', out);
}

/* 15 digits if they are the number, as they are of what was typed; -1, -2 of "R|one|two" are words.
 */
static void put_real(FILE *out, const option *o, double x)
{
    const char *words = strchr(o->value, '|');
    char text[64];

    if (words && x < 0)
        choice_word(words + 1, (int64_t)(-1 - x), text, sizeof text);
    else
        snprintf(text, sizeof text, "%.15g", x);
    if (!(words && x < 0) && (strtod(text, NULL) < x || strtod(text, NULL) > x))
        snprintf(text, sizeof text, "%.17g", x);
    fprintf(out, " %s", text);
}

static void put_count(FILE *out, const option *o, int64_t n)
{
    char word[64];

    if (o->kind == OPTION_CHOICE)
        fprintf(out, " %s", choice_word(o->value, n, word, sizeof word));
    else if (o->kind == OPTION_AUTO && n == COUNT_AUTO)
        fprintf(out, " auto");
    else
        fprintf(out, " %" PRId64, n);
}

static void put_counts(FILE *out, const counts *c)
{
    for (int32_t i = 0; i < c->n; i++)
        fprintf(out, "%c%" PRId64, i == 0 ? ' ' : ',', c->value[i]);
    if (c->n == 0)
        fputs(" ''", out);
}

static void put_view_counts(FILE *out, const view_counts *c)
{
    for (int32_t i = 0; i < c->n; i++) {
        fprintf(out, "%c%s%s", i == 0 ? ' ' : ',', c->name[i], c->name[i][0] ? "=" : "");
        if (c->value[i] == COUNT_AUTO)
            fputs("auto", out);
        else
            fprintf(out, "%" PRId64, c->value[i]);
    }
}

static void put_pairs(FILE *out, const option *o, const pairs *p)
{
    for (int32_t i = 0; i < p->n; i++) {
        char *word = NULL;
        if (asprintf(&word, "%s=%s", p->name[i], p->value[i]) < 0)
            word = NULL;
        fprintf(out, " --%s", o->name);
        word_put(out, word ? word : "");
        free(word);
    }
}

static void put_option(FILE *out, const option *o, const settings *s)
{
    const void *at = (const char *)s + o->offset;

    if (o->kind == OPTION_PAIRS) {
        put_pairs(out, o, at);
        return;
    }
    if (o->letter)
        fprintf(out, " -%c", o->letter);
    else
        fprintf(out, " --%s", o->name);
    if (o->kind == OPTION_TEXT)
        word_put(out, *(const char *const *)at);
    else if (o->kind == OPTION_REAL)
        put_real(out, o, *(const double *)at);
    else if (o->kind == OPTION_COUNTS)
        put_counts(out, at);
    else if (o->kind == OPTION_VIEW_COUNTS)
        put_view_counts(out, at);
    else if (o->kind != OPTION_FLAG)
        put_count(out, o, *(const int64_t *)at);
}

void options_put(FILE *out, const option *table, const settings *s)
{
    for (int last = 0; last < 2; last++)
        for (const option *o = table; o->name; o++)
            if (o->help && is_given(o, s) && (o->offset == AT(output)) == (last == 1))
                put_option(out, o, s);
}

/* ---- messages of the library ------------------------------------------------------- */

/* Options that are not called as the parameter they set. */
static const char *const renamed[][2] = {
    {"common_epochs", "epochs"},
    {"n_hidden", "hidden"},
    {"scaling", "scale"},
    {"groups", "group"},
};

/* Else they are, but for '-' in the place of '_'. */
static bool sets_parameter(const option *o, const char *parameter, size_t length)
{
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strlen(renamed[i][0]) == length && strncmp(renamed[i][0], parameter, length) == 0)
            return strcmp(renamed[i][1], o->name) == 0;
    for (size_t i = 0; i < length; i++)
        if (o->name[i] != (parameter[i] == '_' ? '-' : parameter[i]))
            return false;
    return o->name[length] == '\0';
}

const char *options_name(const option *table, const char *message, char *out, size_t size)
{
    size_t at = 0;

    for (const char *m = message; *m && at + 1 < size;) {
        size_t length = *m == '`' ? strcspn(m + 1, "`") : 0;
        const option *o = table;
        if (length == 0 || m[1 + length] != '`') {
            out[at++] = *m++;
            continue;
        }
        while (o && o->name && !sets_parameter(o, m + 1, length))
            o++;
        if (o && o->name)
            at += (size_t)snprintf(out + at, size - at, "--%s", o->name);
        else /* a parameter that this command does not set */
            at += (size_t)snprintf(out + at, size - at, "%.*s", (int)length, m + 1);
        m += length + 2;
    }
    out[at < size ? at : size - 1] = '\0';
    return out;
}

/* ---- help -------------------------------------------------------------------------- */

enum { LEFT = 34 }; /* columns of an option and its value */

void options_print(const option *table)
{
    for (const option *o = table; o->name; o++) {
        char left[256];
        if (!o->help)
            continue;
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "  ",
                 o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        bool own_line = strlen(left) > LEFT; /* what must be typed is never cut */
        printf("  %-*s%s%-*s %s%s\n", LEFT, left, own_line ? "\n  " : "", own_line ? LEFT : 0, "",
               o->help, o->required ? " (required)" : "");
    }
}
