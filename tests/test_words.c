/* SPDX-License-Identifier: MIT
 *
 * Bags of words: the numbers of tf-idf against their formula, what is a word, and models that know
 * which vocabulary they were fitted on. */
#include "encode/encode.h"
#include "harness.h"

#include <sys/stat.h>

static mucmm_ctx *ctx;
static char folder[64] = "/tmp/mucmm-test-XXXXXX";

#define WORDS "{\"kind\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"tf-idf\""

static mucmm_data *encode(const char *description, const char *const *items, int64_t n)
{
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_data *d = NULL;

    CHECK_OK(ctx, mucmm_source_create(ctx, description, NULL, items, n, &source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, description, NULL, &encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, NULL, &d));
    mucmm_source_free(source);
    mucmm_encoder_free(encoder);
    return d;
}

static int64_t column_of(const mucmm_data *d, const char *word)
{
    for (int64_t j = 0; j < mucmm_data_cols(d); j++)
        if (strcmp(mucmm_data_column(d, j), word) == 0)
            return j;
    return -1;
}

static float *rows_of(const mucmm_data *d)
{
    int64_t n = mucmm_data_rows(d), p = mucmm_data_cols(d);
    float *x = malloc((size_t)(n * p) * sizeof *x);

    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){x, n, p, p}));
    return x;
}

static void check_refused(const char *description, mucmm_status want, const char *words)
{
    const char *items[] = {"a b", "a b"};
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_status status = mucmm_source_create(ctx, description, NULL, items, 2, &source);

    if (status == MUCMM_OK)
        status = mucmm_encoder_load(ctx, description, NULL, &encoder);
    assert_int_equal(status, want);
    if (!strstr(mucmm_ctx_message(ctx), words))
        fail_msg("'%s' is not in '%s'", words, mucmm_ctx_message(ctx));
    mucmm_source_free(source);
}

/* n = 4; df: sun 3, red 2; sea, blue, once once each. */
static void test_rows_are_tf_idf(void **state)
{
    static const char *const items[] = {"red sun, SUN", "Sun-red", "sun and sea", "blue"};
    mucmm_data *d = encode(WORDS "}", items, 4);
    mucmm_tokens *tokens;
    double sun = log(5. / 4) + 1, red = log(5. / 3) + 1, length = sqrt(4 * sun * sun + red * red);
    float *x = rows_of(d);

    (void)state;
    assert_int_equal(mucmm_data_cols(d), 2);
    assert_string_equal(mucmm_data_column(d, 0), "sun");
    assert_string_equal(mucmm_data_column(d, 1), "red");
    CHECK_CLOSE((double)x[0], 2 * sun / length, 1e-7);
    CHECK_CLOSE((double)x[1], red / length, 1e-7);
    CHECK_CLOSE((double)x[2], sun / sqrt(sun * sun + red * red), 1e-7);
    CHECK_CLOSE((double)x[4], 1, 0);
    CHECK_CLOSE((double)x[5], 0, 0);
    CHECK_CLOSE((double)x[6], 0, 0); /* no word of the vocabulary: zero */
    CHECK_CLOSE((double)x[7], 0, 0);
    assert_int_equal(mucmm_data_source_kind(d), MUCMM_SOURCE_TEXT);
    assert_string_equal(mucmm_data_item(d, 1), "Sun-red");
    CHECK_OK(ctx, mucmm_data_tokens(ctx, d, 1, &tokens));
    assert_int_equal(mucmm_tokens_count(tokens), 2);
    assert_string_equal(mucmm_tokens_piece(tokens, 0), "sun");
    assert_string_equal(mucmm_tokens_piece(tokens, 1), "red");
    mucmm_tokens_free(tokens);
    free(x);
    mucmm_data_free(d);
}

static void test_words_are_letters_and_digits_of_one_form(void **state)
{
    static const char *const items[] = {
        "Stra\xc3\x9f"
        "e caf\xc3\xa9 4x4",                       /* sharp s, e with acute in one */
        "STRASSE, cafe\xcc\x81! \xf0\x9f\x98\x80", /* e and a mark; an emoji is no word */
        "\xef\xbc\xa1\xef\xbc\xa2 don't",          /* full-width AB */
        "ab \xef\xb8\x8f don t",                   /* a mark without a letter */
        "",
    };
    static const char *const want[] = {"strasse", "caf\xc3\xa9", "ab", "don", "t"};
    mucmm_data *d = encode(WORDS "}", items, 5);

    (void)state;
    assert_int_equal(mucmm_data_cols(d), 5);
    for (int i = 0; i < 5; i++)
        assert_true(column_of(d, want[i]) >= 0);
    mucmm_data_free(d);
    d = encode(WORDS ", \"min_rows\": 1, \"max_words\": 2}", items, 5);
    assert_int_equal(mucmm_data_cols(d), 2);
    assert_string_equal(mucmm_data_column(d, 0), "ab"); /* of equal counts by the bytes */
    mucmm_data_free(d);
}

static void test_descriptions_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    check_refused(WORDS ", \"min_rows\": 3}", MUCMM_ESHAPE, "at least 3 of the 2 texts");
    check_refused(WORDS ", \"length\": 3}", MUCMM_EARG, "'length' is not for the tokenizer");
    check_refused(WORDS ", \"wrt\": \"x\"}", MUCMM_EARG, "'wrt' is for a network");
    check_refused(WORDS ", \"fitted\": \"0\"}", MUCMM_EARG, "'fitted' is 0");
    check_refused("{\"kind\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"net.onnx\"}",
                  MUCMM_EARG, "must be 'tf-idf'");
    check_refused("{\"kind\": \"text\", \"tokenizer\": \"bpe\", \"encoder\": \"tf-idf\", "
                  "\"min_rows\": 2}",
                  MUCMM_EARG, "'min_rows' is only for the tokenizer");
    check_refused("{\"kind\": \"text\", \"tokenizer\": \"letters\"}", MUCMM_EARG, "bpe and words");
}

static void test_texts_that_are_not_utf8_are_named(void **state)
{
    static const char *const items[] = {"a b", "a b", "a \xff"};
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_data *d = NULL;
    mucmm_encode_params p;

    (void)state;
    mucmm_encode_params_init(&p);
    CHECK_OK(ctx, mucmm_source_create(ctx, WORDS "}", NULL, items, 3, &source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, WORDS "}", NULL, &encoder));
    assert_int_equal(mucmm_data_encode(ctx, source, encoder, &p, &d), MUCMM_EFORMAT);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "row 2: the text is not UTF-8 at byte 2"));
    p.skip_bad = 1;
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, &p, &d));
    assert_int_equal(mucmm_data_rows(d), 2);
    mucmm_data_free(d);
    mucmm_source_free(source);
    mucmm_encoder_free(encoder);
}

/* ---- in a study -------------------------------------------------------------------- */

enum { ROWS = 40, NUMBERS = 3 };

/* Row i holds the words of i's digits in base 3, so that the numbers, which are those digits, can
 * be told from them; `other` is a word of some rows. */
static void write_study(const char *name, const char *other, const int64_t *strange)
{
    static const char *const words[3][3] = {
        {"red", "green", "blue"}, {"small", "middle", "large"}, {"sun", "moon", "star"}};
    char path[160], table[8192] = "text\n", numbers[8192] = "a,b,c\n", study[512];

    for (int i = 0; i < ROWS; i++) {
        int k = i * 7 % 27, digit[3] = {k % 3, k / 3 % 3, k / 9};
        char *end = table + strlen(table);
        sprintf(end, "%s %s %s %s%s\n", words[0][digit[0]], words[1][digit[1]], words[2][digit[2]],
                i % 2 ? other : "",
                strange && (i == strange[0] || i == strange[1]) ? " strange" : "");
        sprintf(numbers + strlen(numbers), "%d,%d,%d.%d\n", digit[0], digit[1], digit[2], i % 3);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/table.tsv", folder, name);
    CHECK_OK(ctx, mucmm_file_write(ctx, path, table, strlen(table)));
    snprintf(path, sizeof path, "%s/%s/numbers.csv", folder, name);
    CHECK_OK(ctx, mucmm_file_write(ctx, path, numbers, strlen(numbers)));
    snprintf(study, sizeof study,
             "{\"table\": \"table.tsv\", \"split\": {\"test\": 0.25, \"seed\": 3}, \"views\": {\n"
             " \"numbers\": {\"kind\": \"table\", \"file\": \"numbers.csv\"},\n"
             " \"words\": " WORDS ", \"column\": \"text\"}}}");
    snprintf(path, sizeof path, "%s/%s/study.json", folder, name);
    CHECK_OK(ctx, mucmm_file_write(ctx, path, study, strlen(study)));
}

static mucmm_study *open_study(const char *name)
{
    mucmm_study *s = NULL;
    char path[160];

    snprintf(path, sizeof path, "%s/%s/study.json", folder, name);
    CHECK_OK(ctx, mucmm_study_load(ctx, path, &s));
    CHECK_OK(ctx, mucmm_study_encode(ctx, s, NULL));
    return s;
}

static void open_views(const mucmm_study *s, mucmm_part part, mucmm_data *d[2], mucmm_view v[2])
{
    for (int32_t i = 0; i < 2; i++) {
        CHECK_OK(ctx, mucmm_study_view(ctx, s, i, part, &d[i]));
        v[i] = (mucmm_view){mucmm_study_view_name(s, i), d[i]};
    }
}

static void close_views(mucmm_data *d[2])
{
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
}

static void test_model_knows_its_vocabulary(void **state)
{
    mucmm_study *s, *other;
    mucmm_data *d[2], *test[2];
    mucmm_view v[2];
    mucmm_fit_params p;
    mucmm_explain_params ep;
    mucmm_model *m = NULL;
    mucmm_scores *scores = NULL;
    const int64_t row = 0;
    float map[32], x[32];

    (void)state;
    write_study("one", "cloud", NULL);
    write_study("two", "stone", NULL);
    s = open_study("one");
    other = open_study("two");
    open_views(s, MUCMM_PART_TRAIN, d, v);
    assert_int_equal(mucmm_data_cols(d[1]), 10);
    assert_true(column_of(d[1], "cloud") >= 0);
    assert_non_null(strstr(mucmm_data_description(d[1]), "\"fitted\":\""));
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    p.ridge = 0.1;
    CHECK_OK(ctx, mucmm_fit(ctx, v, 2, &p, &m));
    close_views(d);
    open_views(s, MUCMM_PART_TEST, test, v);
    CHECK_OK(ctx, mucmm_score(ctx, m, v, 2, NULL, &scores));
    mucmm_scores_free(scores);
    mucmm_explain_params_init(&ep);
    ep.map = MUCMM_MAP_INPUT_X_GRADIENT;
    CHECK_OK(ctx, mucmm_explain(ctx, m, v, 2, 1, &row, 1, &ep, &(mucmm_mat){map, 1, 10, 10}, NULL));
    CHECK_OK(ctx, mucmm_data_read_raw(ctx, test[1], &row, 1, &(mucmm_mat){x, 1, 10, 10}));
    for (int j = 0; j < 10; j++)
        if (x[j] == 0)
            CHECK_CLOSE((double)map[j], 0, 0); /* words that are not in the text */
    close_views(test);
    open_views(other, MUCMM_PART_TEST, test, v);
    assert_int_equal(mucmm_score(ctx, m, v, 2, NULL, &scores), MUCMM_EARG);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "view 'words': the vocabulary"));
    close_views(test);
    mucmm_model_free(m);
    mucmm_study_free(s);
    mucmm_study_free(other);
}

/* A word of the test part alone changes nothing, not even the features of its own rows. */
static void test_vocabulary_is_of_the_training_part(void **state)
{
    mucmm_study *s, *again;
    mucmm_data *all[2], *more[2];
    mucmm_view v[2];
    float *x, *y;
    char *before;
    int64_t strange[2];

    (void)state;
    write_study("same", "cloud", NULL);
    s = open_study("same");
    open_views(s, MUCMM_PART_ALL, all, v);
    before = strdup(mucmm_data_description(all[1]));
    for (int i = 0; i < 2; i++)
        strange[i] = mucmm_study_row(s, MUCMM_PART_TEST, i);
    write_study("same", "cloud", strange);
    again = open_study("same");
    open_views(again, MUCMM_PART_ALL, more, v);
    assert_string_equal(mucmm_data_description(more[1]), before);
    x = rows_of(all[1]);
    y = rows_of(more[1]);
    assert_memory_equal(x, y, (size_t)ROWS * 10 * sizeof *x);
    free(x);
    free(y);
    free(before);
    close_views(all);
    close_views(more);
    mucmm_study_free(s);
    mucmm_study_free(again);
}

static int set_up(void **state)
{
    (void)state;
    ctx = new_ctx();
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    mucmm_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_tf_idf),
        cmocka_unit_test(test_words_are_letters_and_digits_of_one_form),
        cmocka_unit_test(test_descriptions_that_make_no_sense_are_refused),
        cmocka_unit_test(test_texts_that_are_not_utf8_are_named),
        cmocka_unit_test(test_model_knows_its_vocabulary),
        cmocka_unit_test(test_vocabulary_is_of_the_training_part),
    };
    return cmocka_run_group_tests_name("words", tests, set_up, tear_down);
}
