/* SPDX-License-Identifier: MIT
 *
 * fuzz_checkpoint.c - changed checkpoints of the fit that goes on from them: it is refused, or ends
 * in a model. */
#include "edits.h"
#include "folder.h"
#include "model/fit.h"

#define N_CHECKPOINTS 4

static uint8_t *checkpoints[N_CHECKPOINTS];
static size_t sizes[N_CHECKPOINTS];

static int stop_at(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    int64_t *left = user;

    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    return (*left)-- <= 0;
}

static mucmm_fit_params checkpoint_fit(size_t which)
{
    mucmm_fit_params p = tiny_fit(MUCMM_HEAD_MLP);

    p.stages = which == 3 ? 2 : 1;
    p.checkpoint = folder_path("checkpoint");
    return p;
}

static mucmm_status run_fit(mucmm_ctx *ctx, size_t which, double save_every)
{
    mucmm_data *data[3] = {NULL, NULL, NULL};
    mucmm_view view[3];
    mucmm_fit_params p = checkpoint_fit(which);
    mucmm_model *m;
    mucmm_status status;

    make_views(ctx, 2, data, view);
    status = mucmm__fit_saving(ctx, view, 2, &p, save_every, &m);
    FUZZ_REQUIRE((m != NULL) == (status == MUCMM_OK));
    mucmm_model_free(m);
    mucmm_data_free(data[0]);
    mucmm_data_free(data[1]);
    return status;
}

/* Checkpoints of fits that were stopped later and later. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    make_folder();
    for (size_t i = 0; i < N_CHECKPOINTS; i++) {
        for (int64_t calls = 2 + 2 * (int64_t)i;; calls++) {
            mucmm_ctx_params p;
            mucmm_ctx *ctx;
            int64_t left = calls;
            mucmm_status status;
            mucmm_ctx_params_init(&p);
            p.threads = 1;
            p.progress = stop_at;
            p.progress_user = &left;
            FUZZ_REQUIRE(mucmm_ctx_create(&p, &ctx) == MUCMM_OK);
            status = run_fit(ctx, i, 0);
            mucmm_ctx_free(ctx);
            FUZZ_REQUIRE(status == MUCMM_ECANCELED);
            if (access(folder_path("checkpoint"), R_OK) == 0)
                break;
        }
        checkpoints[i] = file_bytes(folder_path("checkpoint"), &sizes[i]);
        unlink(folder_path("checkpoint"));
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx;
    uint8_t *file;
    size_t n, which;

    if (size < 1)
        return 0;
    ctx = fuzz_ctx();
    which = bytes[0] % N_CHECKPOINTS;
    file = edited(checkpoints[which], sizes[which], bytes + 1, size - 1, &n);
    put_in_folder("checkpoint", file, n);
    run_fit(ctx, which, 1e9);
    empty_folder(fuzz_folder);
    free(file);
    mucmm_ctx_free(ctx);
    return 0;
}
