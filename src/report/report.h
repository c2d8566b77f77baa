/* SPDX-License-Identifier: MIT
 *
 * report.h - the page while it is being put together. */
#ifndef MUCMM_REPORT_H
#define MUCMM_REPORT_H

#include "core/core.h"

#include <jansson.h>

/* Bytes that grow; always ends in 0 once anything was added. */
typedef struct mucmm__page_text {
    char *data;
    int64_t size, capacity;
} mucmm__page_text;

typedef enum mucmm__page_open {
    OPEN_NONE = 0, /* nothing has to be closed */
    OPEN_CARDS = 1,
    OPEN_TERMS = 2
} mucmm__page_open;

struct mucmm_report {
    char *title;
    mucmm__page_text nav, body;
    mucmm__page_text ticks; /* markup beside the pictures that follow; empty: they have none */
    int64_t sections, charts;
    mucmm__page_open open;
};

mucmm_status mucmm__page_raw(mucmm_ctx *ctx, mucmm__page_text *t, const char *bytes, int64_t size);
/* printf of markup: no text of the user's. */
mucmm_status mucmm__page_markup(mucmm_ctx *ctx, mucmm__page_text *t, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Text as text: markup is escaped, bytes that are no UTF-8 become U+FFFD. NULL is nothing. */
mucmm_status mucmm__page_escaped(mucmm_ctx *ctx, mucmm__page_text *t, const char *text);
/* JSON inside <script>: ASCII alone, and '<' never stands in it. */
mucmm_status mucmm__page_json(mucmm_ctx *ctx, mucmm__page_text *t, const json_t *value);
mucmm_status mucmm__page_base64(mucmm_ctx *ctx, mucmm__page_text *t, const unsigned char *bytes,
                                int64_t n);
/* A picture rgb [height, width, 3] as the address of its bytes. */
mucmm_status mucmm__page_png(mucmm_ctx *ctx, mucmm__page_text *t, const unsigned char *rgb,
                             int64_t height, int64_t width);
/* EARG unless a card is open. */
mucmm_status mucmm__page_in_card(mucmm_ctx *ctx, const mucmm_report *r);

#endif
