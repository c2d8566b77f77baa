/* SPDX-License-Identifier: MIT
 *
 * report.c - a report from arrays. A number that nobody sees brightens the left column of 5 x 5
 * pictures and raises two of six numbers; another one brightens the last row of the picture alone.
 * The model is fitted to 600 samples; the report, argv[1], is on 200 others. */
#include <mucmm.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIT = 600, ROWS = 800, SIDE = 5, PIXELS = SIDE * SIDE, NUMBERS = 6 };
static float picture[ROWS][PIXELS], numbers[ROWS][NUMBERS];

static float noise(void) /* mean 0, variance 1 */
{
    return (float)(2.0 * ((double)rand() + rand() + rand()) / RAND_MAX - 3.0);
}

int main(int argc, char **argv)
{
    const int64_t shape[] = {SIDE, SIDE}, first[] = {0, FIT, ROWS};
    mucmm_ctx *ctx = NULL;
    mucmm_views *views[2] = {NULL, NULL}; /* to fit, to report on */
    mucmm_model *model = NULL;
    mucmm_fit_params params;

    for (int i = 0; i < ROWS; i++) {
        float both = noise(), alone = noise();
        for (int j = 0; j < PIXELS; j++)
            picture[i][j] = noise() + (j % SIDE ? 0 : both) + (j / SIDE < SIDE - 1 ? 0 : alone);
        for (int j = 0; j < NUMBERS; j++)
            numbers[i][j] = noise() + (j < 2 ? both : 0);
    }
    int failed = mucmm_ctx_create(NULL, &ctx);
    for (int i = 0; i < 2 && !failed; i++) {
        mucmm_cmat p = {picture[first[i]], first[i + 1] - first[i], PIXELS, PIXELS};
        mucmm_cmat q = {numbers[first[i]], first[i + 1] - first[i], NUMBERS, NUMBERS};
        mucmm_view view[] = {{"picture", NULL}, {"numbers", NULL}};
        mucmm_data *data[2] = {NULL, NULL};
        failed = mucmm_data_wrap(ctx, &p, "picture", shape, 2, &data[0]) ||
                 mucmm_data_wrap(ctx, &q, "numbers", NULL, 0, &data[1]);
        view[0].data = data[0], view[1].data = data[1];
        failed = failed || mucmm_views_create(ctx, view, 2, &views[i]); /* keeps the data */
        mucmm_data_free(data[0]);
        mucmm_data_free(data[1]);
    }
    mucmm_fit_params_init(&params);
    params.common = params.individual = 2;
    params.head = MUCMM_HEAD_LINEAR; /* the closed form; trained heads take longer */
    failed = failed || mucmm_fit(ctx, mucmm_views_list(views[0]), 2, &params, &model) ||
             mucmm_model_report(ctx, model, views[1], NULL, argc > 1 ? argv[1] : "report.html");
    if (failed)
        fprintf(stderr, "%s\n", ctx ? mucmm_ctx_message(ctx) : "no context");
    mucmm_model_free(model);
    mucmm_views_free(views[0]);
    mucmm_views_free(views[1]);
    mucmm_ctx_free(ctx);
    return failed;
}
