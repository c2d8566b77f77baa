/* SPDX-License-Identifier: MIT
 *
 * mucmm bench: products of the sizes that training uses, training itself, the closed
 * form, and the permutation test.
 */
#include "cli.h"
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option bench_options[] = {
    {"json", 0, OPTION_FLAG, false, AT(json), 0, 0, NULL, "print the results as JSON"},
    OPTION_THREADS,
    {"repeats", 0, OPTION_COUNT, false, AT(repeats), 1, 10000, "N",
     "the best of N is reported (default 5)"},
    {"features", 0, OPTION_COUNT, false, AT(features), 1, 1000000, "P",
     "train: features of a view"},
    {"common", 0, OPTION_COUNT, false, AT(common), 1, 1000000, "K",
     "train, closed-form, permutation: common dimensions"},
    {"batch", 0, OPTION_COUNT, false, AT(batch), 2, 10000000, "B",
     "train: rows of a batch; permutation: all rows (default 5000)"},
    {"permutations", 0, OPTION_COUNT, false, AT(permutations), 1, 1000000, "N",
     "permutation: how many (default 1000)"},
    {"steps", 0, OPTION_COUNT, false, AT(steps), 1, 1000000, "N", "train: steps that are timed"},
    {"hidden", 0, OPTION_COUNTS, false, AT(hidden), 1, 1000000, "1024,1024",
     "train: widths of the hidden layers"},
    {"view", 0, OPTION_PAIRS, false, AT(view), 0, 0, "NAME=FILE", "closed-form: rows of a view"},
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_COVARIATES,
    OPTION_END,
};

typedef struct gemm_size {
    int64_t m, n, k;
} gemm_size;

static int32_t repeats_of(const settings *given)
{
    return given->repeats > 0 ? (int32_t)given->repeats : 5;
}

/* ---- gemm -------------------------------------------------------------------------- */

/* Forward, input gradient and weight gradient of heads 768-1024-1024-64 on 2000 rows. */
static const gemm_size gemm_sizes[] = {
    {2000, 1024, 768}, {2000, 1024, 1024}, {2000, 64, 1024},
    {768, 1024, 2000}, {1024, 1024, 2000}, {2048, 2048, 2048},
};

static int bench_gemm(session *s, const settings *given)
{
    json_t *list = json_array();
    double best = 0, gflops = 0;
    int code = 0;

    for (size_t i = 0; i < sizeof gemm_sizes / sizeof *gemm_sizes; i++) {
        const gemm_size *g = &gemm_sizes[i];
        TRY(check(s, mucmm_bench_gemm(s->ctx, g->m, g->n, g->k, repeats_of(given), &gflops)));
        best = gflops > best ? gflops : best;
        json_append(list, json_pack("{s:I, s:I, s:I, s:f}", "m", (json_int_t)g->m, "n",
                                    (json_int_t)g->n, "k", (json_int_t)g->k, "gflops", gflops));
        if (!given->json)
            printf("%5" PRId64 " x %5" PRId64 " x %5" PRId64 "  %8.1f GFLOP/s\n", g->m, g->n, g->k,
                   gflops);
    }
    if (given->json)
        TRY(print_json(json_pack("{s:i, s:f, s:O}", "threads", (int)mucmm_ctx_threads(s->ctx),
                                 "best_gflops", best, "gemm", list)));
done:
    json_decref(list);
    return code;
}

/* ---- train ------------------------------------------------------------------------- */

static void fill_train(const settings *given, mucmm_bench_train_params *p)
{
    mucmm_bench_train_params_init(p);
    p->features = given->features > 0 ? given->features : p->features;
    p->common = given->common > 0 ? given->common : p->common;
    p->batch = given->batch > 0 ? given->batch : p->batch;
    p->steps = given->steps > 0 ? given->steps : p->steps;
    if (given->hidden.n < 0)
        return;
    p->n_hidden = given->hidden.n;
    for (int32_t i = 0; i < given->hidden.n; i++)
        p->hidden[i] = given->hidden.value[i];
}

/* The best product among the layers of these heads. */
static int best_gemm(session *s, const settings *given, const mucmm_bench_train_params *p,
                     double *best)
{
    int64_t in = p->features;
    int code = 0;

    *best = 0;
    for (int32_t i = 0; i < p->n_hidden; i++) {
        const gemm_size sizes[] = {{p->batch, p->hidden[i], in}, {in, p->hidden[i], p->batch}};
        for (int j = 0; j < 2; j++) {
            double gflops = 0;
            TRY(check(s, mucmm_bench_gemm(s->ctx, sizes[j].m, sizes[j].n, sizes[j].k,
                                          repeats_of(given), &gflops)));
            *best = gflops > *best ? gflops : *best;
        }
        in = p->hidden[i];
    }
    if (p->n_hidden == 0)
        code = check(s, mucmm_bench_gemm(s->ctx, p->batch, p->common, in, repeats_of(given), best));
done:
    return code;
}

static int bench_train(session *s, const settings *given)
{
    mucmm_bench_train_params p;
    double rows = 0, gflops = 0, best = 0;
    int code = 0;

    fill_train(given, &p);
    TRY(best_gemm(s, given, &p, &best));
    TRY(check(s, mucmm_bench_train(s->ctx, &p, &rows, &gflops)));
    if (given->json)
        return print_json(json_pack("{s:i, s:f, s:f, s:f, s:f}", "threads",
                                    (int)mucmm_ctx_threads(s->ctx), "rows_per_second", rows,
                                    "gflops", gflops, "best_gemm_gflops", best, "ratio",
                                    gflops / best));
    printf("training        %10.0f rows/s, %.1f GFLOP/s\n", rows, gflops);
    printf("best product    %10.1f GFLOP/s\n", best);
    printf("ratio           %10.2f\n", gflops / best);
done:
    return code;
}

/* ---- closed form ------------------------------------------------------------------- */

static int bench_closed_form(session *s, const settings *given)
{
    inputs in = {0};
    double seconds = 0, *correlations = NULL;
    json_t *list;
    int code = 0;

    if (given->view.n < 2 || given->common < 1)
        return fail(EXIT_USAGE, "bench closed-form needs --view NAME=FILE twice, and --common K");
    TRY(inputs_open(s, given, NULL, MUCMM_PART_ALL, &in));
    TRY(allocate(&correlations, given->common, sizeof *correlations));
    TRY(check(s, mucmm_bench_closed_form(s->ctx, in.views, in.n, given->common, repeats_of(given),
                                         &seconds, correlations)));
    list = json_array();
    for (int64_t i = 0; i < given->common; i++)
        json_append(list, number_json(correlations[i]));
    code = print_json(json_pack("{s:f, s:o}", "seconds", seconds, "correlations", list));
done:
    free(correlations);
    inputs_close(&in);
    return code;
}

/* ---- the permutation test ---------------------------------------------------------- */

/* Two views: what a fit with k common dimensions asks of its held-out rows. */
static int bench_permutation(session *s, const settings *given)
{
    int64_t rows = given->batch > 0 ? given->batch : 5000;
    int64_t k = given->common > 0 ? given->common : 50;
    int64_t permutations = given->permutations > 0 ? given->permutations : 1000;
    double seconds = 0;
    int code = 0;

    TRY(check(
        s, mucmm_bench_permutation(s->ctx, rows, k, 2, permutations, repeats_of(given), &seconds)));
    if (given->json)
        return print_json(json_pack("{s:i, s:I, s:I, s:I, s:f}", "threads",
                                    (int)mucmm_ctx_threads(s->ctx), "rows", (json_int_t)rows,
                                    "components", (json_int_t)k, "permutations",
                                    (json_int_t)permutations, "seconds", seconds));
    printf("%" PRId64 " permutations of %" PRId64 " rows, 2 views of %" PRId64
           " components  %8.3f s\n",
           permutations, rows, k, seconds);
done:
    return code;
}

int run_bench(const settings *given)
{
    static const struct {
        const char *name;
        int (*run)(session *s, const settings *given);
    } benches[] = {
        {"gemm", bench_gemm},
        {"train", bench_train},
        {"closed-form", bench_closed_form},
        {"permutation", bench_permutation},
    };
    session s = {0};
    int code = 0;

    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        if (strcmp(given->operand[0], benches[i].name) == 0) {
            TRY(session_open(&s, given));
            TRY(benches[i].run(&s, given));
            goto done;
        }
    code = fail(EXIT_USAGE, "bench: '%s' is none of gemm, train, closed-form, permutation",
                given->operand[0]);
done:
    session_close(&s);
    return code;
}
