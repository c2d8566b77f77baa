/* SPDX-License-Identifier: MIT
 *
 * SentencePiece model files: their normalization, unigram pieces and merged pairs; damaged ones;
 * and what its rule nmt_nfkc makes of characters that nobody sees. */
#include "encode/text.h"
#include "generators.h"
#include "sentencepiece.pb-c.h"

#define LOW "\xe2\x96\x81" /* U+2581 */

enum { LENGTH = 32, TRIE = 1024 };

static mucmm_ctx *ctx;

/* ---- a model in memory ------------------------------------------------------------- */

typedef struct entry {
    const char *text;
    float score;
    int32_t type;
} entry;

static const entry entries[] = {{"<unk>", 0, 2},   {"<s>", 0, 3}, {LOW, -3, 1},  {LOW "a", -4, 1},
                                {"a", -5, 1},      {"b", -5, 1},  {"ab", -2, 1}, {"ba", -1, 1},
                                {LOW "ab", -6, 1}, {"c", -9, 1},  {"xyz", 0, 4}};
enum { PIECES = sizeof entries / sizeof *entries };

/* "A" becomes "a", "Q" nothing, "Z" a blank: a root whose children are values. */
static size_t make_charsmap(unsigned char *out)
{
    static const char pool[] = "a\0\0 ";
    static const struct {
        unsigned char key;
        uint32_t value;
    } maps[] = {{'A', 0}, {'Q', 2}, {'Z', 3}};
    uint32_t trie[TRIE] = {0}, size = sizeof trie;

    trie[0] = 256u << 10;
    for (size_t k = 0; k < 3; k++) {
        uint32_t at = 256u ^ maps[k].key;
        trie[at] = maps[k].key | 1u << 8 | 512u << 10;
        trie[at ^ 512u] = maps[k].value | 1u << 31;
    }
    memcpy(out, &size, 4);
    memcpy(out + 4, trie, sizeof trie);
    memcpy(out + 4 + sizeof trie, pool, sizeof pool);
    return 4 + sizeof trie + sizeof pool;
}

/* type 1 unigram, 2 BPE; what else is done to the model is done by `change`. */
static mucmm__map make_model(int32_t type, void (*change)(Sentencepiece__Model *m))
{
    static unsigned char charsmap[4 * TRIE + 64], bytes[8192];
    static Sentencepiece__Piece pieces[PIECES];
    static Sentencepiece__Piece *list[PIECES];
    Sentencepiece__Model m = SENTENCEPIECE__MODEL__INIT;
    Sentencepiece__TrainerSpec trainer = SENTENCEPIECE__TRAINER_SPEC__INIT;
    Sentencepiece__NormalizerSpec normal = SENTENCEPIECE__NORMALIZER_SPEC__INIT;

    for (int i = 0; i < PIECES; i++) {
        pieces[i] = (Sentencepiece__Piece)SENTENCEPIECE__PIECE__INIT;
        pieces[i].piece = (char *)(uintptr_t)entries[i].text;
        pieces[i].has_score = pieces[i].has_type = 1;
        pieces[i].score = entries[i].score;
        pieces[i].type = entries[i].type;
        list[i] = &pieces[i];
    }
    m.n_pieces = PIECES;
    m.pieces = list;
    m.trainer_spec = &trainer;
    trainer.has_model_type = 1;
    trainer.model_type = type;
    m.normalizer_spec = &normal;
    normal.has_precompiled_charsmap = 1;
    normal.precompiled_charsmap.len = make_charsmap(charsmap);
    normal.precompiled_charsmap.data = charsmap;
    if (change)
        change(&m);
    assert_true(sentencepiece__model__get_packed_size(&m) < sizeof bytes);
    return (mucmm__map){.data = bytes, .size = sentencepiece__model__pack(&m, bytes)};
}

static mucmm_status load(mucmm_ctx *c, const mucmm__map *file, mucmm__tokenizer **out)
{
    mucmm__tokenizer_params p;

    mucmm__tokenizer_params_init(&p);
    p.kind = MUCMM__TOKENIZER_SENTENCEPIECE;
    p.vocabulary = "m.model";
    return mucmm__tokenizer_load_memory(c, &p, file, NULL, out);
}

/* "piece@begin:end ..." */
static void check_tokens(const mucmm__tokenizer *t, const char *text, const char *want)
{
    int64_t ids[LENGTH], begin[LENGTH], end[LENGTH];
    mucmm__tokens k = {.ids = ids, .begin = begin, .end = end};
    char got[1024] = "";
    size_t used = 0;

    CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t, text, strlen(text), LENGTH, false, &k));
    for (int64_t i = 0; i < k.n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s@%d:%d", i ? " " : "",
                                 mucmm__tokenizer_piece(t, ids[i]), (int)begin[i], (int)end[i]);
    assert_string_equal(got, want);
}

/* ---- tokens ------------------------------------------------------------------------ */

static void test_unigram_model_finds_the_best_sum(void **state)
{
    mucmm__map file = make_model(1, NULL);
    mucmm__tokenizer *t = NULL;

    (void)state;
    CHECK_OK(ctx, load(ctx, &file, &t));
    check_tokens(t, "", "");
    check_tokens(t, "ab", LOW "@0:0 ab@0:2");
    check_tokens(t, "aba", LOW "a@0:1 ba@1:3");  /* -5, before -3 - 2 - 5 */
    check_tokens(t, "AbQa", LOW "a@0:1 ba@1:4"); /* by the model's own table */
    check_tokens(t, "ZabZZ", LOW "@1:1 ab@1:3");
    check_tokens(t, "abxyzb", LOW "@0:0 ab@0:2 xyz@2:5 b@5:6");         /* user defined */
    check_tokens(t, "ab\xe2\x80\x8b\x01", LOW "@0:0 ab@0:2 <unk>@2:6"); /* its table leaves them */
    mucmm__tokenizer_free(t);
}

static void test_pairs_merge_by_score(void **state)
{
    mucmm__map file = make_model(2, NULL);
    mucmm__tokenizer *t = NULL;

    (void)state;
    CHECK_OK(ctx, load(ctx, &file, &t));
    check_tokens(t, "aba", LOW "a@0:1 ba@1:3"); /* ba at -1, then the blank with a */
    check_tokens(t, "ab", LOW "ab@0:2");        /* ab at -2, then the blank with it */
    check_tokens(t, "baba", LOW "@0:0 ba@0:2 ba@2:4");
    check_tokens(t, "axyzb", LOW "a@0:1 xyz@1:4 b@4:5");
    check_tokens(t, "??", LOW "@0:0 <unk>@0:2");
    mucmm__tokenizer_free(t);
}

static void keep_spaces(Sentencepiece__Model *m)
{
    m->normalizer_spec->has_remove_extra_whitespaces = 1;
    m->normalizer_spec->remove_extra_whitespaces = 0;
    m->normalizer_spec->has_add_dummy_prefix = 1;
    m->normalizer_spec->add_dummy_prefix = 0;
}

static void put_space_behind(Sentencepiece__Model *m)
{
    m->trainer_spec->has_treat_whitespace_as_suffix = 1;
    m->trainer_spec->treat_whitespace_as_suffix = 1;
}

static void test_spaces_go_by_the_model(void **state)
{
    mucmm__tokenizer *t = NULL;
    mucmm__map file = make_model(1, keep_spaces);

    (void)state;
    CHECK_OK(ctx, load(ctx, &file, &t));
    check_tokens(t, "ab  b ", "ab@0:2 " LOW "@2:2 " LOW "@3:3 b@4:5 " LOW "@5:5");
    mucmm__tokenizer_free(t);
    file = make_model(1, put_space_behind);
    CHECK_OK(ctx, load(ctx, &file, &t));
    check_tokens(t, "ab", "ab@0:2 " LOW "@2:2");
    mucmm__tokenizer_free(t);
}

/* ---- lines of text: the built-in rule ---------------------------------------------- */

static void test_characters_that_nobody_sees(void **state)
{
    static const char lines[] =
        "0\t0\t<unk>\n1\t-3\t" LOW "ab\n2\t-5\t" LOW "\n3\t-5\ta\n4\t-5\tb\n"
        "5\t-6\t~\n6\t-6\t\xef\xbd\x9e";
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a\x01\x1f\x7f"
         "b",
         LOW "ab@0:5"}, /* controls are dropped  */
        {"ab\xe2\x80\x8b"
         "ab",
         LOW "ab@0:2 " LOW "ab@5:7"}, /* no width: blank       */
        {"ab\xe2\x80\x8c\xef\xbb\xbf"
         "ab",
         LOW "ab@0:5 " LOW "ab@8:10"},
        {"\xef\xbf\xbd"
         "ab",
         LOW "ab@3:5"}, /* replacement: blank    */
        {"ab\xe3\x80\x80\xc2\xa0\t"
         "ab",
         LOW "ab@0:2 " LOW "ab@8:10"},
        {"\xef\xbd\x81\xef\xbd\x82", LOW "ab@0:6"},    /* full width, by NFKC   */
        {"\xef\xbd\x9e", LOW "@0:0 \xef\xbd\x9e@0:3"}, /* but for the tilde     */
        {"ab\xe2\x80\xa8", LOW "ab@0:2"},
    };
    const mucmm__map file = {.data = (const unsigned char *)lines, .size = sizeof lines - 1};
    mucmm__tokenizer *t = NULL;

    (void)state;
    CHECK_OK(ctx, load(ctx, &file, &t));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        check_tokens(t, cases[k].text, cases[k].want);
    mucmm__tokenizer_free(t);
}

/* ---- bad files --------------------------------------------------------------------- */

static void words_alone(Sentencepiece__Model *m)
{
    m->trainer_spec->model_type = 3;
}

static void no_unknown(Sentencepiece__Model *m)
{
    m->pieces[0]->type = 1;
}

static void twice(Sentencepiece__Model *m)
{
    m->pieces[5]->piece = (char *)(uintptr_t) "a";
}

static void odd_type(Sentencepiece__Model *m)
{
    m->pieces[5]->type = 9;
}

static void bytes_without_pieces(Sentencepiece__Model *m)
{
    m->trainer_spec->has_byte_fallback = 1;
    m->trainer_spec->byte_fallback = 1;
}

static void short_table(Sentencepiece__Model *m)
{
    m->normalizer_spec->precompiled_charsmap.len = 100;
}

static void no_utf8(Sentencepiece__Model *m)
{
    ProtobufCBinaryData *map = &m->normalizer_spec->precompiled_charsmap;
    map->data[map->len - 2] = 0xff;
}

static void test_bad_models_are_refused(void **state)
{
    static const struct {
        void (*change)(Sentencepiece__Model *m);
        mucmm_status status;
        const char *words;
    } cases[] = {{words_alone, MUCMM_EUNSUPPORTED, "type 3"},
                 {no_unknown, MUCMM_EFORMAT, "unknown"},
                 {twice, MUCMM_EFORMAT, "'a' is there already"},
                 {odd_type, MUCMM_EFORMAT, "type 9"},
                 {bytes_without_pieces, MUCMM_EFORMAT, "<0x00>"},
                 {short_table, MUCMM_EFORMAT, "damaged"},
                 {no_utf8, MUCMM_EFORMAT, "UTF-8"}};
    mucmm__tokenizer *t = NULL;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mucmm__map file = make_model(1, cases[k].change);
        check_message(ctx, load(ctx, &file, &t), cases[k].status, cases[k].words);
        assert_null(t);
        assert_non_null(strstr(mucmm_ctx_message(ctx), "m.model"));
    }
}

/* Whatever a byte is changed to: a model or a message, and tokens within the text. */
static void test_changed_models_do_no_harm(void **state)
{
    static unsigned char copy[8192];
    mucmm__map file = make_model(1, NULL);
    int64_t ids[LENGTH], begin[LENGTH], end[LENGTH];
    static const char text[] = "AbQa Zab xyz ??";

    (void)state;
    memcpy(copy, file.data, file.size);
    for (uint64_t k = 0; k < 4000; k++) {
        uint64_t bits = mucmm__rng_bits(7, k);
        size_t at = k % 2 ? bits % 260 : bits % file.size;
        const mucmm__map changed = {.data = copy, .size = k % 16 ? file.size : bits % file.size};
        unsigned char kept = copy[at];
        mucmm__tokenizer *t = NULL;
        mucmm__tokens out = {.ids = ids, .begin = begin, .end = end};

        copy[at] = (unsigned char)(bits >> 40);
        if (load(ctx, &changed, &t) == MUCMM_OK &&
            mucmm__tokenizer_encode(ctx, t, text, strlen(text), LENGTH, true, &out) == MUCMM_OK)
            for (int64_t i = 0; i < out.n; i++)
                assert_true(ids[i] >= 0 && ids[i] < mucmm__tokenizer_size(t) && begin[i] >= 0 &&
                            begin[i] <= end[i] && end[i] <= (int64_t)strlen(text));
        mucmm__tokenizer_free(t);
        copy[at] = kept;
    }
}

static mucmm_status call_load(mucmm_ctx *c, void *arg)
{
    mucmm__tokenizer *t = NULL;
    int64_t ids[LENGTH];
    mucmm__tokens k = {.ids = ids};
    mucmm_status status = load(c, arg, &t);

    if (status == MUCMM_OK)
        status = mucmm__tokenizer_encode(c, t, "abab AbQ xyz", 12, LENGTH, true, &k);
    mucmm__tokenizer_free(t);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    (void)state;
    for (int32_t type = 1; type <= 2; type++) {
        mucmm__map file = make_model(type, NULL);
        assert_true(sweep_out_of_memory(call_load, &file, 500) > 10);
    }
}

static int set_up(void **state)
{
    (void)state;
    return mucmm_ctx_create(NULL, &ctx) == MUCMM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mucmm_ctx_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram_model_finds_the_best_sum),
        cmocka_unit_test(test_pairs_merge_by_score),
        cmocka_unit_test(test_spaces_go_by_the_model),
        cmocka_unit_test(test_characters_that_nobody_sees),
        cmocka_unit_test(test_bad_models_are_refused),
        cmocka_unit_test(test_changed_models_do_no_harm),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("sentencepiece", tests, set_up, tear_down);
}
