/* SPDX-License-Identifier: MIT
 *
 * png.c - 8-bit RGB to a PNG file. libpng's simplified interface keeps its
 * setjmp to itself and reports an error as text. */
#include "io/io.h"

#include <png.h>

#define MAX_SIDE 1000000 /* libpng's own limit */

mucmm_status mucmm__png_write(mucmm_ctx *ctx, const char *path, int64_t width, int64_t height,
                              const unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .format = PNG_FORMAT_RGB,
                       .flags = PNG_IMAGE_FLAG_FAST}; /* half the time */
    unsigned char *bytes = NULL;
    png_alloc_size_t size;

    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE ||
        width * height > INT32_MAX / 3)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "cannot write %s: a picture of %lld x %lld pixels; it must have 1 to %d "
                           "on a side and less than 2 GB",
                           path, (long long)width, (long long)height, MAX_SIDE);
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    size = PNG_IMAGE_PNG_SIZE_MAX(image);
    TRY(mucmm__alloc(ctx, (int64_t)size, 1, &bytes));
    if (!png_image_write_to_memory(&image, bytes, &size, 0, rgb, 0, NULL))
        TRY(mucmm__fail(ctx, MUCMM_EBACKEND, "cannot write %s: libpng: %s", path, image.message));
    TRY(mucmm__file_write_unsynced(ctx, path, bytes, size));
done:
    png_image_free(&image);
    mucmm__free(bytes);
    return status;
}
