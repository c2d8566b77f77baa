/* SPDX-License-Identifier: MIT
 *
 * number.c - the table of the types of numbers, and their conversions. */
#include "io/data.h"

#include <math.h>
#include <string.h>

/* X(id, name, NumPy's, safetensors', type of the bits, swap of the bits, bits to value) */
#define NUMBER_MAP(X)                                                                              \
    X(F32, "float32", "f4", "F32", uint32_t, __builtin_bswap32, as_f32)                            \
    X(U8, "uint8", "u1", "U8", uint8_t, keep8, as_unsigned)                                        \
    X(I8, "int8", "i1", "I8", uint8_t, keep8, as_i8)                                               \
    X(U16, "uint16", "u2", "U16", uint16_t, __builtin_bswap16, as_unsigned)                        \
    X(I16, "int16", "i2", "I16", uint16_t, __builtin_bswap16, as_i16)                              \
    X(I32, "int32", "i4", "I32", uint32_t, __builtin_bswap32, as_i32)                              \
    X(I64, "int64", "i8", "I64", uint64_t, __builtin_bswap64, as_i64)                              \
    X(BOOL, "bool", "b1", "BOOL", uint8_t, keep8, as_bool)                                         \
    X(F16, "float16", "f2", "F16", uint16_t, __builtin_bswap16, as_f16)                            \
    X(F64, "float64", "f8", "F64", uint64_t, __builtin_bswap64, as_f64)                            \
    X(U32, "uint32", "u4", "U32", uint32_t, __builtin_bswap32, as_unsigned)                        \
    X(U64, "uint64", "u8", "U64", uint64_t, __builtin_bswap64, as_unsigned)                        \
    X(BF16, "bfloat16", NULL, "BF16", uint16_t, __builtin_bswap16, as_bf16)

/* ---- bits to numbers --------------------------------------------------------------- */

enum { STRING = 8 }; /* ONNX's */

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

INLINE float as_bf16(uint16_t b)
{
    return as_f32((uint32_t)b << 16);
}

/* ---- numbers to bits --------------------------------------------------------------- */

/* Rounded to the nearest, ties to even. */
static uint16_t float_to_half(float f)
{
    uint32_t bits, sign, a;
    float magnitude;

    memcpy(&bits, &f, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    a = bits & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* subnormal: the sum's last bits are the rounded multiple of 2^-24 */
        memcpy(&magnitude, &a, sizeof a);
        magnitude += 0.5f;
        memcpy(&a, &magnitude, sizeof a);
        return (uint16_t)(sign | (a - 0x3f000000u));
    }
    a += 0xfffu + (a >> 13 & 1u);
    return (uint16_t)(sign | ((a - 0x38000000u) >> 13));
}

static uint16_t float_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f))
        return 0x7fc0u;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* ---- the table --------------------------------------------------------------------- */

/* run_X is inlined twice: with a constant step, which the compiler vectorizes, and without.
 * A double beyond float's range becomes infinite (IEC 60559), which the caller checks. */
#define X(id, name, npy, safetensors, bits, swap_bits, value)                                      \
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
NUMBER_MAP(X)
#undef X

/* Rows without name: no type. ONNX has more types than numbers. */
const mucmm__number_type mucmm__number_types[MUCMM__NUMBER_TYPES] = {
#define X(id, name, npy, safetensors, bits, swap, value)                                           \
    [MUCMM_##id] = {name,                                                                          \
                    sizeof(bits),                                                                  \
                    MUCMM_##id == MUCMM_F32 || MUCMM_##id == MUCMM_F64 ||                          \
                        MUCMM_##id == MUCMM_F16 || MUCMM_##id == MUCMM_BF16,                       \
                    npy,                                                                           \
                    safetensors,                                                                   \
                    convert_##id,                                                                  \
                    load_##id},
    NUMBER_MAP(X)
#undef X
        [STRING] = {.name = "string"},
};

const mucmm__number_type *mucmm__number_type_of(mucmm_dtype t)
{
    static const mucmm__number_type unknown = {.name = "an unknown type"};

    return (int)t >= 0 && (int)t < MUCMM__NUMBER_TYPES && mucmm__number_types[t].name
               ? &mucmm__number_types[t]
               : &unknown;
}

int64_t mucmm_dtype_size(mucmm_dtype t)
{
    return mucmm__number_type_of(t)->size;
}

const char *mucmm_dtype_name(mucmm_dtype t)
{
    return mucmm__number_type_of(t)->name;
}

bool mucmm__dtype_is_float(mucmm_dtype t)
{
    return mucmm__number_type_of(t)->is_float;
}

bool mucmm__dtype_is_npy(mucmm_dtype t)
{
    return mucmm__number_type_of(t)->npy != NULL;
}

/* ---- numbers in memory ------------------------------------------------------------- */

/* A cast out of range is undefined in C: NaN becomes 0, all else the nearest end. */
static int64_t to_int64(double v)
{
    return isnan(v) ? 0 : v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

#define INTEGER_MAP(X)                                                                             \
    X(U8, uint8_t)                                                                                 \
    X(I8, int8_t)                                                                                  \
    X(U16, uint16_t)                                                                               \
    X(I16, int16_t) X(I32, int32_t) X(I64, int64_t) X(U32, uint32_t) X(U64, uint64_t)

double mucmm__number_get(mucmm_dtype t, const void *data, int64_t i)
{
    switch (t) {
#define X(id, type)                                                                                \
    case MUCMM_##id:                                                                               \
        return (double)((const type *)data)[i];
        INTEGER_MAP(X)
        X(F32, float)
        X(F64, double)
#undef X
    case MUCMM_BOOL:
        return ((const uint8_t *)data)[i] != 0;
    case MUCMM_F16:
        return (double)as_f16(((const uint16_t *)data)[i]);
    case MUCMM_BF16:
        return (double)as_bf16(((const uint16_t *)data)[i]);
    }
    return NAN;
}

void mucmm__number_put(mucmm_dtype t, void *data, int64_t i, double v)
{
    switch (t) {
    case MUCMM_F32:
        ((float *)data)[i] = (float)v;
        return;
    case MUCMM_F64:
        ((double *)data)[i] = v;
        return;
    case MUCMM_BOOL:
        ((uint8_t *)data)[i] = v != 0;
        return;
    case MUCMM_F16:
        ((uint16_t *)data)[i] = float_to_half((float)v);
        return;
    case MUCMM_BF16:
        ((uint16_t *)data)[i] = float_to_bf16((float)v);
        return;
    case MUCMM_U64:
        ((uint64_t *)data)[i] = v >= 0x1p64   ? UINT64_MAX
                                : v >= 0x1p63 ? (uint64_t)v
                                              : (uint64_t)to_int64(v);
        return;
    case MUCMM_U8:
    case MUCMM_I8:
    case MUCMM_U16:
    case MUCMM_I16:
    case MUCMM_I32:
    case MUCMM_I64:
    case MUCMM_U32:
        mucmm__integer_put(t, data, i, to_int64(v));
        return;
    }
}

int64_t mucmm__integer_get(mucmm_dtype t, const void *data, int64_t i)
{
    switch (t) {
#define X(id, type)                                                                                \
    case MUCMM_##id:                                                                               \
        return (int64_t)((const type *)data)[i];
        INTEGER_MAP(X)
#undef X
    case MUCMM_BOOL:
        return ((const uint8_t *)data)[i] != 0;
    case MUCMM_F32:
    case MUCMM_F64:
    case MUCMM_F16:
    case MUCMM_BF16:
        return to_int64(mucmm__number_get(t, data, i));
    }
    return 0;
}

void mucmm__integer_put(mucmm_dtype t, void *data, int64_t i, int64_t v)
{
    switch (t) {
#define X(id, type)                                                                                \
    case MUCMM_##id:                                                                               \
        ((type *)data)[i] = (type)v;                                                               \
        return;
        INTEGER_MAP(X)
#undef X
    case MUCMM_BOOL:
        ((uint8_t *)data)[i] = v != 0;
        return;
    case MUCMM_F32:
    case MUCMM_F64:
    case MUCMM_F16:
    case MUCMM_BF16:
        mucmm__number_put(t, data, i, (double)v);
        return;
    }
}

void mucmm__convert(mucmm_dtype from, const void *x, mucmm_dtype to, void *y, int64_t n)
{
    if (from == to)
        memcpy(y, x, (size_t)(n * mucmm_dtype_size(from)));
    else if (from == MUCMM_I64 && to == MUCMM_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)y)[i] = (float)((const int64_t *)x)[i];
    else if (mucmm__dtype_is_float(from) || mucmm__dtype_is_float(to))
        for (int64_t i = 0; i < n; i++)
            mucmm__number_put(to, y, i, mucmm__number_get(from, x, i));
    else
        for (int64_t i = 0; i < n; i++)
            mucmm__integer_put(to, y, i, mucmm__integer_get(from, x, i));
}

/* ---- arrays in a file --------------------------------------------------------------- */

bool mucmm__array_bytes(const mucmm__array *a, int64_t *bytes)
{
    *bytes = mucmm__number_types[a->type].size;
    for (int32_t k = 0; k < a->rank; k++)
        if (!mucmm__mul(*bytes, a->shape[k], bytes))
            return false;
    return true;
}

int64_t mucmm__array_offset(const mucmm__array *a, int32_t first, int64_t index)
{
    int64_t stride = mucmm__number_types[a->type].size, offset = 0;

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
