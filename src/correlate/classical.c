/* SPDX-License-Identifier: MIT
 *
 * Wilks' lambda with the approximations of Bartlett (chi-squared) and Rao (F): section 4 of the
 * method. The tails come from continued fractions (Lentz' method) and a series. */
#include "correlate/classical.h"

#include <float.h>
#include <math.h>

#define TINY 1e-300
enum { MOST_TERMS = 100000 };

/* One step of a continued fraction b0 + a1/(b1 + a2/(b2 + ...)), begun with c = value = b0 and d =
 * 0: *value becomes the next convergent. The factor by which it changed. */
static double next_convergent(double a, double b, double *c, double *d, double *value)
{
    *d = b + a * *d;
    *d = 1 / (fabs(*d) < TINY ? TINY : *d);
    *c = b + a / *c;
    *c = fabs(*c) < TINY ? TINY : *c;
    *value *= *c * *d;
    return *c * *d;
}

/* ---- chi-squared ------------------------------------------------------------------- */

/* x^a e^-x / Gamma(a) */
static double gamma_front(double a, double x)
{
    return exp(a * log(x) - x - lgamma(a));
}

double mucmm__chi_squared_tail(double df, double x)
{
    double a = df / 2, half = x / 2, sum = 1 / a, term = 1 / a;
    double c, d = 0, value;

    if (!(df > 0) || !(x >= 0))
        return NAN;
    if (x == 0 || isinf(x))
        return x == 0 ? 1 : 0;
    if (half < a + 1) { /* P(a, x) = x^a e^-x / Gamma(a) sum_i x^i / (a (a + 1) ... (a + i)) */
        for (int i = 1; i < MOST_TERMS && term > DBL_EPSILON / 8 * sum; i++) {
            term *= half / (a + i);
            sum += term;
        }
        return 1 - gamma_front(a, half) * sum;
    }
    value = c = half + 1 - a; /* Q = front / (x + 1 - a - 1 (1 - a)/(x + 3 - a - ...)) */
    for (int i = 1; i < MOST_TERMS; i++)
        if (fabs(next_convergent(-i * (i - a), half + 2 * i + 1 - a, &c, &d, &value) - 1) <
            DBL_EPSILON)
            break;
    return gamma_front(a, half) / value;
}

/* ---- F ----------------------------------------------------------------------------- */

/* Coefficient i >= 1 of the continued fraction of the incomplete beta function. */
static double beta_coefficient(double a, double b, double x, int i)
{
    double m = i / 2;

    if (i % 2 == 0)
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
}

/* I_x(a, b), y = 1 - x. */
static double incomplete_beta(double a, double b, double x, double y)
{
    double c = 1, d = 0, value = 1, front;

    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    if (x > (a + 1) / (a + b + 2)) /* there it converges slowly: the other end */
        return 1 - incomplete_beta(b, a, y, x);
    front = exp(a * log(x) + b * log(y) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a;
    for (int i = 1; i < MOST_TERMS; i++)
        if (fabs(next_convergent(beta_coefficient(a, b, x, i), 1, &c, &d, &value) - 1) <
            DBL_EPSILON)
            break;
    return front / value;
}

double mucmm__f_tail(double df1, double df2, double x)
{
    double sum = df2 + df1 * x;

    if (!(df1 > 0) || !(df2 > 0) || !(x >= 0))
        return NAN;
    if (isinf(sum))
        return 0;
    return incomplete_beta(df2 / 2, df1 / 2, df2 / sum, df1 * x / sum);
}

/* ---- canonical correlations -------------------------------------------------------- */

/* Rao (1951): 1/t is the power of lambda. */
static double rao_power(double p, double q)
{
    double below = p * p + q * q - 5;

    return below > 0 ? sqrt((p * p * q * q - 4) / below) : 1;
}

/* log_lambda: of components j and above. */
static void one_test(int64_t n, int64_t p, int64_t q, int64_t j, double log_lambda,
                     mucmm_classical *test)
{
    double a = (double)(p - j), b = (double)(q - j), t = rao_power(a, b);
    double w = (double)(n - 1) - (double)(p + q + 1) / 2;

    test->wilks = exp(log_lambda);
    test->chi_squared = -w * log_lambda;
    test->chi_squared_df = a * b;
    test->chi_squared_p = mucmm__chi_squared_tail(a * b, test->chi_squared);
    test->f_df1 = a * b;
    test->f_df2 = w * t - a * b / 2 + 1;
    test->f = expm1(-log_lambda / t) * test->f_df2 / test->f_df1;
    test->f_p = mucmm__f_tail(test->f_df1, test->f_df2, test->f);
}

void mucmm__classical_tests(int64_t n, int64_t p, int64_t q, const double *correlations,
                            mucmm_classical *tests)
{
    double log_lambda = 0;

    for (int64_t j = (p < q ? p : q) - 1; j >= 0; j--) {
        double rho = fmin(fmax(correlations[j], 0), 1);
        tests[j].correlation = correlations[j];
        log_lambda += log1p(-rho * rho);
        one_test(n, p, q, j, log_lambda, &tests[j]);
    }
}
