/* SPDX-License-Identifier: MIT
 *
 * sound.c - WAV, FLAC, OGG, AIFF and MP3 in memory to mono float, by libsndfile. It takes a file
 * that is cut off for a shorter one, so that is checked here. */
#include "io/io.h"

#include <inttypes.h>
#include <math.h>
#include <sndfile.h>
#include <string.h>

#define MAX_SAMPLES ((int64_t)1 << 28) /* 97 minutes at 48 kHz */
#define BLOCK 16384                    /* floats decoded at a time, of all channels */

typedef struct reader {
    mucmm_ctx *ctx;
    const char *name;
    const unsigned char *bytes;
    sf_count_t size, at;
} reader;

/* ---- a file in memory for libsndfile ----------------------------------------------- */

static sf_count_t io_size(void *user)
{
    return ((reader *)user)->size;
}

static sf_count_t io_tell(void *user)
{
    return ((reader *)user)->at;
}

static sf_count_t io_seek(sf_count_t offset, int whence, void *user)
{
    reader *r = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->at : r->size, to;

    if (__builtin_add_overflow(from, offset, &to) || to < 0)
        return -1;
    r->at = to < r->size ? to : r->size;
    return r->at;
}

static sf_count_t io_read(void *out, sf_count_t n, void *user)
{
    reader *r = user;

    if (n > r->size - r->at)
        n = r->size - r->at;
    if (n <= 0)
        return 0;
    memcpy(out, r->bytes + r->at, (size_t)n);
    r->at += n;
    return n;
}

/* ---- whole? ------------------------------------------------------------------------ */

static uint64_t little_endian(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* Whether the data chunk goes beyond the file. Sizes of 0 and 2^32 - 1 are those of a stream whose
 * writer did not know. */
static bool wav_is_cut(const unsigned char *b, size_t size)
{
    for (size_t at = 12; at + 8 <= size;) {
        uint64_t n = little_endian(b + at + 4);
        bool is_data = memcmp(b + at, "data", 4) == 0;
        if (n > size - at - 8)
            return n != UINT32_MAX;
        if (is_data)
            return false;
        at += 8 + (size_t)n + (n & 1);
    }
    return false;
}

/* Ogg's CRC-32: 0x04c11db7, highest bit first, from 0; the field itself counts as zeros. */
static uint32_t ogg_crc(const uint32_t table[256], const unsigned char *page, size_t n)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < n; i++)
        crc = crc << 8 ^ table[(crc >> 24 ^ (i >= 22 && i < 26 ? 0 : page[i])) & 255];
    return crc;
}

static void fill_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i << 24;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] << 1 ^ (table[i] & 0x80000000u ? 0x04c11db7u : 0);
    }
}

/* A file is pages without a gap: 27 bytes, a table of lengths, what they add up to. libsndfile
 * skips a damaged one (and loses memory where it cannot). */
static mucmm_status check_ogg(const reader *r)
{
    size_t size = (size_t)r->size, n;
    uint32_t table[256];
    bool ends = false;

    fill_crc_table(table);
    for (size_t at = 0; at < size; at += n) {
        const unsigned char *page = r->bytes + at;
        bool whole = size - at >= 27 && size - at - 27 >= page[26];
        n = 27;
        if (whole) {
            n += page[26];
            for (size_t k = 0; k < page[26]; k++)
                n += page[27 + k];
        }
        if (!whole || n > size - at)
            return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                               "%s: the sound is cut off in the OGG page at byte %zu", r->name, at);
        if (memcmp(page, "OggS", 4) != 0 ||
            ogg_crc(table, page, n) != (uint32_t)little_endian(page + 22))
            return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: the OGG page at byte %zu is damaged",
                               r->name, at);
        ends = page[5] & 4;
    }
    if (!ends)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s: the sound is cut off: its last OGG page is not there", r->name);
    return MUCMM_OK;
}

static bool is_aiff(const unsigned char *b, size_t size)
{
    return size >= 12 && memcmp(b, "FORM", 4) == 0 &&
           (memcmp(b + 8, "AIFF", 4) == 0 || memcmp(b + 8, "AIFC", 4) == 0);
}

static bool aiff_is_cut(const unsigned char *b, size_t size)
{
    return ((size_t)b[4] << 24 | (size_t)b[5] << 16 | (size_t)b[6] << 8 | b[7]) > size - 8;
}

/* A tag in front, or a frame of layer III (whose bits are 01). */
static bool is_mp3(const unsigned char *b, size_t size)
{
    return size >= 4 && (memcmp(b, "ID3", 3) == 0 || (b[0] == 0xff && (b[1] & 0xe6) == 0xe2));
}

static mucmm_status check_file(const reader *r)
{
    const unsigned char *b = r->bytes;
    size_t size = (size_t)r->size;

    if (size >= 4 && memcmp(b, "OggS", 4) == 0)
        return check_ogg(r);
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WAVE", 4) == 0) {
        if (wav_is_cut(b, size))
            return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                               "%s: the sound is cut off: the file ends early", r->name);
    } else if (is_aiff(b, size)) {
        if (aiff_is_cut(b, size))
            return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                               "%s: the sound is cut off: the file ends early", r->name);
    } else if (!is_mp3(b, size) && (size < 4 || memcmp(b, "fLaC", 4) != 0))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: %s, not WAV, FLAC, OGG, AIFF or MP3",
                           r->name, size ? "an unknown format" : "an empty file");
    return MUCMM_OK;
}

/* ---- samples ----------------------------------------------------------------------- */

static mucmm_status make_room(mucmm_ctx *ctx, mucmm__sound *out, int64_t *room, int64_t more)
{
    int64_t want = *room ? 2 * *room : more;
    mucmm_status status;

    if (out->n + more <= *room)
        return MUCMM_OK;
    status = mucmm__realloc(ctx, out->n, want, sizeof *out->samples, &out->samples);
    if (status == MUCMM_OK)
        *room = want;
    return status;
}

/* The mean over channels of block [n, channels], put at the end. */
static mucmm_status add_block(const reader *r, const float *block, int64_t n, int64_t channels,
                              mucmm__sound *out)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int64_t c = 0; c < channels; c++)
            sum += block[i * channels + c];
        if (!isfinite(sum))
            return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                               "%s: sample %" PRId64 " is not a finite number", r->name, out->n);
        out->samples[out->n++] = sum / (float)channels;
    }
    return MUCMM_OK;
}

/* What the header says of the length is not believed before the samples are there. */
static mucmm_status read_samples(const reader *r, SNDFILE *f, const SF_INFO *info,
                                 mucmm__sound *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t channels = info->channels, frames = BLOCK / channels, room = 0, n;
    float *block = NULL;

    TRY(mucmm__alloc(r->ctx, BLOCK, sizeof *block, &block));
    do {
        n = sf_readf_float(f, block, frames);
        if (n < 0 || sf_error(f) != SF_ERR_NO_ERROR)
            TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: damaged after %" PRId64 " samples: %s",
                            r->name, out->n, sf_strerror(f)));
        if (out->n + n > MAX_SAMPLES)
            TRY(mucmm__fail(r->ctx, MUCMM_EUNSUPPORTED,
                            "%s: longer than the %" PRId64 " samples that are read", r->name,
                            MAX_SAMPLES));
        TRY(make_room(r->ctx, out, &room, frames));
        TRY(add_block(r, block, n, channels, out));
    } while (n > 0);
done:
    mucmm__free(block);
    return status;
}

static mucmm_status decode(const reader *r, SNDFILE *f, const SF_INFO *info, mucmm__sound *out)
{
    mucmm_status status = MUCMM_OK;

    if (info->channels < 1 || info->channels > BLOCK || info->samplerate < 1)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: %d channels at %d Hz make no sound", r->name,
                           info->channels, info->samplerate);
    out->rate = info->samplerate;
    status = read_samples(r, f, info, out);
    if (status != MUCMM_OK)
        return status;
    if (out->n == 0)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: a sound of 0 samples", r->name);
    if (info->frames != SF_COUNT_MAX && out->n < info->frames)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s: the sound is cut off: %" PRId64 " of %" PRId64 " samples", r->name,
                           out->n, (int64_t)info->frames);
    return MUCMM_OK;
}

mucmm_status mucmm__sound_decode(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, mucmm__sound *out)
{
    reader r = {.ctx = ctx, .name = name, .bytes = bytes, .size = (sf_count_t)size};
    SF_VIRTUAL_IO io = {io_size, io_seek, io_read, NULL, io_tell};
    SF_INFO info = {0};
    SNDFILE *f = NULL;
    mucmm_status status = MUCMM_OK;

    *out = (mucmm__sound){NULL, 0, 0};
    TRY(check_file(&r));
    f = sf_open_virtual(&io, SFM_READ, &info, &r);
    if (!f)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a sound that does not decode: %s", name,
                        sf_strerror(NULL)));
    TRY(decode(&r, f, &info, out));
done:
    if (f)
        sf_close(f);
    if (status != MUCMM_OK)
        mucmm__sound_drop(out);
    return status;
}

void mucmm__sound_drop(mucmm__sound *s)
{
    mucmm__free(s->samples);
    *s = (mucmm__sound){NULL, 0, 0};
}
