/* SPDX-License-Identifier: MIT
 *
 * Text from files for a terminal: what would steer it is shown, not obeyed. */
#include "core/core.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence that p begins with, its code point in *code; 0: none. The NUL at the
 * end of a text continues no sequence. */
static int decode(const unsigned char *p, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    *code = n == 1 ? p[0] : n == 0 ? 0 : p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if (n > 0 && (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff)))
        return 0;
    return n;
}

/* Control characters, and those of Unicode that turn the direction of what follows or end a line. A
 * joiner (U+200D) does neither, and pictures of several characters need it. */
static bool steers(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           (c >= 0xfff9 && c <= 0xfffb);
}

const char *mucmm_text_printable(const char *text, char *out, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0;

    while (size > 0 && *p) {
        char piece[8];
        uint32_t code;
        int n = decode(p, &code), length;
        if (n > 0 && !steers(code))
            length = snprintf(piece, sizeof piece, "%.*s", n, (const char *)p);
        else if (n > 1)
            length = snprintf(piece, sizeof piece, "\\u%04x", (unsigned)code & 0xffff);
        else
            length = snprintf(piece, sizeof piece, "\\x%02x", p[0]);
        if (used + (size_t)length >= size)
            break;
        memcpy(out + used, piece, (size_t)length);
        used += (size_t)length;
        p += n > 0 ? n : 1;
    }
    if (size > 0)
        out[used] = '\0';
    return out;
}
