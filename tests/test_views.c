/* SPDX-License-Identifier: MIT
 *
 * Paired views: what they refuse, pairing by key, a model's order, names of samples. */
#include "workspace.h"

#include "io/data.h"

static void put_text(const char *name, const char *text)
{
    put_file(name, &(bytes){(unsigned char *)(uintptr_t)text, strlen(text)});
}

static mucmm_data *wrap(int64_t rows)
{
    static const float x[64];
    mucmm_data *d = NULL;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, rows, 2, 2}, "x", NULL, 0, &d));
    return d;
}

/* ---- from memory ------------------------------------------------------------------- */

static void test_views_keep_their_data(void **state)
{
    mucmm_data *a = wrap(5), *b = wrap(5);
    char name[] = "left";
    mucmm_view list[] = {{name, a}, {"right", b}};
    mucmm_views *v = NULL;
    char label[32];

    (void)state;
    CHECK_OK(ctx, mucmm_views_create(ctx, list, 2, &v));
    mucmm_data_free(a);
    mucmm_data_free(b);
    name[0] = 'x'; /* names are copied */
    assert_int_equal(mucmm_views_count(v), 2);
    assert_int_equal(mucmm_views_rows(v), 5);
    assert_string_equal(mucmm_views_list(v)[0].name, "left");
    assert_int_equal(mucmm_data_rows(mucmm_views_list(v)[1].data), 5);
    assert_null(mucmm_views_study(v));
    assert_null(mucmm_views_sample(v, 3, NULL));
    assert_null(mucmm_views_sample(v, 3, "column"));
    assert_string_equal(mucmm_views_label(v, 3, NULL, label, sizeof label), "sample 3");
    CHECK_OK(ctx, mucmm_views_training(ctx, v, "left", &a));
    assert_null(a);
    mucmm_views_free(v);
    mucmm_views_free(NULL);
}

static void test_views_refuse(void **state)
{
    mucmm_data *a = wrap(5), *b = wrap(4);
    const mucmm_view other_rows[] = {{"l", a}, {"r", b}}, twice[] = {{"l", a}, {"l", a}};
    const mucmm_view path[] = {{"../x", a}}, control[] = {{"a\033b", a}}, none[] = {{NULL, a}};
    const mucmm_view empty[] = {{"l", NULL}};
    mucmm_views *v = (mucmm_views *)a;

    (void)state;
    check_message(ctx, mucmm_views_create(ctx, other_rows, 2, &v), MUCMM_ESHAPE,
                  "view 'l' (x) has 5 rows and view 'r' (x) has 4; views are paired row by row");
    assert_null(v);
    check_message(ctx, mucmm_views_create(ctx, twice, 2, &v), MUCMM_EARG, "given twice");
    check_message(ctx, mucmm_views_create(ctx, path, 1, &v), MUCMM_EARG, "view name '../x'");
    check_message(ctx, mucmm_views_create(ctx, control, 1, &v), MUCMM_EARG, "view name");
    check_message(ctx, mucmm_views_create(ctx, none, 1, &v), MUCMM_EARG, "view name ''");
    check_message(ctx, mucmm_views_create(ctx, empty, 1, &v), MUCMM_EARG, "'l' has no data");
    check_message(ctx, mucmm_views_create(ctx, twice, 0, &v), MUCMM_EARG, "0 views");
    check_message(ctx, mucmm_views_create(ctx, twice, 17, &v), MUCMM_EARG, "17 views");
    mucmm_data_free(a);
    mucmm_data_free(b);
}

/* ---- from files -------------------------------------------------------------------- */

static const char *const file_names[] = {"left", "right"};

static mucmm_status open_tables(mucmm_ctx *c, const char *key, int32_t missing, mucmm_views **out)
{
    const char *paths[2] = {in_folder("l.csv"), in_folder("r.csv")};
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = key;
    p.missing = missing;
    return mucmm_views_open(c, file_names, paths, 2, &p, out);
}

static void test_views_pair_by_key(void **state)
{
    mucmm_views *v = NULL;
    char label[4];

    (void)state;
    put_text("l.csv", "id,a\nx,1\nyyy,2\n");
    put_text("r.csv", "id,b\nyyy,20\nx,10\n");
    CHECK_OK(ctx, open_tables(ctx, "id", 0, &v));
    assert_string_equal(mucmm_views_sample(v, 1, NULL), "yyy");
    assert_string_equal(mucmm_views_label(v, 1, NULL, label, sizeof label), "yyy");
    assert_string_equal(mucmm_data_key(mucmm_views_list(v)[1].data, 0), "x");
    mucmm_views_free(v);
    put_text("r.csv", "id,b\nzz,20\nx,10\n");
    check_message(ctx, open_tables(ctx, "id", 0, &v), MUCMM_EFORMAT, "zz");
    assert_null(v);
    CHECK_OK(ctx, open_tables(ctx, "id", 1, &v));
    assert_int_equal(mucmm_views_rows(v), 3);
    assert_string_equal(mucmm_views_sample(v, 2, NULL), "zz"); /* the first view lacks it */
    assert_int_equal(mucmm_data_missing(mucmm_views_list(v)[0].data), 1);
    mucmm_views_free(v);
    check_message(ctx, open_tables(ctx, NULL, 0, &v), MUCMM_EFORMAT, "key 'zz' is not in");
    assert_null(v);
    put_text("r.csv", "id,b\nyyy,20\nx,10\n"); /* names of rows in another order pair them */
    CHECK_OK(ctx, open_tables(ctx, NULL, 0, &v));
    assert_string_equal(mucmm_data_key(mucmm_views_list(v)[1].data, 0), "x");
    mucmm_views_free(v);
    unlink(in_folder("r.csv"));
    check_message(ctx, open_tables(ctx, "id", 0, &v), MUCMM_EIO, "r.csv");
    unlink(in_folder("l.csv"));
}

/* ---- rows by name ------------------------------------------------------------------ */

static mucmm_views *keyed_views(void)
{
    mucmm_views *v = NULL;

    put_text("l.csv", "id,a\nP-1,1\n2,2\n\"a,b\",3\n../x,4\nall,5\n");
    put_text("r.csv", "id,b\nP-1,1\n2,2\n\"a,b\",3\n../x,4\nall,7\n");
    CHECK_OK(ctx, open_tables(ctx, "id", 0, &v));
    return v;
}

static void check_samples(const mucmm_views *v, const char *text, int64_t n, const int64_t *want)
{
    int64_t *rows, count;

    CHECK_OK(ctx, mucmm_views_samples(ctx, v, text, &rows, &count));
    assert_int_equal(count, n);
    assert_memory_equal(rows, want, (size_t)n * sizeof *want);
    mucmm_bytes_free(rows);
}

static void test_samples_by_name(void **state)
{
    mucmm_views *v = keyed_views();
    int64_t *rows, n;

    (void)state;
    check_samples(v, "P-1", 1, (const int64_t[]){0});
    check_samples(v, "2", 1, (const int64_t[]){1}); /* the key, not the number */
    check_samples(v, "3,0-1,P-1,", 4, (const int64_t[]){3, 0, 1, 0});
    check_samples(v, "a,b", 1, (const int64_t[]){2});
    check_samples(v, "all", 1, (const int64_t[]){4}); /* a key, too */
    check_message(ctx, mucmm_views_samples(ctx, v, "P-11", &rows, &n), MUCMM_EARG,
                  "did you mean 'P-1'?");
    assert_null(rows);
    check_message(ctx, mucmm_views_samples(ctx, v, "qqqqqqq", &rows, &n), MUCMM_EARG,
                  "names are such as 'P-1'");
    mucmm_views_free(v);
}

/* A row that lacks a view cannot be shown: all are those that lack none. */
static void test_all_samples_lack_no_view(void **state)
{
    mucmm_views *v = NULL;

    (void)state;
    put_text("l.csv", "id,a\nx,1\ny,2\nz,4\n");
    put_text("r.csv", "id,b\nz,20\nw,10\nx,3\n");
    CHECK_OK(ctx, open_tables(ctx, "id", 1, &v));
    check_samples(v, "all", 2, (const int64_t[]){0, 2});
    mucmm_views_free(v);
    unlink(in_folder("l.csv"));
    unlink(in_folder("r.csv"));
}

static void test_samples_by_number(void **state)
{
    static const char *const bad[] = {"",    "x",  "1,,2", ",1",
                                      "3-1", "-1", "1-",   "99999999999999999999"};
    mucmm_data *a = wrap(5);
    mucmm_view list[] = {{(char[]){"l"}, a}};
    mucmm_views *v = NULL;
    int64_t *rows, n;

    (void)state;
    CHECK_OK(ctx, mucmm_views_create(ctx, list, 1, &v));
    check_samples(v, "0-2,4,4", 5, (const int64_t[]){0, 1, 2, 4, 4});
    check_samples(v, "all", 5, (const int64_t[]){0, 1, 2, 3, 4});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_message(ctx, mucmm_views_samples(ctx, v, bad[i], &rows, &n), MUCMM_EARG, "`samples`");
    check_message(ctx, mucmm_views_samples(ctx, v, NULL, &rows, &n), MUCMM_EARG, "empty");
    check_message(ctx, mucmm_views_samples(ctx, v, "2,5", &rows, &n), MUCMM_ESHAPE, "no sample 5");
    mucmm_views_free(v);
    mucmm_data_free(a);
}

/* No key leads out of a folder, and no two rows to one file. */
static void test_file_names(void **state)
{
    static const char *const want[] = {"P-1", "2", "a_b~2", "_._x~3", "all"};
    mucmm_views *v = keyed_views();
    char name[128], text[200] = "";
    mucmm_data_params p;

    (void)state;
    for (int64_t i = 0; i < 5; i++)
        assert_string_equal(mucmm_views_file_name(v, i, name, sizeof name), want[i]);
    mucmm_views_free(v);
    for (int i = 0; i < 70; i++)
        memcpy(text + 5 + 2 * i, "\303\244", 3);
    memcpy(text, "id,a\n", 5);
    strcat(text, ",1\n");
    put_text("l.csv", text);
    unlink(in_folder("r.csv"));
    mucmm_data_params_init(&p);
    p.key = "id";
    CHECK_OK(ctx,
             mucmm_views_open(ctx, file_names, (const char *[]){in_folder("l.csv")}, 1, &p, &v));
    mucmm_views_file_name(v, 0, name, sizeof name);
    assert_string_equal(name + strlen(name) - 4, "\303\244~0"); /* cut between letters */
    assert_true(strlen(name) < 100);
    mucmm_views_free(v);
}

/* ---- a study ----------------------------------------------------------------------- */

static mucmm_study *small_study(void)
{
    mucmm_study *s = NULL;

    put_text("s.csv", "id,text,group\n1,one two,a\n2,two one,b\n3,one one,c\n4,two two,d\n");
    put_text("x.csv", "x\n1\n2\n3\n4\n");
    put_text("s.json",
             "{\"table\": \"s.csv\", \"split\": {\"test\": 0.5}, \"views\": {\"words\": {\"kind\": "
             "\"text\", \"column\": \"text\", \"tokenizer\": \"words\", \"min_rows\": 1, "
             "\"encoder\": \"tf-idf\"}, "
             "\"numbers\": {\"kind\": \"table\", \"file\": \"x.csv\", \"show\": \"text\"}}}");
    CHECK_OK(ctx, mucmm_study_load(ctx, in_folder("s.json"), &s));
    return s;
}

static void test_views_of_a_study(void **state)
{
    mucmm_study *s = small_study();
    mucmm_views *v = (mucmm_views *)s;
    mucmm_data *training = NULL;
    mucmm_study_params p;
    int64_t row;
    char cell[16];

    (void)state;
    check_message(ctx, mucmm_views_of_study(ctx, s, MUCMM_PART_TEST, &v), MUCMM_EARG,
                  "mucmm_study_encode first");
    assert_null(v);
    mucmm_study_params_init(&p);
    p.cache = in_folder("cache");
    CHECK_OK(ctx, mucmm_study_encode(ctx, s, &p));
    CHECK_OK(ctx, mucmm_views_of_study(ctx, s, MUCMM_PART_TEST, &v));
    row = mucmm_study_row(s, MUCMM_PART_TEST, 1);
    mucmm_study_free(s); /* v keeps it */
    assert_int_equal(mucmm_views_count(v), 2);
    assert_int_equal(mucmm_views_rows(v), 2);
    assert_int_equal(mucmm_views_part(v), MUCMM_PART_TEST);
    assert_ptr_equal(mucmm_views_study(v), s);
    snprintf(cell, sizeof cell, "%d", (int)row + 1);
    assert_string_equal(mucmm_views_cell(v, 1, "id"), cell);
    assert_string_equal(mucmm_views_sample(v, 1, "id"), cell);
    assert_string_equal(mucmm_data_shown(mucmm_views_list(v)[1].data, 1),
                        mucmm_views_cell(v, 1, "text"));
    assert_null(mucmm_data_shown(mucmm_views_list(v)[1].data, 2));
    assert_null(mucmm_data_shown(mucmm_views_list(v)[0].data, 1));
    assert_null(mucmm_views_cell(v, 1, "none"));
    assert_null(mucmm_views_cell(v, 2, "id"));
    assert_null(mucmm_views_cell(v, 1, NULL));
    assert_non_null(strstr(mucmm_views_sample(v, 1, NULL), " ")); /* the text */
    CHECK_OK(ctx, mucmm_views_training(ctx, v, "words", &training));
    mucmm_views_free(v);
    assert_int_equal(mucmm_data_rows(training), 2);
    mucmm_data_free(training);
    DIR *d = opendir(in_folder("cache"));
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(in_folder("cache"));
}

/* A picture that is not there, a column that is not, a kind that cannot be shown. */
static void test_what_cannot_be_shown(void **state)
{
    static const char *const show[][2] = {
        {"{\"kind\": \"image\", \"column\": \"text\"}", "cannot read"},
        {"\"txt\"", "did you mean 'text'?"},
        {"{\"kind\": \"audio\", \"column\": \"text\"}", "must be the name of a column of texts"},
        {"{\"kind\": \"image\", \"column\": \"text\", \"size\": -1}", "'size'"},
        {"7", "must be the name of a column of texts"}};
    char text[400];

    (void)state;
    for (size_t i = 0; i < sizeof show / sizeof *show; i++) {
        mucmm_study *s = NULL;
        snprintf(text, sizeof text,
                 "{\"table\": \"s.csv\", \"views\": {\"numbers\": {\"kind\": \"table\", "
                 "\"file\": \"x.csv\", \"show\": %s}}}",
                 show[i][0]);
        put_text("t.json", text);
        CHECK_OK(ctx, mucmm_study_load(ctx, in_folder("t.json"), &s));
        assert_int_not_equal(mucmm_study_encode(ctx, s, NULL), MUCMM_OK);
        assert_non_null(strstr(mucmm_ctx_message(ctx), show[i][1]));
        mucmm_study_free(s);
    }
    unlink(in_folder("t.json"));
}

/* ---- a model's order --------------------------------------------------------------- */

static void test_views_in_the_order_of_a_model(void **state)
{
    problem q = new_problem(ctx, 3, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    const mucmm_view turned[] = {q.view[2], q.view[0], q.view[1]};
    const mucmm_view foreign[] = {{"foreign", q.data[0]}};
    mucmm_views *given = NULL, *v = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm_views_create(ctx, turned, 3, &given));
    CHECK_OK(ctx, mucmm_views_match(ctx, given, m, 1, &v));
    for (int32_t i = 0; i < 3; i++)
        assert_string_equal(mucmm_views_list(v)[i].name, q.view[i].name);
    mucmm_views_free(v);
    mucmm_views_free(given);
    CHECK_OK(ctx, mucmm_views_create(ctx, turned, 2, &given));
    CHECK_OK(ctx, mucmm_views_match(ctx, given, m, 0, &v));
    assert_int_equal(mucmm_views_count(v), 2);
    assert_ptr_equal(mucmm_views_list(v)[1].data, q.data[2]);
    mucmm_views_free(v);
    check_message(ctx, mucmm_views_match(ctx, given, m, 1, &v), MUCMM_EARG,
                  "view 'right' of the model is not given; its views are: left, right, ");
    assert_null(v);
    mucmm_views_free(given);
    CHECK_OK(ctx, mucmm_views_create(ctx, foreign, 1, &given));
    check_message(ctx, mucmm_views_match(ctx, given, m, 0, &v), MUCMM_EARG,
                  "the model has no view 'foreign'; its views are: left, right, ");
    mucmm_views_free(given);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- out of memory ----------------------------------------------------------------- */

static mucmm_status call_open(mucmm_ctx *c, void *arg)
{
    mucmm_views *v = arg;
    mucmm_status status = open_tables(c, "id", 1, &v);

    assert_int_equal(v == NULL, status != MUCMM_OK);
    mucmm_views_free(v);
    return status;
}

typedef struct matching {
    mucmm_model *m;
    mucmm_view *list;
} matching;

static mucmm_status call_match(mucmm_ctx *c, void *arg)
{
    matching *t = arg;
    mucmm_views *given = NULL, *v = NULL;
    mucmm_status status = mucmm_views_create(c, t->list, 2, &given);

    if (status == MUCMM_OK)
        status = mucmm_views_match(c, given, t->m, 1, &v);
    assert_int_equal(v == NULL, status != MUCMM_OK);
    mucmm_views_free(v);
    mucmm_views_free(given);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    matching t = {fit(ctx, &q, &p), q.view};

    (void)state;
    put_text("l.csv", "id,a\nx,1\ny,2\n");
    put_text("r.csv", "id,b\ny,20\nz,10\n");
    assert_true(sweep_out_of_memory(call_open, &t, 1000) > 10);
    assert_true(sweep_out_of_memory(call_match, &t, 1000) >= 6);
    mucmm_model_free(t.m);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_keep_their_data),
        cmocka_unit_test(test_views_refuse),
        cmocka_unit_test(test_views_pair_by_key),
        cmocka_unit_test(test_samples_by_name),
        cmocka_unit_test(test_samples_by_number),
        cmocka_unit_test(test_all_samples_lack_no_view),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_views_of_a_study),
        cmocka_unit_test(test_what_cannot_be_shown),
        cmocka_unit_test(test_views_in_the_order_of_a_model),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("views", tests, set_up, tear_down);
}
