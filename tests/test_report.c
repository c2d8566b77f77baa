/* SPDX-License-Identifier: MIT
 *
 * The page of mucmm_report: what the user gives stays text, JSON stays inside its script, the parts
 * stand in their order, and a failed allocation leaves nothing behind. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EVIL "<img src=x onerror=alert(1)>\"'&\xff\x01"
#define EVIL_SHOWN "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\xef\xbf\xbd "

static const char spec[] =
    "{\"data\": {\"values\": [{\"name\": \"</script><script>alert(1)</script>\", \"x\": 1.5},"
    "{\"name\": \"\\u2028\", \"x\": 2}]}, \"mark\": \"bar\"}";

/* Every kind of part, each with markup in its texts. */
static mucmm_status fill(mucmm_ctx *ctx, mucmm_report *r)
{
    const char *head[] = {EVIL, "n"}, *cells[] = {EVIL, "12", NULL, "3.5"}, *words[] = {EVIL, "b"};
    const float values[] = {-1, 0.5f, 0, 1};
    const mucmm_cmat map = {values, 2, 2, 2};
    const unsigned char rgb[12] = {255, 0, 0, 0, 255, 0};
    const mucmm_tick tick = {1, EVIL};
    const mucmm_report_side labels = {.name = EVIL, .n = 2, .labels = words};
    const mucmm_report_side grid = {
        .name = EVIL, .n = 2, .rows = 1, .cols = 2, .rgb = rgb, .height = 2, .width = 2};
    mucmm_status status;

#define STEP(e)                                                                                    \
    status = (e);                                                                                  \
    if (status != MUCMM_OK)                                                                        \
        return status;
    STEP(mucmm_report_section(ctx, r, EVIL));
    STEP(mucmm_report_heading(ctx, r, EVIL));
    STEP(mucmm_report_text(ctx, r, EVIL));
    STEP(mucmm_report_code(ctx, r, EVIL));
    STEP(mucmm_report_table(ctx, r, EVIL, head, cells, 2, 2));
    STEP(mucmm_report_chart(ctx, r, EVIL, EVIL, spec));
    STEP(mucmm_report_card(ctx, r, EVIL));
    STEP(mucmm_report_picture(ctx, r, EVIL, rgb, 2, 2, 1));
    STEP(mucmm_report_ticks(ctx, r, 2, 2, &tick, 1, &tick, 1));
    STEP(mucmm_report_map(ctx, r, EVIL, &map, 1, rgb));
    STEP(mucmm_report_words(ctx, r, EVIL, words, values, 2, 1));
    STEP(mucmm_report_bars(ctx, r, EVIL, words, values, 2, 1));
    STEP(mucmm_report_coupling(ctx, r, EVIL, (const mucmm_report_side[]){labels, grid}, values, 1));
    STEP(mucmm_report_line(ctx, r, EVIL));
    STEP(mucmm_report_card(ctx, r, "second"));
    STEP(mucmm_report_section(ctx, r, "last"));
    STEP(mucmm_report_term(ctx, r, EVIL, EVIL));
    return MUCMM_OK;
}

static int64_t count(const char *text, const char *part)
{
    int64_t n = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

/* The whole page, to be freed. */
static char *page_of(mucmm_ctx *ctx)
{
    char path[] = "/tmp/mucmm_report_XXXXXX";
    int fd = mkstemp(path);
    mucmm_report *r = NULL;

    assert_true(fd >= 0);
    CHECK_OK(ctx, mucmm_report_create(ctx, EVIL, &r));
    CHECK_OK(ctx, fill(ctx, r));
    CHECK_OK(ctx, mucmm_report_write(ctx, r, path));
    mucmm_report_free(r);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 4 << 20);
    assert_true(fread(text, 1, (4 << 20) - 1, file) > 1000);
    fclose(file);
    close(fd);
    unlink(path);
    return text;
}

static void test_report_shows_markup_as_text(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    char *page = page_of(ctx);

    (void)state;
    assert_int_equal(count(page, "<img src=x"), 0);
    assert_int_equal(count(page, "<script>alert"), 0);
    assert_int_equal(count(page, "</script><script>alert"), 0);
    /* some stand twice: titles also in the list or the head, captions as labels */
    assert_int_equal(count(page, EVIL_SHOWN), 33);
    free(page);
    mucmm_ctx_free(ctx);
}

static void test_report_closes_what_it_opens(void **state)
{
    static const char *const tags[] = {"section", "article", "table", "figure",
                                       "details", "dl",      "div"};
    mucmm_ctx *ctx = new_ctx();
    char *page = page_of(ctx), open[32], closed[32];

    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        snprintf(open, sizeof open, "<%s", tags[i]);
        snprintf(closed, sizeof closed, "</%s>", tags[i]);
        assert_true(count(page, open) > 0);
        assert_int_equal(count(page, open), count(page, closed));
    }
    assert_int_equal(count(page, "<details open>"), mucmm_report_charts()[0] ? 0 : 1);
    if (mucmm_report_charts()[0])
        assert_non_null(strstr(page, "\\u003c/script\\u003e"));
    assert_int_equal(count(page, "data:image/png;base64,iVBORw0KGgo"), 5);
    free(page);
    mucmm_ctx_free(ctx);
}

static void expect(mucmm_ctx *ctx, mucmm_status got, mucmm_status want, const char *words)
{
    assert_int_equal(got, want);
    assert_non_null(strstr(mucmm_ctx_message(ctx), words));
}

static void test_report_rejects(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm_report *r = NULL;
    const float values[4] = {0, NAN, 0, 0};
    const char *words[] = {"a"};
    const unsigned char rgb[3] = {0};

    (void)state;
    CHECK_OK(ctx, mucmm_report_create(ctx, "t", &r));
    expect(ctx, mucmm_report_picture(ctx, r, "", rgb, 1, 1, 0), MUCMM_EARG, "belongs in a card");
    expect(ctx, mucmm_report_line(ctx, r, ""), MUCMM_EARG, "belongs in a card");
    expect(ctx, mucmm_report_chart(ctx, r, "c", "", "{"), MUCMM_EFORMAT, "line 1");
    expect(ctx, mucmm_report_chart(ctx, r, "c", "", "{}"), MUCMM_EFORMAT, "data.values");
    expect(ctx, mucmm_report_table(ctx, r, "", NULL, NULL, 0, 0), MUCMM_EARG, "0 columns");
    CHECK_OK(ctx, mucmm_report_card(ctx, r, "card"));
    expect(ctx, mucmm_report_picture(ctx, r, "", rgb, 0, 1, 0), MUCMM_ESHAPE, "0 x 1");
    expect(ctx, mucmm_report_ticks(ctx, r, 2, 2, &(mucmm_tick){3, "far"}, 1, NULL, 0), MUCMM_EARG,
           "0 to 2");
    expect(ctx, mucmm_report_map(ctx, r, "", &(mucmm_cmat){values, 2, 2, 2}, 1, NULL),
           MUCMM_ENUMERIC, "row 0, column 1");
    expect(ctx, mucmm_report_map(ctx, r, "", &(mucmm_cmat){values, 1, 1, 1}, 0, NULL), MUCMM_EARG,
           "above 0");
    expect(ctx, mucmm_report_words(ctx, r, "", words, values, 1, 0), MUCMM_EARG, "above 0");
    expect(ctx, mucmm_report_bars(ctx, r, "", words, values, 1, (float)NAN), MUCMM_EARG, "above 0");
    mucmm_report_free(r);
    mucmm_report_free(NULL);
    mucmm_ctx_free(ctx);
}

/* The numbers that the script gets, and what a side may not be. */
static void test_coupling(void **state)
{
    const char *const words[] = {"one", "two"}, *const gap[] = {"one", NULL};
    const float values[] = {1, -.5f, 0, 3}, wild[] = {1, 2, NAN, 0};
    const unsigned char rgb[6] = {0};
    const mucmm_report_side good = {.name = "words", .n = 2, .labels = words};
    mucmm_report_side grid = {
        .name = "picture", .n = 2, .rows = 2, .cols = 1, .rgb = rgb, .height = 2, .width = 1};
    mucmm_report_side bad[5] = {good, good, good, grid, grid};
    mucmm_ctx *ctx = new_ctx();
    mucmm_report *r = NULL;
    char *page;

    (void)state;
    bad[0].name = NULL;
    bad[1].n = 0;
    bad[2].labels = gap;
    bad[3].rows = 3;
    bad[4].rgb = NULL;
    CHECK_OK(ctx, mucmm_report_create(ctx, "t", &r));
    assert_int_equal(
        mucmm_report_coupling(ctx, r, "c", (const mucmm_report_side[]){good, grid}, values, 1),
        MUCMM_EARG); /* no card */
    CHECK_OK(ctx, mucmm_report_section(ctx, r, "s"));
    CHECK_OK(ctx, mucmm_report_card(ctx, r, "c"));
    for (int i = 0; i < 5; i++)
        assert_int_equal(mucmm_report_coupling(
                             ctx, r, "c", (const mucmm_report_side[]){bad[i], good}, values, 1),
                         i < 3 ? MUCMM_EARG : MUCMM_ESHAPE);
    assert_int_equal(
        mucmm_report_coupling(ctx, r, "c", (const mucmm_report_side[]){good, grid}, values, 0),
        MUCMM_EARG);
    assert_int_equal(
        mucmm_report_coupling(ctx, r, "c", (const mucmm_report_side[]){good, grid}, wild, 1),
        MUCMM_ENUMERIC);
    mucmm_report_free(r);
    page = page_of(ctx); /* -1, 0.5, 0, 1 of scale 1 are the bytes 1, 192, 128, 255 */
    assert_non_null(strstr(page, "class=\"values\">AcCA/w==</script>"));
    assert_non_null(strstr(page, "\"totals\":[-0.5,1.0]"));
    assert_non_null(strstr(page, "\"totals\":[-1.0,1.5]"));
    free(page);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_shows_markup_as_text),
        cmocka_unit_test(test_report_closes_what_it_opens),
        cmocka_unit_test(test_report_rejects),
        cmocka_unit_test(test_coupling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
