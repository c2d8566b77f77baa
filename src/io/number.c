/* SPDX-License-Identifier: MIT
 *
 * number.c - every kind of number a file may hold, as float and as double. */
#include "io/data.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define as_bool(b) ((b) != 0)
#define as_i8(b) ((int8_t)(b))
#define as_i16(b) ((int16_t)(b))
#define as_i32(b) ((int32_t)(b))
#define as_i64(b) ((int64_t)(b))
#define as_unsigned(b) (b)

INLINE uint8_t keep8(uint8_t b)
{
    return b;
}

INLINE float as_f32(uint32_t b)
{
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}

INLINE double as_f64(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10. */
INLINE float as_f16(uint16_t b)
{
    uint32_t sign = (uint32_t)(b & 0x8000) << 16, exponent = b >> 10 & 31, fraction = b & 1023;

    if (exponent == 0) /* zero and subnormal numbers: fraction * 2^-24 */
        return (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;
    if (exponent == 31)
        return as_f32(sign | 0x7f800000 | fraction << 13);
    return as_f32(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

/* run_X is inlined twice: with a constant step, which the compiler vectorizes, and without.
 * A double beyond float's range becomes infinite (IEC 60559), which the caller checks. */
#define X(id, name, bits, swap_bits, value)                                                        \
    INLINE void run_##id(const unsigned char *p, int64_t step, bool swap, int64_t n, float *out)   \
    {                                                                                              \
        for (int64_t j = 0; j < n; j++, p += step) {                                               \
            bits b;                                                                                \
            memcpy(&b, p, sizeof b);                                                               \
            out[j] = (float)value(swap ? swap_bits(b) : b);                                        \
        }                                                                                          \
    }                                                                                              \
    static void convert_##id(const unsigned char *p, int64_t step, bool swap, int64_t n,           \
                             float *out)                                                           \
    {                                                                                              \
        if (step == sizeof(bits) && !swap)                                                         \
            run_##id(p, sizeof(bits), false, n, out);                                              \
        else                                                                                       \
            run_##id(p, step, swap, n, out);                                                       \
    }                                                                                              \
    static double load_##id(const unsigned char *p, bool swap)                                     \
    {                                                                                              \
        bits b;                                                                                    \
        memcpy(&b, p, sizeof b);                                                                   \
        return (double)value(swap ? swap_bits(b) : b);                                             \
    }
MUCMM__NUMBER_MAP(X)
#undef X

const mucmm__number_def mucmm__numbers[MUCMM__NUMBERS] = {
#define X(id, name, bits, swap, value)                                                             \
    {name, sizeof(bits), MUCMM__NUMBER_##id >= MUCMM__NUMBER_FLOAT16, convert_##id, load_##id},
    MUCMM__NUMBER_MAP(X)
#undef X
};

bool mucmm__array_bytes(const mucmm__array *a, int64_t *bytes)
{
    *bytes = mucmm__numbers[a->type].size;
    for (int32_t k = 0; k < a->rank; k++)
        if (!mucmm__mul(*bytes, a->shape[k], bytes))
            return false;
    return true;
}

int64_t mucmm__array_offset(const mucmm__array *a, int32_t first, int64_t index)
{
    int64_t stride = mucmm__numbers[a->type].size, offset = 0;

    if (!a->fortran)
        return index * stride;
    /* In Fortran order the first axis is the fastest: strides grow from the left, while
     * the digits of a C-order index come off from the right. */
    for (int32_t k = 0; k < a->rank; k++)
        stride *= a->shape[k];
    for (int32_t k = a->rank - 1; k >= first; k--) {
        stride /= a->shape[k];
        offset += index % a->shape[k] * stride;
        index /= a->shape[k];
    }
    return offset;
}
