/* SPDX-License-Identifier: MIT
 *
 * joint_diagonal.c - one rotation for several symmetric matrices (Cardoso and Souloumiac 1996):
 * plane by plane the angle that leaves the diagonals the largest sum of squares, until none is
 * left that gains anything. */
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 100 };

/* With h_i = (a_pp - a_qq, 2 a_pq) of matrix i and G = sum h_i h_i', a rotation by t turns the
 * first entries of h into h'(cos 2t, sin 2t): their squares are largest along G's leading
 * eigenvector. */
static double best_angle(int64_t n, int64_t count, const double *a, int64_t p, int64_t q,
                         double tiny)
{
    double on = 0, off = 0;

    for (int64_t i = 0; i < count; i++) {
        const double *x = a + i * n * n;
        double d = x[p * n + p] - x[q * n + q], o = 2 * x[p * n + q];
        on += d * d - o * o;
        off += 2 * d * o;
    }
    return fabs(off) > tiny || on < -tiny ? 0.25 * atan2(off, on) : 0;
}

/* Columns p and q of x [n, n] <- c p + s q, c q - s p. */
static void rotate_columns(int64_t n, double *x, int64_t p, int64_t q, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        double at_p = x[i * n + p], at_q = x[i * n + q];
        x[i * n + p] = c * at_p + s * at_q;
        x[i * n + q] = c * at_q - s * at_p;
    }
}

static void rotate_rows(int64_t n, double *x, int64_t p, int64_t q, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        double at_p = x[p * n + i], at_q = x[q * n + i];
        x[p * n + i] = c * at_p + s * at_q;
        x[q * n + i] = c * at_q - s * at_p;
    }
}

static bool sweep(int64_t n, int64_t count, double *a, double *v, double tiny)
{
    bool turned = false;

    for (int64_t p = 0; p < n; p++)
        for (int64_t q = p + 1; q < n; q++) {
            double angle = best_angle(n, count, a, p, q, tiny), c = cos(angle), s = sin(angle);
            if (angle == 0)
                continue;
            turned = true;
            for (int64_t i = 0; i < count; i++) {
                rotate_columns(n, a + i * n * n, p, q, c, s);
                rotate_rows(n, a + i * n * n, p, q, c, s);
            }
            rotate_columns(n, v, p, q, c, s);
        }
    return turned;
}

void mucmm__joint_diagonal(int64_t n, int64_t count, double *a, double *v)
{
    double square = 0;

    for (int64_t i = 0; i < count * n * n; i++)
        square += a[i] * a[i];
    memset(v, 0, (size_t)(n * n) * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i * n + i] = 1;
    for (int i = 0; i < MAX_SWEEPS && sweep(n, count, a, v, 1e-14 * square); i++)
        ;
}
