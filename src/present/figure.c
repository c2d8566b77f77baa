/* SPDX-License-Identifier: MIT
 *
 * A page as PNG, SVG or PDF. */
#include "present/figure.h"

#include "io/data.h"

static const unsigned char WHITE[3] = {255, 255, 255};

static mucmm_status write_pixels(mucmm_ctx *ctx, const char *path, mucmm__canvas *c,
                                 mucmm__draw *draw, const void *what)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, c->width * c->height, 3, &c->rgb));
    mucmm__canvas_fill(c, 0, 0, c->width, c->height, WHITE);
    draw(c, what);
    TRY(mucmm__png_write(ctx, path, c->width, c->height, c->rgb));
done:
    mucmm__free(c->rgb);
    return status;
}

static mucmm_status write_vectors(mucmm_ctx *ctx, const char *path, const char *title,
                                  mucmm__canvas *c, mucmm__draw *draw, const void *what)
{
    mucmm_status status = MUCMM_OK;
    bool pdf = mucmm__ends_with(path, ".pdf");
    mucmm__writer *writer = NULL;
    void *bytes = NULL;
    size_t size;

    TRY(mucmm__writer_create_memory(ctx, &writer));
    TRY(mucmm__vector_create(ctx, pdf, c->width, c->height, title, writer, &c->vector));
    mucmm__canvas_fill(c, 0, 0, c->width, c->height, WHITE);
    draw(c, what);
    TRY(mucmm__vector_finish(ctx, c->vector));
    TRY(mucmm__writer_take(ctx, writer, &bytes, &size));
    if (!pdf)
        TRY(mucmm__vector_renumber(ctx, bytes, &size));
    TRY(mucmm__file_write_unsynced(ctx, path, bytes, size));
done:
    mucmm__vector_free(c->vector);
    mucmm__writer_free(writer);
    mucmm__free(bytes);
    return status;
}

mucmm_status mucmm__figure_write(mucmm_ctx *ctx, const char *path, const char *title, int64_t width,
                                 int64_t height, mucmm__draw *draw, const void *what)
{
    mucmm__canvas c = {.width = width, .height = height};

    return mucmm__vector_named(path) ? write_vectors(ctx, path, title, &c, draw, what)
                                     : write_pixels(ctx, path, &c, draw, what);
}
