/* SPDX-License-Identifier: MIT
 *
 * What is read of a table: its header, which columns, categories, decimals, names of rows, samples
 * in columns, compressed tables; and columns that can be no measurements.
 */
#include "io_case.h"

#include <zlib.h>

enum { ROWS = 40 };

typedef struct asked {
    const char *key, *columns, *ignore, *categories;
    int32_t header, decimal;
    const char *transpose;
} asked;

static mucmm_status open_asked(mucmm_ctx *c, const char *name, asked a, mucmm_data **out)
{
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = a.key;
    p.columns = a.columns;
    p.ignore = a.ignore;
    p.categories = a.categories;
    p.header = a.header;
    p.decimal = a.decimal;
    p.transpose = a.transpose;
    return mucmm_data_open(c, in_folder(name), &p, out);
}

static void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

/* The table is read as these columns (names with blanks between them; "" = none) and numbers. */
static void check_read(const char *name, const char *text, asked a, const char *columns, int64_t n,
                       int64_t cols, const float *want)
{
    mucmm_data *d;
    char names[256] = "";

    put_text(name, text);
    CHECK_OK(ctx, open_asked(ctx, name, a, &d));
    for (int64_t j = 0; j < mucmm_data_cols(d) && mucmm_data_column(d, j); j++)
        strcat(strcat(names, j ? " " : ""), mucmm_data_column(d, j));
    assert_string_equal(names, columns);
    check_values(d, want, n, cols);
    mucmm_data_free(d);
}

static void check_refused(const char *text, asked a, mucmm_status status, const char *fragment)
{
    mucmm_data *d;

    put_text("x.csv", text);
    check_message(open_asked(ctx, "x.csv", a, &d), status, fragment);
    assert_null(d);
}

/* ---- the header ---------------------------------------------------------------------- */

static void test_a_header_of_numbers(void **state)
{
    static const char *const rows[] = {
        "0.5,1.25\n2,3\n",         "1e-3\n2\n",         "-1,+2,3\n4,5,6\n", "s1,0.5\ns2,1\n",
        "2019,2020,2021\n1,2,3\n", "0,1\n1,0\n",        "0,0\n1,0\n",       "NA,1\n2,3\n",
        "1,5;2,5\n1,0;2,0\n",      "a,b,0.5\nc,d,1.5\n"};
    mucmm_table_params p;
    mucmm_table *t;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_refused(rows[i], (asked){0}, MUCMM_EFORMAT, "x.csv:1: the header holds numbers");
    mucmm_table_params_init(&p);
    check_message(mucmm_table_open_memory(ctx, rows[0], strlen(rows[0]), "t.csv", &p, &t),
                  MUCMM_EFORMAT, "t.csv:1: the header holds numbers");
    p.header = MUCMM_HEADER_YES;
    CHECK_OK(ctx, mucmm_table_open_memory(ctx, rows[0], strlen(rows[0]), "t.csv", &p, &t));
    mucmm_table_free(t);
    check_read("x.csv", rows[0], (asked){.header = MUCMM_HEADER_NO}, "", 2, 2,
               (float[]){.5f, 1.25f, 2, 3});
    check_read("x.csv", rows[4], (asked){.header = MUCMM_HEADER_YES}, "2019 2020 2021", 1, 3,
               (float[]){1, 2, 3});
    check_read("x.csv", rows[3], (asked){.header = MUCMM_HEADER_NO, .key = "1"}, "", 2, 1,
               (float[]){.5f, 1});
    check_refused(rows[0], (asked){.header = 3}, MUCMM_EARG, "`header` 3");
}

/* What programs write where columns have no names, and names above numbers. */
static void test_headers_that_need_no_question(void **state)
{
    (void)state;
    check_read("x.csv", "0,1,2\n5,6,7\n", (asked){0}, "0 1 2", 1, 3, (float[]){5, 6, 7});
    check_read("x.csv", ",0,1\n0,5,6\n", (asked){0}, "0 1", 1, 2, (float[]){5, 6});
    check_read("x.csv", "a,400.1\n5,6\n", (asked){0}, "a 400.1", 1, 2, (float[]){5, 6});
    check_read("x.csv", "id,400.1\ns,6\n", (asked){.key = "id"}, "400.1", 1, 1, (float[]){6});
}

/* ---- columns --------------------------------------------------------------------------- */

static void test_columns_that_are_asked_for(void **state)
{
    const char *text = "id,sex,a1,a2,b\nx,f,1,2,3\ny,m,4,5,6\n";

    (void)state;
    check_read("x.csv", text, (asked){0}, "a1 a2 b", 2, 3, (float[]){1, 2, 3, 4, 5, 6});
    check_read("x.csv", text, (asked){.columns = "a*"}, "a1 a2", 2, 2, (float[]){1, 2, 4, 5});
    check_read("x.csv", text, (asked){.ignore = "*2, b"}, "a1", 2, 1, (float[]){1, 4});
    check_read("x.csv", text, (asked){.columns = "b", .categories = "sex"}, "sex=f sex=m b", 2, 3,
               (float[]){1, 0, 3, 0, 1, 6});
    check_refused(text, (asked){.ignore = "b,c"}, MUCMM_EARG, "no column is 'c', which `ignore`");
    check_refused(text, (asked){.columns = "A*"}, MUCMM_EFORMAT,
                  "no column of numbers is left by `columns` 'A*'; the columns are 'id', 'sex'");
    check_refused("a,b\n1,2\nx,3\n", (asked){0}, MUCMM_EFORMAT, "x.csv:3: column 1 ('a'): 'x' is");
    check_read("x.csv", "a,b\n1,2\nx,3\n", (asked){.ignore = "a"}, "b", 2, 1, (float[]){2, 3});
}

static void test_decimal_commas(void **state)
{
    (void)state;
    check_read("x.csv", "a;b\n1;2,5\n-0,25;1e3\n", (asked){0}, "a b", 2, 2,
               (float[]){1, 2.5f, -.25f, 1000});
    check_read("x.csv",
               "\xef\xbb\xbf"
               "a\tb\r\n1\t2,5\r\n",
               (asked){0}, "a b", 1, 2, (float[]){1, 2.5f});
    check_read("x.csv", "a,b\n\"1,5\",2\n", (asked){0}, "a b", 1, 2, (float[]){1.5f, 2});
    check_refused("a;b\n1,5;2.5\n", (asked){0}, MUCMM_EFORMAT, "decimal point ('2.5' in line 2)");
    check_refused("a;b\n1,234;2\n", (asked){0}, MUCMM_EFORMAT, "or between thousands");
    check_read("x.csv", "a;b\n1,234;2\n", (asked){.decimal = MUCMM_DECIMAL_COMMA}, "a b", 1, 2,
               (float[]){1.234f, 2});
    check_refused("a\n1,5\n", (asked){0}, MUCMM_EFORMAT, "say so (`decimal` comma)");
    check_read("x.csv", "a\n1,5\n", (asked){.decimal = MUCMM_DECIMAL_COMMA}, "a", 1, 1,
               (float[]){1.5f});
    check_refused("a;b\n1,5;2\n", (asked){.decimal = MUCMM_DECIMAL_POINT}, MUCMM_EFORMAT,
                  "'1,5' is not a number");
    check_refused("a;b\n1,5;2.5\n", (asked){.decimal = MUCMM_DECIMAL_COMMA}, MUCMM_EFORMAT,
                  "no number with a decimal comma");
}

static void test_samples_in_columns(void **state)
{
    const char *text = "gene,s1,s2\ng1,1,2\n\"g\"\"2\",3,4\n";

    (void)state;
    check_read("x.csv", text, (asked){.transpose = ""}, "g1 g\"2", 2, 2, (float[]){1, 3, 2, 4});
    check_read("x.csv", text, (asked){.transpose = "", .key = "gene"}, "g1 g\"2", 2, 2,
               (float[]){1, 3, 2, 4});
}

static void test_compressed_tables(void **state)
{
    const char *text = "id,a\nx,1\ny,2\n";
    gzFile f = gzopen(in_folder("z.csv.gz"), "wb");
    mucmm_data *d;
    mucmm_table *t;

    (void)state;
    assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), strlen(text));
    gzclose(f);
    CHECK_OK(ctx, open_asked(ctx, "z.csv.gz", (asked){.key = "id"}, &d));
    assert_string_equal(mucmm_data_key(d, 1), "y");
    mucmm_data_free(d);
    CHECK_OK(ctx, mucmm_table_open(ctx, in_folder("z.csv.gz"), NULL, &t));
    mucmm_table_free(t);
    put_file("z.csv.gz", "\x1f\x8b\x08\0\0", 5);
    check_message(open_asked(ctx, "z.csv.gz", (asked){0}, &d), MUCMM_EFORMAT, "gzip");
}

/* ---- several views --------------------------------------------------------------------- */

static mucmm_status open_two(const char *left, const char *right, const mucmm_data_params *p,
                             mucmm_views **v)
{
    const char *paths[] = {in_folder("l.csv"), in_folder("r.csv")};

    put_text("l.csv", left);
    put_text("r.csv", right);
    return mucmm_views_open(ctx, (const char *const[]){"l", "r"}, paths, 2, p, v);
}

static void test_columns_of_one_view(void **state)
{
    mucmm_data_params p;
    mucmm_views *v;

    (void)state;
    mucmm_data_params_init(&p);
    p.ignore = "l:a,c";
    CHECK_OK(ctx, open_two("a,b\n1,2\n", "a,c,d\n3,4,5\n", &p, &v));
    assert_string_equal(mucmm_data_column(mucmm_views_list(v)[0].data, 0), "b");
    assert_string_equal(mucmm_data_column(mucmm_views_list(v)[1].data, 0), "a");
    assert_int_equal(mucmm_data_cols(mucmm_views_list(v)[1].data), 2);
    mucmm_views_free(v);
    p.ignore = "l:c";
    check_message(open_two("a,b\n1,2\n", "a,c,d\n3,4,5\n", &p, &v), MUCMM_EARG, "is 'l:c'");
}

/* New rows have fewer levels, or others. */
static void test_levels_are_matched_by_name(void **state)
{
    static char text[2][ROWS * 24];
    const char *level = "sex=";
    mucmm_data *d[2], *few;
    mucmm_fit_params p;
    mucmm_model *m;
    float all[ROWS], some[2];
    int used[2] = {0, 0};

    (void)state;
    for (int i = -1; i < ROWS; i++)
        for (int v = 0; v < 2; v++)
            used[v] +=
                i < 0 ? sprintf(text[v] + used[v], v ? "b,c\n" : "sex,a\n")
                : v   ? sprintf(text[v] + used[v], "%g,%g\n", sin(i) + (i % 3 == 1), cos(3. * i))
                      : sprintf(text[v] + used[v], "%c,%g\n", "mfx"[i % 3], sin(i + 2. * (i % 2)));
    put_text("l.csv", text[0]);
    put_text("r.csv", text[1]);
    CHECK_OK(ctx, open_asked(ctx, "l.csv", (asked){.categories = "sex"}, &d[0]));
    CHECK_OK(ctx, open_asked(ctx, "r.csv", (asked){0}, &d[1]));
    mucmm_fit_params_init(&p);
    p.common = 1;
    p.head = MUCMM_HEAD_LINEAR;
    CHECK_OK(ctx, mucmm_fit(ctx, (mucmm_view[]){{"l", d[0]}, {"r", d[1]}}, 2, &p, &m));
    assert_int_equal(strncmp(mucmm_model_view_column(m, 0, 0), level, strlen(level)), 0);
    CHECK_OK(ctx,
             mucmm_transform(ctx, m, MUCMM_LINEAR, 0, d[0], &(mucmm_mat){all, ROWS, 1, 1}, NULL));
    mucmm_data_free(d[0]);
    sprintf(text[0], "a,sex\n%g,m\n%g,y\n", sin(0), sin(3));
    put_text("l.csv", text[0]);
    CHECK_OK(ctx, open_asked(ctx, "l.csv", (asked){.categories = "sex"}, &few));
    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_LINEAR, 0, few, &(mucmm_mat){some, 2, 1, 1}, NULL));
    CHECK_CLOSE(some[0], all[0], 1e-5);
    mucmm_data_free(few);
    CHECK_OK(ctx, open_asked(ctx, "l.csv", (asked){0}, &few));
    check_message(mucmm_transform(ctx, m, MUCMM_LINEAR, 0, few, &(mucmm_mat){some, 2, 1, 1}, NULL),
                  MUCMM_ESHAPE, "and its categories (`categories`)");
    mucmm_data_free(few);
    mucmm_data_free(d[1]);
    mucmm_model_free(m);
}

static void test_rows_that_have_names(void **state)
{
    mucmm_views *v;
    float x;

    (void)state;
    CHECK_OK(ctx, open_two(",a\nx,1\ny,2\n", ",b\ny,20\nx,10\n", NULL, &v));
    CHECK_OK(ctx,
             mucmm_data_read(ctx, mucmm_views_list(v)[1].data, NULL, 1, &(mucmm_mat){&x, 1, 1, 1}));
    assert_true(x == 10);
    mucmm_views_free(v);
    CHECK_OK(ctx, open_two(",a\n1,1\n2,2\n", ",b\ny,20\nx,10\n", NULL, &v)); /* none in both */
    CHECK_OK(ctx,
             mucmm_data_read(ctx, mucmm_views_list(v)[1].data, NULL, 1, &(mucmm_mat){&x, 1, 1, 1}));
    assert_true(x == 20);
    mucmm_views_free(v);
    check_message(open_two(",a\nx,1\ny,2\n", ",b\ny,20\nz,10\n", NULL, &v), MUCMM_EFORMAT,
                  "key 'z' is not in");
    check_message(open_two("n,a\nx,1\ny,2\n", "n,x,y,z\ng,1,2,3\nh,4,5,6\ni,7,8,9\n", NULL, &v),
                  MUCMM_ESHAPE, "r.csv seems to have samples in columns");
}

/* ---- no measurements ------------------------------------------------------------------- */

/* Two views of three columns; `at` in both is made by kind. */
static mucmm_status fit_with(const char *name, int kind, int32_t allow)
{
    static float x[2][ROWS * 3];
    const char *names[] = {"p", name, "q"}, *others[] = {"u", "v", "w"};
    mucmm_view views[2];
    mucmm_data *d[2];
    mucmm_fit_params p;
    mucmm_model *m;
    mucmm_status status;

    for (int v = 0; v < 2; v++) {
        mucmm_array a;
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < 3; j++)
                x[v][3 * i + j] = (float)(sin(i * i + .3 * i) + sin((17 + v) * i + 7 * j));
        for (int i = 0; i < ROWS; i++)
            if (v == 0 || kind == 3 || kind == 4)
                x[v][3 * i + 1] = kind == 0   ? (float)(1000 + i)
                                  : kind == 1 ? (float)(i * 7 % 41)
                                  : kind == 2 ? (float)i / 10
                                  : kind == 3 ? (float)(i * i % 7)
                                              : (float)(i == 3);
        mucmm_array_init(&a);
        a.data = x[v];
        a.rows = ROWS;
        a.cols = 3;
        a.columns = !name ? NULL : v == 0 ? names : others;
        CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d[v]));
        views[v] = (mucmm_view){v == 0 ? "a" : "b", d[v]};
    }
    mucmm_fit_params_init(&p);
    p.common = 1;
    p.head = MUCMM_HEAD_LINEAR;
    p.allow_ids = allow;
    status = mucmm_fit(ctx, views, 2, &p, &m);
    mucmm_model_free(m);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    return status;
}

static void test_columns_that_are_no_measurements(void **state)
{
    (void)state;
    check_message(fit_with("x", 0, 0), MUCMM_EARG, "column 1 ('x') counts the rows");
    check_message(fit_with(NULL, 0, 0), MUCMM_EARG, "column 1 counts the rows");
    check_message(fit_with("Sample_ID", 1, 0), MUCMM_EARG, "its name says");
    check_message(fit_with("x", 3, 0), MUCMM_EARG, "is column 1 ('v') of view 'b' again");
    CHECK_OK(ctx, fit_with("x", 0, 1));
    CHECK_OK(ctx, fit_with("rank", 1, 0)); /* no identifier by its name */
    CHECK_OK(ctx, fit_with("time", 2, 0)); /* in steps of a tenth */
    CHECK_OK(ctx, fit_with("id", 2, 0));
    CHECK_OK(ctx, fit_with("x", 4, 0)); /* as good as constant */
}

/* ---- out of memory --------------------------------------------------------------------- */

static mucmm_status sweep_asked(mucmm_ctx *c)
{
    mucmm_data *d;
    mucmm_status status = open_asked(c, "s.csv", (asked){.categories = "sex", .ignore = "b"}, &d);

    assert_int_equal(d == NULL, status != MUCMM_OK);
    mucmm_data_free(d);
    if (status == MUCMM_OK)
        status = open_asked(c, "t.csv", (asked){.transpose = "", .header = MUCMM_HEADER_YES}, &d);
    mucmm_data_free(d);
    return status;
}

static void test_reading_out_of_memory(void **state)
{
    (void)state;
    put_text("s.csv", "id;sex;a;b\nx;1;1,5;t\ny;2;2;u\n");
    put_text("t.csv", "g;s;t\n\"q\"\"\";1,5;2\n");
    sweep(sweep_asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_header_of_numbers),
                                       cmocka_unit_test(test_headers_that_need_no_question),
                                       cmocka_unit_test(test_columns_that_are_asked_for),
                                       cmocka_unit_test(test_decimal_commas),
                                       cmocka_unit_test(test_samples_in_columns),
                                       cmocka_unit_test(test_compressed_tables),
                                       cmocka_unit_test(test_columns_of_one_view),
                                       cmocka_unit_test(test_levels_are_matched_by_name),
                                       cmocka_unit_test(test_rows_that_have_names),
                                       cmocka_unit_test(test_columns_that_are_no_measurements),
                                       cmocka_unit_test(test_reading_out_of_memory)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
