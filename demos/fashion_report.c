/* SPDX-License-Identifier: MIT
 *
 * What the demonstration measured, as tables and as JSON. */
#include "demo.h"

#include "cli.h"
#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char *const representation_names[DEMO_REPRESENTATIONS] = {"heads", "linear"};
static const char *const view_names[DEMO_VIEWS] = {"left", "right"};
static const char *const reader_names[N_READERS] = {"linear", "nonlinear"};
static const char *const map_names[N_MAPS] = {"pattern", "gradient"};

static double mean_of(const double v[DEMO_VIEWS])
{
    return 0.5 * (v[0] + v[1]);
}

/* ---- for people -------------------------------------------------------------------- */

static void print_three(const double v[DEMO_VIEWS])
{
    printf("   %7.3f %7.3f %7.3f", v[0], v[1], mean_of(v));
}

static void print_titles(const char *title)
{
    printf("\n%-42s%26s   %24s\n", title, "trained heads      ", "linear yardstick    ");
    printf("%-42s   %7s %7s %7s   %7s %7s %7s\n", "", "left", "right", "mean", "left", "right",
           "mean");
}

static void print_totals(const demo_results *r)
{
    printf("\n%-42s%26s   %24s\n", "Total correlation (at most 9)", "trained heads      ",
           "linear yardstick    ");
    printf("  %-40s%27.3f %24.3f\n", "test pairs, not seen in training", r->total_test[0],
           r->total_test[1]);
    printf("  %-40s%27.3f %24.3f\n", "training pairs", r->total_train[0], r->total_train[1]);
}

static void print_accuracies(const demo_results *r)
{
    static const struct {
        int class_kind, part;
        const char *label;
    } rows[] = {
        {CLASS_SHARED, PART_COMMON, "shared class from common"},
        {CLASS_SHARED, PART_INDIVIDUAL, "shared class from individual"},
        {CLASS_OWN, PART_INDIVIDUAL, "own class from individual"},
        {CLASS_OWN, PART_COMMON, "own class from common"},
    };

    print_titles("Class read right by a probe (chance 0.10)");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int reader = 0; reader < N_READERS; reader++) {
            char label[64];
            snprintf(label, sizeof label, "%s, %s", rows[i].label, reader_names[reader]);
            printf("  %-40s", label);
            for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
                print_three(r->accuracy[m][rows[i].part][rows[i].class_kind][reader]);
            printf("\n");
        }
}

static void print_energies(const demo_results *r)
{
    static const char *const labels[N_PARTS] = {"common score, left half",
                                                "individual score, right half"};

    print_titles("Share of a map's energy in its true half");
    for (int part = 0; part < N_PARTS; part++)
        for (int map = 0; map < N_MAPS; map++) {
            char label[64];
            snprintf(label, sizeof label, "%s, %s", labels[part], map_names[map]);
            printf("  %-40s", label);
            for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
                print_three(r->energy[m][part][map]);
            printf("\n");
        }
}

static void print_meaning(void)
{
    printf("\nWhat this says\n"
           "  Each pair shares the class of its left halves and nothing else; each right half is\n"
           "  a random item, which only its own view knows.\n"
           "  Common should tell the shared class and not the own class of a view; individual the\n"
           "  other way round. A linear probe is a logistic regression, a nonlinear one a small\n"
           "  network: what even that cannot read at better than chance is not there.\n"
           "  A map says which pixels a score comes from: the common score should point to the\n"
           "  left half and the individual score to the right. The pattern is the gradient times\n"
           "  the covariance of the pixels; the bare gradient also shows what cancels noise.\n");
}

/* A command on both views of one set, as it can be pasted. */
static void print_command(const char *before, const char *folder, const char *set,
                          const char *after)
{
    printf("  %s %s", program_invocation_name, before);
    for (int v = 0; v < DEMO_VIEWS; v++) {
        const char *name = v == 0 ? "left" : "right";
        printf(" --view %s=%s/%s.%s.npy", name, folder, name, set);
    }
    printf(" %s\n", after);
}

static void print_commands(const char *folder)
{
    char words[2][4096];

    printf("\nOpen %s/maps.png: six test pairs of six classes with their maps.\n", folder);
    printf("\nThe same by hand:\n");
    snprintf(words[1], sizeof words[1], "--common 9 --individual 20 -o %s/again.mucmm", folder);
    print_command("fit", folder, "train", words[1]);
    snprintf(words[0], sizeof words[0], "score %s/model.mucmm", folder);
    print_command(words[0], folder, "test", "");
    snprintf(words[0], sizeof words[0], "explain %s/model.mucmm", folder);
    snprintf(words[1], sizeof words[1], "--samples 0-5 -o %s/maps", folder);
    print_command(words[0], folder, "test", words[1]);
}

void demo_print(const demo_results *r, const char *folder)
{
    printf("Fashion-MNIST composite: %" PRId64 " training pairs, %" PRId64 " test pairs\n",
           r->train, r->test);
    print_totals(r);
    print_accuracies(r);
    print_energies(r);
    print_meaning();
    print_commands(folder);
}

/* ---- for programs ------------------------------------------------------------------ */

/* {"left": x, "right": x, "mean": x} */
static json_t *three_json(const double v[DEMO_VIEWS])
{
    json_t *o = json_object();

    for (int i = 0; i < DEMO_VIEWS; i++)
        json_put(o, view_names[i], number_json(v[i]));
    json_put(o, "mean", number_json(mean_of(v)));
    return o;
}

static json_t *representation_json(const demo_results *r, int m)
{
    static const char *const reads[N_CLASSES][N_PARTS] = {
        {"shared_class_from_common", "shared_class_from_individual"},
        {"own_class_from_common", "own_class_from_individual"}};
    static const char *const energies[N_PARTS] = {"common_map_energy_in_left_half",
                                                  "individual_map_energy_in_right_half"};
    json_t *root = json_object();

    json_put(root, "total_correlation_test", number_json(r->total_test[m]));
    json_put(root, "total_correlation_train", number_json(r->total_train[m]));
    for (int c = 0; c < N_CLASSES; c++)
        for (int part = 0; part < N_PARTS; part++) {
            json_t *o = json_object();
            for (int reader = 0; reader < N_READERS; reader++)
                json_put(o, reader_names[reader], three_json(r->accuracy[m][part][c][reader]));
            json_put(root, reads[c][part], o);
        }
    for (int part = 0; part < N_PARTS; part++) {
        json_t *o = json_object();
        for (int map = 0; map < N_MAPS; map++)
            json_put(o, map_names[map], three_json(r->energy[m][part][map]));
        json_put(root, energies[part], o);
    }
    return root;
}

json_t *demo_json(const demo_results *r)
{
    json_t *root = json_object();

    json_put(root, "training_pairs", json_integer(r->train));
    json_put(root, "test_pairs", json_integer(r->test));
    json_put(root, "mapped_pairs", json_integer(r->mapped));
    for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
        json_put(root, representation_names[m], representation_json(r, m));
    return root;
}
