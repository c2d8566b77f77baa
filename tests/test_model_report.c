/* SPDX-License-Identifier: MIT
 *
 * The report on a model and rows: its sections and the choice of them, names of the user's that
 * stay text, what is refused, and memory that runs out. */
#include "core/json.h"
#include "workspace.h"

#define EVIL "<img src=x onerror=alert(1)>&'\xff"

enum { ROWS = 60, N_SECTIONS = 14 };

static const struct {
    uint32_t bit;
    const char *title;
} sections[N_SECTIONS] = {
    {MUCMM_SECTION_SHORT, "In short"},
    {MUCMM_SECTION_SHARED, "What the views share"},
    {MUCMM_SECTION_SHARES, "Shares of variance"},
    {MUCMM_SECTION_RETRIEVAL, "Finding the partner"},
    {MUCMM_SECTION_LEAKAGE, "Leakage"},
    {MUCMM_SECTION_SCORES, "Scores of the samples"},
    {MUCMM_SECTION_SAMPLES, "Samples"},
    {MUCMM_SECTION_COUPLING, "Which word goes with which spot"},
    {MUCMM_SECTION_COMPONENTS, "Components"},
    {MUCMM_SECTION_TRAINING, "Training"},
    {MUCMM_SECTION_FITTED, "What was fitted on what"},
    {MUCMM_SECTION_METHODS, "Methods"},
    {MUCMM_SECTION_AGAIN, "Make it again"},
    {MUCMM_SECTION_GLOSSARY, "Words used here"},
};

/* A model, rows to tell of, and their scores. */
typedef struct told {
    problem q;
    mucmm_model *m;
    mucmm_views *views;
    mucmm_scores *scores;
    mucmm_report_params params;
} told;

static void score(told *t, int64_t permutations)
{
    mucmm_score_params p;

    mucmm_scores_free(t->scores);
    mucmm_score_params_init(&p);
    p.permutations = permutations;
    CHECK_OK(ctx, mucmm_score(ctx, t->m, mucmm_views_list(t->views), mucmm_views_count(t->views),
                              &p, &t->scores));
}

static told new_told(int32_t n_views, mucmm_head_kind head)
{
    told t = {.q = new_problem(ctx, n_views, ROWS, false, 11)};
    mucmm_fit_params p = small_params(head);

    p.common = 2;
    p.individual = 1;
    p.common_epochs = p.individual_epochs = 1;
    p.batch = ROWS;
    t.m = fit(ctx, &t.q, &p);
    forget_rows(t.m);
    CHECK_OK(ctx, mucmm_views_create(ctx, t.q.view, n_views, &t.views));
    score(&t, 50);
    mucmm_report_params_init(&t.params);
    t.params.shown = 2;
    return t;
}

static void drop_told(told *t)
{
    mucmm_scores_free(t->scores);
    mucmm_views_free(t->views);
    mucmm_model_free(t->m);
    drop_problem(&t->q);
}

/* The page that report_add makes, without what all pages have before it; to be freed. */
static char *page_of(const told *t)
{
    mucmm_report *r = NULL;
    char *text = calloc(1, 1 << 22);
    FILE *file;

    assert_non_null(text);
    CHECK_OK(ctx, mucmm_report_create(ctx, "title", &r));
    CHECK_OK(ctx, mucmm_report_add(ctx, r, t->m, t->views, t->scores, &t->params));
    CHECK_OK(ctx, mucmm_report_write(ctx, r, in_folder("page")));
    mucmm_report_free(r);
    file = fopen(in_folder("page"), "rb");
    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 22) - 1, file) > 100);
    fclose(file);
    unlink(in_folder("page"));
    return text;
}

/* The headings of sections in a page, as bits; they stand in their order. */
static uint32_t sections_in(const char *page)
{
    uint32_t found = 0;
    const char *last = page;

    for (int i = 0; i < N_SECTIONS; i++) {
        char heading[64];
        snprintf(heading, sizeof heading, "<h2>%s</h2>", sections[i].title);
        const char *at = strstr(page, heading);
        if (!at)
            continue;
        assert_true(at >= last);
        assert_null(strstr(at + 1, heading));
        last = at;
        found |= sections[i].bit;
    }
    return found;
}

static int count_of(const char *text, const char *part)
{
    int n = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

/* ---- sections ---------------------------------------------------------------------- */

static void test_each_section_alone_and_all_in_order(void **state)
{
    told t = new_told(2, MUCMM_HEAD_MLP);

    (void)state;
    for (int i = 0; i < N_SECTIONS; i++) {
        t.params.sections = sections[i].bit;
        t.params.again = "do it";
        char *page = page_of(&t);
        assert_int_equal(sections_in(page), sections[i].bit);
        assert_int_equal(count_of(page, "<section"), 1);
        free(page);
    }
    t.params.sections = MUCMM_SECTION_ALL;
    char *page = page_of(&t);
    assert_int_equal(sections_in(page), MUCMM_SECTION_ALL);
    assert_non_null(strstr(page, "<pre>do it</pre>"));
    free(page);
    t.params.again = NULL;
    page = page_of(&t);
    assert_int_equal(sections_in(page), MUCMM_SECTION_ALL & ~MUCMM_SECTION_AGAIN);
    free(page);
    t.params.sections = 0;
    page = page_of(&t);
    assert_int_equal(count_of(page, "<section"), 0);
    free(page);
    drop_told(&t);
}

/* What a reader may do has the words of the one who asks: here the names of parameters. */
static void test_words_name_parameters(void **state)
{
    told t = new_told(2, MUCMM_HEAD_LINEAR);

    (void)state;
    score(&t, 0);
    char *page = page_of(&t);
    assert_int_equal(count_of(page, "(permutations 0)"), 3); /* a caption is also a label */
    assert_null(strstr(page, "--permutations"));
    free(page);
    t.params.untested_word = "no test, " EVIL;
    page = page_of(&t);
    assert_int_equal(count_of(page, "(permutations 0)"), 0);
    assert_int_equal(count_of(page, "(no test, &lt;img"), 3);
    free(page);
    drop_told(&t);
}

/* Numbers of the page are those of the scores and of the model. */
static void test_numbers_are_the_scores(void **state)
{
    told t = new_told(3, MUCMM_HEAD_LINEAR);
    const mucmm_summary *s = mucmm_scores_summary(t.scores, MUCMM_HEADS);
    char words[200];

    (void)state;
    char *page = page_of(&t);
    snprintf(words, sizeof words,
             "%d of 2 components are shared by the views beyond chance; the largest correlation is "
             "%.2f.",
             (int)s->significant, fmax(s->correlations[0], s->correlations[1]));
    assert_non_null(strstr(page, words));
    snprintf(words, sizeof words,
             "%s: %.0f %% of its variance is common (%.0f %% can be told from the other views), "
             "%.0f %% individual",
             t.q.view[1].name, 100 * s->shared_share[1], 100 * s->redundancy[1],
             100 * s->individual_share[1]);
    assert_non_null(strstr(page, words));
    snprintf(words, sizeof words, "fitted on %d rows",
             (int)mucmm_model_summary(t.m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)->rows);
    assert_non_null(strstr(page, words));
    assert_int_equal(count_of(page, ": score "), 2 * 2 + 3 * 2);
    free(page);
    drop_told(&t);
}

static void test_order_of_views_does_not_matter(void **state)
{
    told t = new_told(3, MUCMM_HEAD_LINEAR);
    mucmm_view other[] = {t.q.view[2], t.q.view[0], t.q.view[1]};
    char *page = page_of(&t), *again;

    (void)state;
    mucmm_views_free(t.views);
    CHECK_OK(ctx, mucmm_views_create(ctx, other, 3, &t.views));
    again = page_of(&t);
    assert_string_equal(page, again);
    free(page);
    free(again);
    drop_told(&t);
}

/* ---- the short form ---------------------------------------------------------------- */

static void test_short_form_is_the_long_one(void **state)
{
    told t = new_told(2, MUCMM_HEAD_LINEAR);
    mucmm_score_params p;
    mucmm_report *r = NULL;

    (void)state;
    mucmm_score_params_init(&p);
    p.permutations = 50;
    t.params.score = &p;
    t.params.model_label = "folder/pair.mucmm";
    t.params.again = "call it";
    CHECK_OK(ctx, mucmm_report_create(ctx, "Report on pair.mucmm", &r));
    CHECK_OK(ctx, mucmm_report_add(ctx, r, t.m, t.views, t.scores, &t.params));
    CHECK_OK(ctx, mucmm_report_write(ctx, r, in_folder("long")));
    CHECK_OK(ctx, mucmm_model_report(ctx, t.m, t.views, &t.params, in_folder("short")));
    bytes a = get_file("long"), b = get_file("short");
    check_same_bytes(&a, &b);
    free(a.data);
    free(b.data);
    unlink(in_folder("long"));
    unlink(in_folder("short"));
    mucmm_report_free(r);
    drop_told(&t);
}

/* ---- names of the user's ----------------------------------------------------------- */

static void write_table(const char *name, int64_t cols, uint64_t stream)
{
    FILE *f = fopen(in_folder(name), "w");
    uint64_t z = mucmm__rng_key(3, 0), noise = mucmm__rng_key(3, stream);

    assert_non_null(f);
    fprintf(f, "id");
    for (int64_t j = 0; j < cols; j++)
        fprintf(f, ",%s%d", "<b>" EVIL, (int)j);
    for (uint64_t i = 0; i < ROWS; i++) {
        fprintf(f, "\n%s%d", EVIL, (int)i);
        for (uint64_t j = 0; j < (uint64_t)cols; j++)
            fprintf(f, ",%g", mucmm__rng_normal(z, i) + mucmm__rng_normal(noise, i * 8 + j));
    }
    fprintf(f, "\n");
    fclose(f);
}

/* Keys, columns, files, and what is said of the model. */
static void test_names_of_the_user_are_text(void **state)
{
    static const char *const names[] = {"left", "right"}, *const files[] = {EVIL "l.csv",
                                                                            EVIL "r.csv"};
    const char *paths[] = {in_folder(files[0]), in_folder(files[1])};
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_data_params open;
    told t = {0};

    (void)state;
    write_table(files[0], 3, 1);
    write_table(files[1], 4, 2);
    mucmm_data_params_init(&open);
    open.key = "id";
    CHECK_OK(ctx, mucmm_views_open(ctx, names, paths, 2, &open, &t.views));
    p.common = p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, mucmm_views_list(t.views), 2, &p, &t.m));
    score(&t, 20);
    mucmm_report_params_init(&t.params);
    t.params.model_label = t.params.again = t.params.again_note = EVIL;
    char *page = page_of(&t);
    assert_null(strstr(page, "<img src=x"));
    assert_null(strstr(page, "\xff"));
    assert_true(count_of(page, "&lt;img src=x onerror=alert(1)&gt;&amp;&#39;\xef\xbf\xbd") > 60);
    free(page);
    for (int i = 0; i < 2; i++)
        unlink(in_folder(files[i]));
    mucmm_scores_free(t.scores);
    mucmm_model_free(t.m);
    mucmm_views_free(t.views);
}

/* ---- what is refused --------------------------------------------------------------- */

/* Nothing is added to a report by a call that is refused for its arguments. */
static void refused(const told *t, mucmm_status want, const char *words)
{
    mucmm_report *r = NULL;

    CHECK_OK(ctx, mucmm_report_create(ctx, "", &r));
    check_message(ctx, mucmm_report_add(ctx, r, t->m, t->views, t->scores, &t->params), want,
                  words);
    mucmm_report_free(r);
}

static void test_refuses_parameters(void **state)
{
    told t = new_told(2, MUCMM_HEAD_LINEAR);
    const mucmm_report_params good = t.params;

    (void)state;
    t.params.shown = 0;
    refused(&t, MUCMM_EARG, "shown is 0");
    t.params.shown = MUCMM_REPORT_MAX_SHOWN + 1;
    refused(&t, MUCMM_EARG, "shown is 101");
    t.params = good;
    t.params.sections = MUCMM_SECTION_ALL + 1;
    refused(&t, MUCMM_EARG, "sections is 0x4000");
    t.params = good;
    t.params.map = 17;
    refused(&t, MUCMM_EARG, "map is 17");
    t.params = good;
    t.params.label = "name";
    refused(&t, MUCMM_EARG, "'name'");
    t.params = good;
    t.params.keep_heads_word = NULL;
    refused(&t, MUCMM_EARG, "keep_heads_word");
    t.params = good;
    t.params.struct_size = 0;
    refused(&t, MUCMM_EARG, "mucmm_report_params");
    t.params = good;
    check_message(ctx, mucmm_report_add(ctx, NULL, t.m, t.views, t.scores, NULL), MUCMM_EARG,
                  "NULL");
    check_message(ctx, mucmm_model_report(ctx, t.m, t.views, NULL, NULL), MUCMM_EARG, "NULL");
    check_message(ctx, mucmm_model_report(ctx, t.m, t.views, NULL, in_folder("none/page")),
                  MUCMM_EIO, "none/page");
    drop_told(&t);
}

static void test_refuses_other_rows_and_views(void **state)
{
    told t = new_told(2, MUCMM_HEAD_LINEAR), three = new_told(3, MUCMM_HEAD_LINEAR);
    mucmm_views *good = t.views;
    mucmm_scores *scores = t.scores;
    mucmm_data *few[2];
    mucmm_view view[2] = {t.q.view[0], t.q.view[1]};

    (void)state;
    t.scores = three.scores;
    refused(&t, MUCMM_ESHAPE, "3 views");
    t.scores = scores;
    CHECK_OK(ctx, mucmm_views_create(ctx, t.q.view, 1, &t.views));
    refused(&t, MUCMM_EARG, t.q.view[1].name);
    mucmm_views_free(t.views);
    for (int v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, view[v].data, NULL, ROWS - 1, &few[v]));
        view[v].data = few[v];
    }
    CHECK_OK(ctx, mucmm_views_create(ctx, view, 2, &t.views));
    refused(&t, MUCMM_ESHAPE, "the scores are of 60 rows");
    mucmm_views_free(t.views);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(few[v]);
    t.views = good;
    drop_told(&t);
    drop_told(&three);
}

/* Galleries and components are of rows that have all views. */
static void test_refuses_rows_that_lack_a_view(void **state)
{
    told t = new_told(2, MUCMM_HEAD_LINEAR);
    int64_t rows[ROWS];
    mucmm_data *holes = NULL;
    mucmm_view view[2] = {t.q.view[0], t.q.view[1]};

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        rows[i] = i == 7 ? -1 : i;
    CHECK_OK(ctx, mucmm_data_subset(ctx, view[1].data, rows, ROWS, &holes));
    view[1].data = holes;
    mucmm_views_free(t.views);
    CHECK_OK(ctx, mucmm_views_create(ctx, view, 2, &t.views));
    score(&t, 0);
    refused(&t, MUCMM_ESHAPE, "1 of the 60 rows");
    mucmm_data_free(holes);
    drop_told(&t);
}

/* ---- memory that runs out ---------------------------------------------------------- */

static mucmm_status add_one_section(mucmm_ctx *c, void *arg)
{
    const told *t = arg;
    mucmm_report *r = NULL;
    mucmm_status status = mucmm_report_create(c, "", &r);

    if (status == MUCMM_OK)
        status = mucmm_report_add(c, r, t->m, t->views, t->scores, &t->params);
    mucmm_report_free(r);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    (void)state;
    for (int head = MUCMM_HEAD_LINEAR; head <= MUCMM_HEAD_MLP; head++) {
        told t = new_told(head == MUCMM_HEAD_LINEAR ? 3 : 2, (mucmm_head_kind)head);
        t.params.again = "again";
        t.params.shown = 1;
        for (int i = 0; i < N_SECTIONS; i++) {
            t.params.sections = sections[i].bit;
            assert_true(sweep_out_of_memory(add_one_section, &t, 60) > 3);
        }
        drop_told(&t);
    }
}

/* The same of what jansson allocates for charts and settings. */
static int64_t json_calls, json_fails_at, json_live;

static void *json_alloc(size_t size)
{
    void *p = json_calls++ == json_fails_at ? NULL : malloc(size);

    json_live += p != NULL;
    return p;
}

static void json_release(void *p)
{
    json_live -= p != NULL;
    free(p);
}

static void test_json_without_memory_is_no_page(void **state)
{
    const uint32_t with_json[] = {MUCMM_SECTION_SHARED, MUCMM_SECTION_SHARES, MUCMM_SECTION_SCORES,
                                  MUCMM_SECTION_TRAINING, MUCMM_SECTION_FITTED};
    told t = new_told(2, MUCMM_HEAD_MLP);

    (void)state;
    for (size_t i = 0; i < sizeof with_json / sizeof *with_json; i++) {
        mucmm_status status = MUCMM_ENOMEM;
        t.params.sections = with_json[i];
        json_set_alloc_funcs(json_alloc, json_release);
        for (json_fails_at = 0; status != MUCMM_OK; json_fails_at += json_fails_at < 40 ? 1 : 17) {
            json_calls = json_live = 0;
            status = add_one_section(ctx, &t);
            if (status != MUCMM_OK && status != MUCMM_ENOMEM)
                fail_msg("allocation %d: %s", (int)json_fails_at, mucmm_ctx_message(ctx));
            assert_int_equal(status == MUCMM_OK, json_calls <= json_fails_at);
            assert_int_equal(json_live, 0);
        }
        json_set_alloc_funcs(malloc, free);
        assert_true(json_fails_at > 20);
    }
    drop_told(&t);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_section_alone_and_all_in_order),
        cmocka_unit_test(test_words_name_parameters),
        cmocka_unit_test(test_numbers_are_the_scores),
        cmocka_unit_test(test_order_of_views_does_not_matter),
        cmocka_unit_test(test_short_form_is_the_long_one),
        cmocka_unit_test(test_names_of_the_user_are_text),
        cmocka_unit_test(test_refuses_parameters),
        cmocka_unit_test(test_refuses_other_rows_and_views),
        cmocka_unit_test(test_refuses_rows_that_lack_a_view),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
        cmocka_unit_test(test_json_without_memory_is_no_page),
    };
    return cmocka_run_group_tests_name("model_report", tests, set_up, tear_down);
}
