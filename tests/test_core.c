/* SPDX-License-Identifier: MIT
 *
 * Context, messages, allocation, random numbers, parallel loops. */
#include "harness.h"

#include "core/json.h"

/* Numbers published with the generators of the method's experiments: seed 1, stream 0. */
static void test_random_numbers_match_their_definition(void **state)
{
    uint64_t key = mucmm__rng_key(1, 0);
    const double uniform[] = {.652448486374, .701212109522, .387124140976};
    const double normal[] = {-.278874922586, -.764222862019, .418925644868};

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_CLOSE(mucmm__rng_uniform(key, i), uniform[i], 1e-12);
        CHECK_CLOSE(mucmm__rng_normal(key, i), normal[i], 1e-12);
    }
}

static void test_permutation_holds_every_number_once(void **state)
{
    int64_t perm[1000], seen[1000] = {0}, moved = 0;

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(7, 1), perm, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_in_range(perm[i], 0, 999);
        seen[perm[i]]++;
        moved += perm[i] != i;
    }
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 950);
}

static void test_alloc_is_zeroed_aligned_and_limited(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;
    double *x = NULL;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.max_alloc = 4096;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    CHECK_OK(ctx, mucmm__alloc(ctx, 512, sizeof *x, &x));
    assert_int_equal((uintptr_t)x % 64, 0);
    for (int i = 0; i < 512; i++)
        assert_true(x[i] == 0);
    mucmm__free(x);
    assert_int_equal(mucmm__alloc(ctx, 513, sizeof *x, &x), MUCMM_ENOMEM);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "exceed the limit of 4096 bytes"));
    assert_int_equal(mucmm__alloc(ctx, INT64_MAX, sizeof *x, &x), MUCMM_ENOMEM);
    assert_int_equal(mucmm__alloc(ctx, -1, sizeof *x, &x), MUCMM_ENOMEM);
    mucmm_ctx_free(ctx);
}

static void test_a_block_outlives_its_context(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    char *copy = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm__strdup(ctx, "kept", &copy));
    mucmm_ctx_free(ctx);
    assert_string_equal(copy, "kept");
    mucmm__free(copy);
}

static void test_realloc_keeps_and_zeroes(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int *x = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm__realloc(ctx, 0, 2, sizeof *x, &x));
    x[0] = 5;
    x[1] = 6;
    CHECK_OK(ctx, mucmm__realloc(ctx, 2, 4, sizeof *x, &x));
    assert_int_equal(x[0] + x[1], 11);
    assert_int_equal(x[2] + x[3], 0);
    mucmm__free(x);
    mucmm_ctx_free(ctx);
}

static void test_messages_keep_what_they_are_prefixed_with(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    assert_string_equal(mucmm_ctx_message(ctx), "");
    mucmm__fail(ctx, MUCMM_ESHAPE, "%d rows", 3);
    assert_int_equal(mucmm__prefix(ctx, MUCMM_ESHAPE, "%s", "a.npy"), MUCMM_ESHAPE);
    assert_string_equal(mucmm_ctx_message(ctx), "a.npy: 3 rows");
    assert_string_equal(mucmm_status_text(MUCMM_ESHAPE), "shapes do not conform");
    assert_string_equal(mucmm_status_text((mucmm_status)999), "unknown status");
    mucmm_ctx_free(ctx);
}

static void mark(void *arg, int64_t i)
{
    ((int *)arg)[i]++;
}

static void mark_range(void *arg, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        ((int *)arg)[i]++;
}

static void test_parallel_loops_visit_everything_once(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int seen[1001] = {0};

    (void)state;
    mucmm__parallel(ctx, 1001, mark, seen);
    mucmm__parallel_range(ctx, 1001, 64, mark_range, seen);
    mucmm__parallel_range(ctx, 0, 64, mark_range, seen);
    for (int i = 0; i < 1001; i++)
        assert_int_equal(seen[i], 2);
    mucmm_ctx_free(ctx);
}

/* From 40 on all fail; seen: which were begun. */
static mucmm_status fail_late(mucmm_ctx *own, void *arg, int64_t i)
{
    ((int *)arg)[i]++;
    assert_int_equal(mucmm_ctx_threads(own), 1);
    return i < 40 ? MUCMM_OK : mucmm__fail(own, MUCMM_EIO, "number %d", (int)i);
}

static void test_parallel_tasks_hand_on_the_first_failure(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 4; threads++) {
        mucmm_ctx_params p;
        mucmm_ctx *ctx = NULL;
        int seen[1000] = {0};

        mucmm_ctx_params_init(&p);
        p.threads = threads;
        assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
        CHECK_OK(ctx, mucmm__parallel_try(ctx, 40, fail_late, seen));
        CHECK_OK(ctx, mucmm__parallel_try(ctx, 0, fail_late, seen));
        assert_int_equal(mucmm__parallel_try(ctx, 1000, fail_late, seen), MUCMM_EIO);
        assert_string_equal(mucmm_ctx_message(ctx), "number 40");
        for (int i = 0; i < 1000; i++)
            assert_in_range(seen[i], i < 40 ? 2 : i == 40, i < 40 ? 2 : 1);
        mucmm_ctx_free(ctx);
    }
}

/* ---- JSON -------------------------------------------------------------------------- */

/* Allocation number `fail_at` fails, of this library and of jansson; later ones too with `sticky`.
 */
static struct {
    int64_t n, fail_at, live;
    bool sticky;
} heap;

static bool heap_fails(void)
{
    heap.n++;
    return heap.n == heap.fail_at || (heap.sticky && heap.fail_at && heap.n > heap.fail_at);
}

static void *json_alloc(size_t size)
{
    void *p = heap_fails() ? NULL : malloc(size);

    heap.live += p != NULL;
    return p;
}

static void json_release(void *p)
{
    heap.live -= p != NULL;
    free(p);
}

static void *heap_alloc(void *user, size_t align, size_t size)
{
    void *p = NULL;

    (void)user;
    if (heap_fails() || posix_memalign(&p, align, size) != 0)
        return NULL;
    heap.live++;
    return p;
}

static void heap_release(void *user, void *p)
{
    (void)user;
    json_release(p);
}

static mucmm_ctx *failing_ctx(void)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&p);
    p.allocator = (mucmm_allocator){heap_alloc, heap_release, NULL};
    memset(&heap, 0, sizeof heap);
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    return ctx;
}

static const char *const good_json[] = {
    "null",
    " true ",
    "[]",
    "{}",
    "[1, -0, -12, 0.5, 1e3, -2.5E-7, 9223372036854775807, -9223372036854775808]",
    "{\"a\": {\"b\": [false, \"\"]}, \"longer than sixteen bytes\": \"and its value, too\"}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t \\u00e9 \\u20AC \\ud83d\\ude00 \xc3\xa9 \xf0\x9f\x98\x80\"",
    "[[[[[[1]]]],\n\t[2]]]",
};

static const char *const bad_json[] = {
    "",
    " ",
    "[1,]",
    "[1 2]",
    "{\"a\" 1}",
    "{\"a\": 1,}",
    "{a: 1}",
    "{\"a\": 1, \"a\": 2}",
    "\"open",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\t\"",
    "\"\xc3\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e400",
    "9223372036854775808",
    "NaN",
    "tru",
    "truex",
    "1 1",
    "[",
    "{\"a\":",
};
enum { N_GOOD = sizeof good_json / sizeof *good_json, N_BAD = sizeof bad_json / sizeof *bad_json };

/* Every text is also given without a NUL behind it, at the end of its block. */
static mucmm_status parse_exactly(mucmm_ctx *ctx, const char *text, int *line, json_t **out)
{
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);
    mucmm_status status;

    assert_non_null(exact);
    memcpy(exact, text, size);
    status = mucmm__json_parse(ctx, exact, size, line, out);
    free(exact);
    return status;
}

static void test_json_is_read_as_jansson_reads_it(void **state)
{
    const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
    mucmm_ctx *ctx = new_ctx();
    json_t *value, *want;
    int line = 0;

    (void)state;
    for (int i = 0; i < N_GOOD; i++) {
        CHECK_OK(ctx, parse_exactly(ctx, good_json[i], &line, &value));
        want = json_loads(good_json[i], flags, NULL);
        assert_true(json_equal(value, want));
        json_decref(value);
        json_decref(want);
    }
    for (int i = 0; i < N_BAD; i++) {
        want = json_loads(bad_json[i], flags, NULL);
        if (want || parse_exactly(ctx, bad_json[i], &line, &value) != MUCMM_EFORMAT)
            fail_msg("\"%s\" is taken", bad_json[i]);
        assert_null(value);
        assert_true(ctx->message[0] != '\0');
    }
    assert_int_equal(parse_exactly(ctx, "{\n\"a\": [\n1 2]}", &line, &value), MUCMM_EFORMAT);
    assert_int_equal(line, 3);
    assert_int_equal(parse_exactly(ctx, "[\n", NULL, &value), MUCMM_EFORMAT);
    assert_non_null(strstr(ctx->message, "line 2: "));
    mucmm_ctx_free(ctx);
}

static void test_json_that_is_nested_too_deeply_is_refused(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    char deep[200001];
    json_t *value;

    (void)state;
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(parse_exactly(ctx, deep, NULL, &value), MUCMM_EFORMAT);
    assert_non_null(strstr(ctx->message, "nested too deeply"));
    mucmm_ctx_free(ctx);
}

/* Whatever allocation fails, alone or with all later ones: ENOMEM or the whole value. */
static void check_parse_without_memory(mucmm_ctx *ctx, const char *text, bool sticky)
{
    json_t *want = json_loads(text, JSON_DECODE_ANY, NULL), *value;
    mucmm_status status = MUCMM_ENOMEM;
    int64_t live = heap.live;

    for (int64_t at = 1; status != MUCMM_OK; at++) {
        heap.n = 0;
        heap.fail_at = at;
        heap.sticky = sticky;
        status = mucmm__json_parse(ctx, text, strlen(text), NULL, &value);
        heap.fail_at = 0;
        if (status == MUCMM_OK)
            assert_true(json_equal(value, want));
        else
            assert_int_equal(status, MUCMM_ENOMEM);
        json_decref(value);
        assert_int_equal(heap.live, live);
        assert_true(at < 500);
    }
    json_decref(want);
}

static mucmm_status build_something(mucmm_ctx *ctx, char **text)
{
    mucmm__json_build b = {false};
    json_t *root = json_object(), *list = json_array();
    mucmm_status status = MUCMM_OK;

    *text = NULL;
    mucmm__json_set(&b, root, "name", mucmm__json_string("a name\xff"));
    mucmm__json_set(&b, root, "none", mucmm__json_string(NULL));
    mucmm__json_add(&b, list, mucmm__json_real(0.5));
    mucmm__json_add(&b, list, mucmm__json_real((double)NAN));
    mucmm__json_set(&b, root, "list", list);
    for (int i = 0; i < 40; i++) { /* the text grows at keys, too */
        char key[32];
        snprintf(key, sizeof key, "zero: key number %02d", i);
        mucmm__json_set(&b, root, key, json_null());
    }
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_COMPACT | JSON_SORT_KEYS, text));
done:
    json_decref(root);
    return status;
}

static void test_json_without_memory_is_told_from_damaged_json(void **state)
{
    const char *begins = "{\"list\":[0.5,null],\"name\":\"a "
                         "name\xef\xbf\xbd\",\"none\":null,\"zero: key number 00\":";
    mucmm_ctx *ctx = failing_ctx();
    mucmm_status status = MUCMM_ENOMEM;
    int64_t live = heap.live;
    char *text;

    (void)state;
    json_set_alloc_funcs(json_alloc, json_release);
    for (int i = 0; i < N_GOOD; i++)
        for (int sticky = 0; sticky < 2; sticky++)
            check_parse_without_memory(ctx, good_json[i], sticky);
    for (int64_t at = 1; status != MUCMM_OK; at++) {
        heap.n = 0;
        heap.fail_at = at;
        heap.sticky = false;
        status = build_something(ctx, &text);
        heap.fail_at = 0;
        if (status == MUCMM_OK) {
            assert_memory_equal(text, begins, strlen(begins));
            assert_int_equal(strlen(text), strlen(begins) + 4 + 39 * 27 + 1);
        } else
            assert_int_equal(status, MUCMM_ENOMEM);
        mucmm__free(text);
        assert_int_equal(heap.live, live);
        assert_true(at < 500);
    }
    json_set_alloc_funcs(malloc, free);
    mucmm_ctx_free(ctx);
}

/* ---- text for a terminal ----------------------------------------------------------- */

static void check_shown(const char *text, const char *want)
{
    char out[128], again[128];

    assert_string_equal(mucmm_text_printable(text, out, sizeof out), want);
    assert_string_equal(mucmm_text_printable(out, again, sizeof again), want);
}

static void test_names_do_not_steer_a_terminal(void **state)
{
    char out[8];

    (void)state;
    check_shown("", "");
    check_shown("plain \\ text", "plain \\ text");
    check_shown("Stra\xc3\x9f"
                "e \xe6\x97\xa5 \xf0\x9f\x98\x80",
                "Stra\xc3\x9f"
                "e \xe6\x97\xa5 \xf0\x9f\x98\x80");
    check_shown("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", /* a joiner stays */
                "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb");
    check_shown("a\x1b[31m\r\n\t\x7f", "a\\x1b[31m\\x0d\\x0a\\x09\\x7f");
    check_shown("\xc2\x9b", "\\u009b");
    check_shown("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8", "\\u202e\\u2066\\u2028");
    check_shown("\xff\xc3", "\\xff\\xc3");
    check_shown("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", /* too long, half a pair, too large */
                "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
    /* cut at a whole character or escape */
    assert_string_equal(mucmm_text_printable("12345\xe6\x97\xa5", out, 8), "12345");
    assert_string_equal(mucmm_text_printable("1234\x1b", out, 8), "1234");
    assert_string_equal(mucmm_text_printable("1234567", out, 8), "1234567");
    assert_string_equal(mucmm_text_printable("12345678", out, 8), "1234567");
}

static char logged[128], noted[128];

static void keep_log(void *user, mucmm_log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(logged, sizeof logged, "%s", message);
}

static int keep_note(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    (void)user;
    (void)stage;
    (void)done;
    (void)total;
    snprintf(noted, sizeof noted, "%s", note);
    return 0;
}

static void test_messages_logs_and_notes_are_fit_for_a_terminal(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.log = keep_log;
    p.progress = keep_note;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    mucmm__fail(ctx, MUCMM_EARG, "column '%s'", "x\x1b[2J");
    assert_string_equal(mucmm_ctx_message(ctx), "column 'x\\x1b[2J'");
    mucmm__prefix(ctx, MUCMM_EARG, "file \r%s", "\xe2\x80\xae");
    assert_string_equal(mucmm_ctx_message(ctx), "file \\x0d\\u202e: column 'x\\x1b[2J'");
    mucmm__warn(ctx, "label %s", "a\nb");
    assert_string_equal(logged, "label a\\x0ab");
    mucmm__info(ctx, "key %s", "\xff");
    assert_string_equal(logged, "key \\xff");
    mucmm__progress(ctx, "stage", 0, 1, "\x1b]0;title\x07");
    assert_string_equal(noted, "\\x1b]0;title\\x07");
    mucmm_ctx_free(ctx);
}

static void test_threads_have_a_limit(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = MUCMM_MAX_THREADS + 1;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_EARG);
    assert_null(ctx);
    p.threads = MUCMM_MAX_THREADS;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_have_a_limit),
        cmocka_unit_test(test_json_is_read_as_jansson_reads_it),
        cmocka_unit_test(test_json_that_is_nested_too_deeply_is_refused),
        cmocka_unit_test(test_json_without_memory_is_told_from_damaged_json),
        cmocka_unit_test(test_random_numbers_match_their_definition),
        cmocka_unit_test(test_permutation_holds_every_number_once),
        cmocka_unit_test(test_alloc_is_zeroed_aligned_and_limited),
        cmocka_unit_test(test_a_block_outlives_its_context),
        cmocka_unit_test(test_realloc_keeps_and_zeroes),
        cmocka_unit_test(test_messages_keep_what_they_are_prefixed_with),
        cmocka_unit_test(test_names_do_not_steer_a_terminal),
        cmocka_unit_test(test_messages_logs_and_notes_are_fit_for_a_terminal),
        cmocka_unit_test(test_parallel_loops_visit_everything_once),
        cmocka_unit_test(test_parallel_tasks_hand_on_the_first_failure),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
