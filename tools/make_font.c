/* SPDX-License-Identifier: MIT
 *
 * make_font.c - draws the characters of Europe's alphabets from TrueType fonts into
 * src/present/font.h.
 * Not part of the build; run again only to change the font (Debian: libfreetype-dev,
 * fonts-dejavu-core):
 *
 *   cc tools/make_font.c -o make_font $(pkg-config --cflags --libs freetype2)
 *   ./make_font tools/font_notice.txt body 14 DejaVuSans.ttf title 19 DejaVuSans-Bold.ttf \
 *       >src/present/font.h
 *
 * A glyph is a string of width * height hexadecimal digits, its coverage in fifteenths. */
#include <ft2build.h>
#include FT_FREETYPE_H
#include <stdio.h>
#include <stdlib.h>

static void copy_notice(const char *path)
{
    FILE *f = fopen(path, "r");
    int c;

    if (!f) {
        perror(path);
        exit(1);
    }
    while ((c = getc(f)) != EOF)
        putchar(c);
    fclose(f);
}

/* ASCII; Latin-1 and Latin Extended-A; Greek; Cyrillic; dashes, quotes and dots; the euro sign. */
static const unsigned long ranges[][2] = {{0x20, 0x7e},   {0xa0, 0x17f},    {0x386, 0x3ce},
                                          {0x400, 0x45f}, {0x2010, 0x2026}, {0x20ac, 0x20ac}};
enum { RANGES = sizeof ranges / sizeof *ranges };

static void print_ranges(void)
{
    unsigned long at = 0;

    printf("\n/* Characters first to last stand from `at` on in both fonts. */\n"
           "static const struct {\n    unsigned first, last, at;\n} font_ranges[] = {\n");
    for (int i = 0; i < RANGES; at += ranges[i][1] - ranges[i][0] + 1, i++)
        printf("    {0x%lx, 0x%lx, %lu},\n", ranges[i][0], ranges[i][1], at);
    printf("};\n");
}

static void print_glyph(FT_Face face, unsigned long c)
{
    const FT_Bitmap *b = &face->glyph->bitmap;

    if (FT_Load_Char(face, c, FT_LOAD_RENDER | FT_LOAD_TARGET_LIGHT)) {
        fprintf(stderr, "make_font: no glyph for character %lu\n", c);
        exit(1);
    }
    printf("    {%ld, %d, %d, %u, %u, \"", (face->glyph->advance.x + 32) / 64,
           face->glyph->bitmap_left, face->glyph->bitmap_top, b->width, b->rows);
    for (unsigned y = 0; y < b->rows; y++)
        for (unsigned x = 0; x < b->width; x++)
            printf("%x", (b->buffer[(int)y * b->pitch + (int)x] + 8) / 17);
    printf("\"}, /* U+%04lX */\n", c);
}

static void print_font(FT_Library lib, const char *name, const char *pixels, const char *path)
{
    FT_Face face;

    if (FT_New_Face(lib, path, 0, &face) || FT_Set_Pixel_Sizes(face, 0, (FT_UInt)atoi(pixels))) {
        fprintf(stderr, "make_font: cannot use %s\n", path);
        exit(1);
    }
    printf("\n/* clang-format off */\nstatic const glyph %s_glyphs[] = {\n", name);
    for (int i = 0; i < RANGES; i++)
        for (unsigned long c = ranges[i][0]; c <= ranges[i][1]; c++)
            print_glyph(face, c);
    printf("};\n/* clang-format on */\n");
    FT_Done_Face(face);
}

int main(int argc, char **argv)
{
    FT_Library lib;

    if (argc < 5 || (argc - 2) % 3 != 0 || FT_Init_FreeType(&lib))
        return 2;
    copy_notice(argv[1]);
    printf(
        "#ifndef MUCMM_FONT_H\n#define MUCMM_FONT_H\n\n"
        "/* The top left pixel is at (pen + left, baseline - top); the pen moves by advance. */\n"
        "typedef struct glyph {\n"
        "    signed char advance, left, top, width, height;\n"
        "    const char *coverage; /* [height, width] hexadecimal digits */\n"
        "} glyph;\n");
    print_ranges();
    for (int i = 2; i < argc; i += 3)
        print_font(lib, argv[i], argv[i + 1], argv[i + 2]);
    printf("\n#endif\n");
    FT_Done_FreeType(lib);
    return 0;
}
