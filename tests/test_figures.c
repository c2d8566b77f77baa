/* SPDX-License-Identifier: MIT
 *
 * Figures of loadings and components: what an SVG holds is counted by its colours.
 */
#include "core/palette.h"
#include "workspace.h"

static const char *const ROUGH[8] = {
    "a,b", "<b> & \"c\"", "\x01\x7f\xff\xc3", "\xce\xb4 wide", "", "\n\n", "]]>", NULL};

/* How often the file fills with a colour; its bytes are the same when it is written again. */
static int fills(const char *name, const unsigned char rgb[3])
{
    bytes file = get_file(name);
    char color[80] = "fill:rgb(";
    int n = 0;

    for (int i = 0; i < 3; i++) { /* without zeros at the end */
        char number[32];
        size_t length = (size_t)snprintf(number, sizeof number, "%f", rgb[i] / 2.55);
        while (number[length - 1] == '0')
            length--;
        number[number[length - 1] == '.' ? length - 1 : length] = '\0';
        strcat(strcat(color, number), i < 2 ? "%," : "%)");
    }
    file.data[file.size] = '\0';
    assert_memory_equal(file.data, "<?xml", 5);
    for (const char *at = (const char *)file.data; (at = strstr(at, color)); at++)
        n++;
    free(file.data);
    return n;
}

static void check_same(const char *one, const char *two)
{
    bytes a = get_file(one), b = get_file(two);

    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    free(a.data);
    free(b.data);
}

static void check_begin(const char *name, const char *begin)
{
    bytes file = get_file(name);

    assert_memory_equal(file.data, begin, strlen(begin));
    free(file.data);
}

static mucmm_fit_params linear_params(void)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 3;
    p.individual = 2;
    p.bootstrap = 10;
    return p;
}

/* Positive and negative bars of the components beyond chance, `each` a variate. */
static void count_bars(const mucmm_model *m, const mucmm_loadings *l, int64_t each, int want[2])
{
    const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    int64_t n, place = 0;
    const mucmm_loading *list = mucmm_loadings_list(l, &n);

    want[0] = want[1] = 0;
    for (int64_t i = 0; i < n; i++) {
        place = i > 0 && list[i].component == list[i - 1].component ? place + 1 : 0;
        if (!list[i].individual && s->p_values[list[i].component] <= .05 && place < each)
            want[list[i].loading < 0]++;
    }
}

static void test_bars_are_the_largest_loadings(void **state)
{
    problem q = new_problem(ctx, 2, 300, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m = fit(ctx, &q, &p);
    unsigned char rgb[2][3];
    int want[2];

    (void)state;
    mucmm__map_color(.62, NULL, rgb[0]);
    mucmm__map_color(-.62, NULL, rgb[1]);
    for (int64_t top = 0; top < 4; top += 3) {
        mucmm_loadings_params lp;
        mucmm_loadings *l;
        mucmm_loadings_params_init(&lp);
        lp.top = top;
        CHECK_OK(ctx, mucmm_loadings_create(ctx, m, NULL, 0, &lp, &l));
        count_bars(m, l, top ? top : 10, want);
        assert_true(want[0] + want[1] >= 6);
        for (int i = 0; i < 2; i++)
            CHECK_OK(ctx, mucmm_loadings_figure(ctx, l, in_folder(i ? "b.svg" : "a.svg")));
        check_same("a.svg", "b.svg");
        for (int i = 0; i < 2; i++)
            assert_int_equal(fills("a.svg", rgb[i]), want[i]);
        CHECK_OK(ctx, mucmm_loadings_figure(ctx, l, in_folder("a.pdf")));
        check_begin("a.pdf", "%PDF-1.");
        CHECK_OK(ctx, mucmm_loadings_figure(ctx, l, in_folder("a.png")));
        check_begin("a.png", "\x89PNG");
        assert_int_equal(mucmm_loadings_figure(ctx, l, "/proc/a.svg"), MUCMM_EIO);
        assert_int_equal(mucmm_loadings_figure(ctx, l, NULL), MUCMM_EARG);
        mucmm_loadings_free(l);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Names that are no text, or would be markup; and a single view. */
static void test_names_do_no_harm(void **state)
{
    static char longest[5000];
    problem q = new_problem(ctx, 2, 200, false, 4);
    mucmm_fit_params p = linear_params();
    mucmm_model *m = fit(ctx, &q, &p);
    const char *names[8];
    mucmm_loadings *l;
    mucmm_data *named;
    mucmm_array a;

    (void)state;
    memset(longest, 'W', sizeof longest - 1);
    for (int i = 0; i < 8; i++)
        names[i] = ROUGH[i] ? ROUGH[i] : longest;
    mucmm_array_init(&a);
    a.data = q.x[0];
    a.rows = q.n;
    a.cols = q.p[0];
    a.columns = names;
    assert_int_equal(q.p[0], 8);
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &named));
    CHECK_OK(ctx, mucmm_loadings_create(ctx, m, &(mucmm_view){"left", named}, 1, NULL, &l));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ctx, mucmm_loadings_figure(
                          ctx, l, in_folder((const char *[]){"a.svg", "a.pdf", "a.png"}[i])));
    mucmm_loadings_free(l);
    mucmm_data_free(named);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* A square a component, a line and two ends of its interval in its colour, and what chance reaches
 * of rows that were permuted as they are. */
static void test_components_have_marks(void **state)
{
    static const unsigned char square[3] = {58, 104, 176}, chance[3] = {208, 208, 208};
    problem q = new_problem(ctx, 2, 320, false, 4);
    mucmm_fit_params p = linear_params();

    (void)state;
    for (int cross = 0; cross < 2; cross++) {
        mucmm_score_params sp;
        mucmm_scores *s;
        mucmm_model *m;
        p.folds = cross ? 5 : 0;
        p.repeats = cross ? 2 : 0;
        p.validation = cross ? .1 : .3;
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_model_components_figure(ctx, m, in_folder("c.svg")));
        assert_int_equal(fills("c.svg", square), 1 + 3 * 4); /* one in the legend */
        mucmm_score_params_init(&sp);
        sp.permutations = 99;
        CHECK_OK(ctx, mucmm_score(ctx, m, q.view, 2, &sp, &s));
        CHECK_OK(ctx, mucmm_scores_components_figure(ctx, s, in_folder("c.svg")));
        assert_int_equal(fills("c.svg", chance), cross ? 0 : 3);
        assert_int_equal(fills("c.svg", square), 1 + 3 * (cross ? 1 : 4));
        assert_int_equal(mucmm_scores_components_figure(ctx, s, "/proc/c.pdf"), MUCMM_EIO);
        assert_int_equal(mucmm_scores_components_figure(ctx, NULL, "c.pdf"), MUCMM_EARG);
        mucmm_scores_free(s);
        mucmm_model_free(m);
    }
    drop_problem(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_are_the_largest_loadings),
        cmocka_unit_test(test_names_do_no_harm),
        cmocka_unit_test(test_components_have_marks),
    };
    return cmocka_run_group_tests_name("figures", tests, set_up, tear_down);
}
