/* SPDX-License-Identifier: MIT
 *
 * The program `mucmm`: one table of commands, from which help is printed and
 * commands are called. To add a command: a row here, its name in COMMAND_MAP of
 * cli.h, and a file with its NAME_options and run_NAME. A name may have two words:
 * "graph run" is a command of the group "graph".
 */
#include "cli.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* what follows the name */
    int32_t operands;    /* how many arguments that are no options it needs */
    const option *options;
    const char *example;
    int (*run)(const settings *given);
    int32_t optional; /* how many arguments more it takes */
} command;

static const command commands[] = {
    {"encode", "compute the features of pictures, texts, sound or arrays",
     "(STUDY.json | --encoder NET.onnx --input TENSOR=FILE) [options] -o OUT", 0, encode_options,
     "mucmm encode --encoder net.onnx --input image=images.npy --tensor last_map --pool 4x4 "
     "-o features.npy",
     run_encode, 1},
    {"fit", "learn what paired views have in common and what each holds alone",
     "(STUDY.json | --view NAME=FILE ...) --common K|auto --individual Q|auto [options] -o "
     "MODEL",
     0, fit_options,
     "mucmm fit --view left=left.npy --view right=right.npy --common 8 --individual 16 "
     "-o pair.mucmm",
     run_fit, 1},
    {"transform", "compute the common and the individual variates of rows",
     "MODEL (STUDY.json | --view NAME=FILE ...) [options] -o DIR|FILE.csv", 1, transform_options,
     "mucmm transform pair.mucmm --view left=left.npy --view right=right.npy -o variates",
     run_transform, 1},
    {"score", "score rows, and sum up what they show under a model",
     "MODEL (STUDY.json | --view NAME=FILE ...) [options] [-o scores.csv]", 1, score_options,
     "mucmm score pair.mucmm --view left=test_l.npy --view right=test_r.npy -o scores.csv",
     run_score, 1},
    {"explain", "show where in the raw input a score comes from",
     "MODEL (STUDY.json | --view NAME=FILE ...) --samples LIST [options] -o DIR", 1,
     explain_options,
     "mucmm explain pair.mucmm --view left=left.npy --view right=right.npy --samples 0,5,9 "
     "--score individual --shape left=28x56 -o maps",
     run_explain, 1},
    {"loadings", "list which columns go with which component",
     "MODEL [STUDY.json | --view NAME=FILE ...] [options] [-o loadings.csv]", 1, loadings_options,
     "mucmm loadings pair.mucmm -o loadings.csv", run_loadings, 1},
    {"match", "find the rows of another view that belong to rows of one",
     "MODEL [STUDY.json] --query NAME=FILE --gallery NAME=FILE [options] [-o matches.csv]", 1,
     match_options,
     "mucmm match pair.mucmm --query image=queries.npy --gallery text=captions.npy --top 10 "
     "-o matches.csv",
     run_match, 1},
    {"cite", "write a methods paragraph with the numbers of a fit, and the references",
     "MODEL [--json | --bibtex] [-o FILE]", 1, cite_options, "mucmm cite pair.mucmm", run_cite, 0},
    {"relate", "test components against what else is known of the rows",
     "MODEL (STUDY.json | --view NAME=FILE ...) --metadata FILE [options] [-o relations.csv]", 1,
     relate_options,
     "mucmm relate pair.mucmm --view left=test_l.csv --view right=test_r.csv --key id "
     "--metadata patients.csv",
     run_relate, 1},
    {"report", "write one HTML page that shows what a model found",
     "MODEL (STUDY.json | --view NAME=FILE ...) [options] -o report.html", 1, report_options,
     "mucmm report pair.mucmm --view left=left.npy --view right=right.npy -o report.html",
     run_report, 1},
    {"info", "say what is in a model file", "MODEL [--json]", 1, info_options,
     "mucmm info pair.mucmm", run_info, 0},
    {"check-gradient", "compare gradients with finite differences",
     "MODEL (STUDY.json | --view NAME=FILE ...) [options]", 1, check_gradient_options,
     "mucmm check-gradient pair.mucmm --view left=left.npy --view right=right.npy",
     run_check_gradient, 1},
    {"bench", "measure the speed of this machine",
     "gemm | train | permutation | closed-form --view NAME=FILE ... --common K [options]", 1,
     bench_options, "mucmm bench train --threads 4", run_bench, 0},
    {"bench graph", "measure the speed of a network",
     "NET.onnx --input-shape TENSOR=1x3x224x224 ... [options]", 1, bench_graph_options,
     "mucmm bench graph net.onnx --input-shape image=16x3x224x224 --vjp", run_bench_graph, 0},
    {"graph info", "say what an ONNX network takes and gives", "NET.onnx [--tensors] [--json]", 1,
     graph_info_options, "mucmm graph info net.onnx", run_graph_info, 0},
    {"graph run", "run an ONNX network", "NET.onnx --input TENSOR=FILE.npy ... [options] -o DIR", 1,
     graph_run_options,
     "mucmm graph run net.onnx --input image=image.npy --tensor last_map -o outputs", run_graph_run,
     0},
    {"graph vjp", "carry gradients back through an ONNX network",
     "NET.onnx --input TENSOR=FILE.npy ... --cotangent TENSOR=FILE.npy ... --wrt TENSOR -o "
     "FILE.npy",
     1, graph_vjp_options,
     "mucmm graph vjp net.onnx --input image=image.npy --cotangent logits=direction.npy "
     "--wrt image -o gradient.npy",
     run_graph_vjp, 0},
    {"graph ops", "list the operators that are supported, as a Markdown table", "", 0,
     graph_ops_options, "mucmm graph ops > docs/operators.md", run_graph_ops, 0},
    {"demo", "worked examples on real data, from files to pictures", "(fashion | emoji) [options]",
     1, demo_options, "mucmm demo fashion -o fashion", run_demo, 0},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

/* Does `name` begin with the word `group`, followed by a space? */
static bool in_group(const char *name, const char *group)
{
    size_t length = strlen(group);

    return strncmp(name, group, length) == 0 && name[length] == ' ';
}

static bool is_group(const char *word)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (in_group(commands[i].name, word))
            return true;
    return false;
}

/* The command that argv begins with; *words: how many its name has. Two words win over one. */
static const command *find_command(int argc, char **argv, int *words)
{
    const command *found = NULL;

    *words = 1;
    for (int i = 0; i < N_COMMANDS; i++) {
        const char *name = commands[i].name;
        if (argc > 1 && in_group(name, argv[0]) &&
            strcmp(name + strlen(argv[0]) + 1, argv[1]) == 0) {
            *words = 2;
            return &commands[i];
        }
        if (strcmp(argv[0], name) == 0)
            found = &commands[i];
    }
    return found;
}

static int refuse_command(int argc, char **argv)
{
    const char *words[N_COMMANDS];
    char name[2 * MAX_NAME];

    snprintf(name, sizeof name, "%s%s%s", argv[0], argc > 1 && is_group(argv[0]) ? " " : "",
             argc > 1 && is_group(argv[0]) ? argv[1] : "");
    if (is_group(name))
        return fail(EXIT_USAGE, "%s: which? see mucmm help %s", name, name);
    for (int i = 0; i < N_COMMANDS; i++)
        words[i] = commands[i].name;
    const char *near = mucmm_nearest_word(name, words, N_COMMANDS);
    if (near)
        return fail(EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", name, near);
    return fail(EXIT_USAGE, "unknown command '%s'; see mucmm help", name);
}

static void print_overview(FILE *out)
{
    fprintf(out, "mucmm - what paired views have in common, what each holds alone, and where\n\n"
                 "usage: mucmm COMMAND [options]\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nmucmm help COMMAND    options and an example\n"
                 "mucmm --version       version of the program and the library\n");
}

static void print_command_help(const command *c)
{
    printf("mucmm %s - %s\n\nusage: mucmm %s %s\n\noptions:\n", c->name, c->summary, c->name,
           c->usage);
    options_print(c->options);
    printf("  %-34s %s\n", "-h  --help", "print this");
    printf("\nexample:\n  %s\n", c->example);
}

static void print_version(void)
{
    uint32_t v = mucmm_version();

    printf("mucmm %d.%d.%d (library %u.%u.%u)\n", MUCMM_VERSION_MAJOR, MUCMM_VERSION_MINOR,
           MUCMM_VERSION_PATCH, (unsigned)(v >> 16), (unsigned)(v >> 8 & 0xff),
           (unsigned)(v & 0xff));
}

static void print_group(const char *group)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (in_group(commands[i].name, group))
            printf("mucmm %s%s%s\n    %s\n", commands[i].name, commands[i].usage[0] ? " " : "",
                   commands[i].usage, commands[i].summary);
    printf("\nmucmm help %s COMMAND    options and an example\n", group);
}

static int run_help(int argc, char **argv)
{
    int words;

    if (argc == 0) {
        print_overview(stdout);
        return 0;
    }
    const command *c = find_command(argc, argv, &words);
    if (c)
        print_command_help(c);
    else if (argc == 1 && is_group(argv[0]))
        print_group(argv[0]);
    else
        return refuse_command(argc, argv);
    return 0;
}

/* Is there a --help or -h before "--"? It wins over everything else. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int check_operands(const command *c, const settings *given)
{
    if (given->n_operands > c->operands + c->optional)
        return fail(EXIT_USAGE, "%s: '%s' is one argument too many", c->name,
                    given->operand[c->operands + c->optional]);
    if (given->n_operands < c->operands)
        return fail(EXIT_USAGE, "%s: an argument is missing; usage: mucmm %s %s", c->name, c->name,
                    c->usage);
    return 0;
}

static int run_command(const command *c, int argc, char **argv)
{
    settings given;
    int code = 0;

    if (wants_help(argc, argv)) {
        print_command_help(c);
        return 0;
    }
    if (!options_parse(c->name, c->options, argc, argv, &given))
        return EXIT_USAGE;
    TRY(check_operands(c, &given));
    if (!options_complete(c->name, c->options, &given))
        return EXIT_USAGE;
    TRY(outputs_check(&given));
    TRY(c->run(&given));
done:
    return code;
}

static int dispatch(int argc, char **argv)
{
    int words;

    if (argc == 0) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        print_version();
        return 0;
    }
    if (strcmp(argv[0], "help") == 0)
        return run_help(argc - 1, argv + 1);
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        return run_help(0, NULL);
    const command *c = find_command(argc, argv, &words);
    if (c)
        return run_command(c, argc - words, argv + words);
    if (is_group(argv[0]) && wants_help(argc, argv))
        return run_help(1, argv);
    return refuse_command(argc, argv);
}

/* Between parallel loops the threads of OpenMP wait busily, for milliseconds. On processors that
 * other programs use too, that makes training several times slower (docs/speed.md), so the wait is
 * cut short unless the user has set it. */
static bool wait_briefly(void)
{
    return !getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") &&
           setenv("GOMP_SPINCOUNT", "10000", 1) == 0;
}

/* OpenBLAS knows processors by their model number, and takes the slowest code for one that is newer
 * than itself: the code that the processor's instructions allow is named then. */
static bool name_processor(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    char *(*name)(void) = NULL;
    const char *core = NULL;

    *(void **)&name = dlsym(RTLD_DEFAULT, "openblas_get_corename"); /* POSIX's own way */
    if (getenv("OPENBLAS_CORETYPE") || !name || strcmp(name(), "Prescott") != 0)
        return false;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        core = "SkylakeX";
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        core = "Haswell";
    return core && setenv("OPENBLAS_CORETYPE", core, 1) == 0;
#else
    return false;
#endif
}

/* Both libraries read their settings when they are loaded: the program starts once more. */
static void start_again(char **argv)
{
    bool wait = wait_briefly(), name = name_processor();

    if (wait || name)
        execv("/proc/self/exe", argv); /* where that fails, go on as it is */
}

int main(int argc, char **argv)
{
    int held = 0; /* no file takes the place of a stream that is closed */

    while (held >= 0 && held < 3)
        held = open("/dev/null", O_RDWR | O_CLOEXEC);
    start_again(argv);
    int code = dispatch(argc - 1, argv + 1);

    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0)
        code = fail(EXIT_RUN, "cannot write the results: %s", strerror(errno));
    return code;
}
