/* SPDX-License-Identifier: MIT
 *
 * vmath.h - branch-free float functions for loops that the compiler vectorizes.
 *
 * Only +, -, *, /, sqrt, selects and integer operations, each rounded by itself (the project is
 * compiled without contraction), so that every instruction set gives the same bytes. The
 * coefficients are minimax fits (weighted least squares in 50 digits, reweighted until the
 * error is level); the error beside each is that of the fit, before rounding. */
#ifndef MUCMM_CORE_VMATH_H
#define MUCMM_CORE_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A loop function is compiled once per instruction set and picked when the library is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
    __GNUC__ >= 12 && !defined(MUCMM_NO_CLONES)
#define SIMD_CLONES                                                                                \
    __attribute__((noinline, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SIMD_CLONES
#endif
#define VMATH static inline __attribute__((always_inline))

VMATH float float_of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

VMATH uint32_t bits_of_float(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* e^x for -87 <= x <= 0:  2^k 2^r,  k = round(x log2 e), |r| <= 1/2 (2e-9). */
VMATH float exp_negative(float x)
{
    const float to_int = 12582912.0f; /* 1.5 2^23: the sum's last bits are the rounded integer */
    float z = x * 1.44269504f, k = z + to_int, r = z - (k - to_int), p;

    p = 0.0001547799673f;
    p = p * r + 0.001340043168f;
    p = p * r + 0.00961799461f;
    p = p * r + 0.05550327216f;
    p = p * r + 0.240226515f;
    p = p * r + 0.6931472067f;
    p = p * r + 1.0f;
    return float_of_bits(bits_of_float(p) + (bits_of_float(k) << 23));
}

/* ln x for normal x > 0:  e ln 2 + ln m,  sqrt(1/2) <= m < sqrt 2 (3e-8 of 1 + |ln x|). */
VMATH float log_positive(float x)
{
    int32_t bits = (int32_t)bits_of_float(x);
    int32_t e = (bits - 0x3f3504f3) >> 23;
    float f = float_of_bits((uint32_t)bits - ((uint32_t)e << 23)) - 1.0f, p;

    p = 0.08918332711f;
    p = p * f - 0.1434957635f;
    p = p * f + 0.1487648704f;
    p = p * f - 0.1656570355f;
    p = p * f + 0.1996545704f;
    p = p * f - 0.2500174528f;
    p = p * f + 0.3333385621f;
    return (float)e * 0.693147181f + (f - f * f * (0.5f - f * p));
}

/* sin x and cos x for |x| <= pi/2 (4e-9). */
VMATH float sin_half(float x)
{
    float u = x * x, p;

    p = 2.605224737e-6f;
    p = p * u - 0.000198090752f;
    p = p * u + 0.008333051062f;
    p = p * u - 0.1666665799f;
    return x + x * u * p;
}

VMATH float cos_half(float x)
{
    float u = x * x, p;

    p = -2.605149392e-7f;
    p = p * u + 2.476016127e-5f;
    p = p * u - 0.00138883614f;
    p = p * u + 0.04166663626f;
    p = p * u - 0.4999999936f;
    return 1.0f + u * p;
}

/* cos x and sin x for |x| < 1e8, in double: x - 2 pi k by two products of which the first is exact
 * up to |k| = 2^28, folded to [-pi/2, pi/2], and the Taylor series to x^21 (1e-18 there). */
VMATH double turn_part(double x)
{
    const double to_int = 6755399441055744.0; /* 1.5 2^52: the sum's last bits are the integer */
    double k = (x * 0.15915494309189535 + to_int) - to_int;
    return x - k * 6.283185243606567 - k * 6.357301909411278e-08;
}

VMATH double sin_quarter(double x)
{
    double u = x * x, p;

    p = 1.9572941063391263e-20;
    p = p * u - 8.22063524662433e-18;
    p = p * u + 2.8114572543455206e-15;
    p = p * u - 7.647163731819816e-13;
    p = p * u + 1.6059043836821613e-10;
    p = p * u - 2.505210838544172e-08;
    p = p * u + 2.7557319223985893e-06;
    p = p * u - 0.0001984126984126984;
    p = p * u + 0.008333333333333333;
    p = p * u - 0.16666666666666666;
    return x + x * u * p;
}

VMATH double cos_double(double x)
{
    return sin_quarter(1.5707963267948966 - fabs(turn_part(x)));
}

VMATH double sin_double(double x)
{
    double r = turn_part(x), a = fabs(r),
           s = sin_quarter(a > 1.5707963267948966 ? 3.141592653589793 - a : a);
    return r < 0 ? -s : s;
}

/* The normal distribution's tail for t >= 0:
 *   Phi(-t) = e^(-t^2 / 2) P(t) / Q(t)   (6e-10 of itself up to t = 8), with *e = e^(-t^2 / 2).
 * As a tail it is accurate where it is small; Phi(t) = 1 - Phi(-t) never cancels. */
VMATH float normal_tail(float t, float *e)
{
    float p, q;

    p = 0.003173067342f;
    p = p * t + 0.03402102341f;
    p = p * t + 0.1631356182f;
    p = p * t + 0.4102640342f;
    p = p * t + 0.5f;
    q = 0.007953117801f;
    q = q * t + 0.08529998006f;
    q = q * t + 0.4164984342f;
    q = q * t + 1.117577035f;
    q = q * t + 1.618412679f;
    q = q * t + 1.0f;
    *e = exp_negative(-0.5f * t * t);
    return *e * p / q;
}

/* |x|, at most 13, where the tail is 1e-37. A NaN stays. */
VMATH float tail_place(float x)
{
    float t = fabsf(x);
    return t > 13.0f ? 13.0f : t;
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|). */
VMATH float gelu(float x)
{
    float t = tail_place(x), e;
    return (x > 0.0f ? x : 0.0f) - t * normal_tail(t, &e);
}

/* d gelu / dx = Phi(x) + x phi(x),  phi(x) = e^(-x^2 / 2) / sqrt(2 pi). */
VMATH float gelu_slope(float x)
{
    float t = tail_place(x), e, tail = normal_tail(t, &e), bump = t * 0.398942280f * e;
    return x > 0.0f ? (1.0f - tail) + bump : tail - bump;
}

/* ---- for every float: infinities, NaN and what overflows as IEEE 754 has it -------- */

/* 2^k p for -150 <= k <= 128, in two steps that stay in range. */
VMATH float times_power2(float p, int32_t k)
{
    int32_t half = k >> 1;
    return p * float_of_bits((uint32_t)(half + 127) << 23) *
           float_of_bits((uint32_t)(k - half + 127) << 23);
}

/* e^r - 1 with x = k ln 2 + r, |r| <= ln 2 / 2 (3e-9). Beyond -104 and 89 e^x is 0 and inf. */
VMATH float exp_reduced(float x, int32_t *k)
{
    const float to_int = 12582912.0f; /* as above */
    float at_least = x < -104.0f ? -104.0f : x, z = at_least > 89.0f ? 89.0f : at_least;
    float sum = z * 1.44269504f + to_int, n = sum - to_int;
    float r = z - n * 0.693145752f - n * 1.42860677e-6f, p; /* the first product is exact */

    *k = (int32_t)(bits_of_float(sum) - bits_of_float(to_int));
    p = 0.00139506003f;
    p = p * r + 0.008368953708f;
    p = p * r + 0.04166620417f;
    p = p * r + 0.166665183f;
    p = p * r + 0.5000000096f;
    return r + r * r * p;
}

VMATH float exp_any(float x)
{
    int32_t k;
    float p = exp_reduced(x, &k);
    return times_power2(1.0f + p, k);
}

VMATH float expm1_any(float x)
{
    int32_t k;
    float p = exp_reduced(x, &k);
    return k == 0 ? p : times_power2(1.0f + p, k) - 1.0f;
}

VMATH float log_any(float x)
{
    float tiny = x < 1.17549435e-38f ? 1.0f : 0.0f;
    float y = log_positive(tiny > 0.0f ? x * 8388608.0f : x) - tiny * 15.9423851f; /* 23 ln 2 */

    y = x < INFINITY ? y : x; /* inf and NaN */
    y = x == 0.0f ? -INFINITY : y;
    return x < 0.0f ? NAN : y;
}

/* ln(1 + u) for 0 <= u <= 1: what 1 + u has lost in rounding comes back as its slope. */
VMATH float log1p_unit(float u)
{
    float w = 1.0f + u;
    return log_positive(w) + (u - (w - 1.0f)) / w;
}

VMATH float tanh_any(float x)
{
    float t = expm1_any(-2.0f * fabsf(x));
    return copysignf(t / (t + 2.0f), x);
}

VMATH float sigmoid(float x)
{
    float e = exp_any(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* ln(1 + e^x) */
VMATH float softplus(float x)
{
    return (x > 0.0f ? x : 0.0f) + log1p_unit(exp_any(-fabsf(x)));
}

/* |x| < 1: x P(x^2) (1e-9); else 1 - 2 Phi(-sqrt 2 |x|). */
VMATH float erf_any(float x)
{
    float t = fabsf(x), u = x * x, e, p, tail = normal_tail(tail_place(1.41421356f * t), &e);

    p = 7.889119542e-05f;
    p = p * u - 0.0008020841282f;
    p = p * u + 0.00518953534f;
    p = p * u - 0.02685444459f;
    p = p * u + 0.1128360018f;
    p = p * u - 0.3761262714f;
    p = p * u + 1.128379166f;
    return t < 1.0f ? x * p : copysignf(1.0f - 2.0f * tail, x);
}

#endif
