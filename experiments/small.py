# SPDX-License-Identifier: MIT
"""Small samples: how often fit finds something in independent views, and planted components; and how often its intervals hold
what the kept model does on new rows.

plain: independent columns of variance 1, the planted component along one column of each view, as hard as it gets. factors: five
factors of falling variance load on all columns of a view, under unit noise, and planted ones are shared; as in genes or
questionnaires."""
import numpy as np

KINDS = ('plain', 'factors')
DEVIATIONS = np.array([1.5, 1.2, 1, .8, .6])


def views(kind, n, p, correlations, seed):
    """Two views [n, p]; planted components of these correlations."""
    r = np.random.default_rng([seed, n, p])
    planted = np.asarray(correlations, float)
    k = len(planted)
    if kind == 'plain':
        a, b = r.standard_normal((2, n, p))
        b[:, :k] = planted * a[:, :k] + np.sqrt(1 - planted ** 2) * b[:, :k]
        return [a.astype(np.float32), b.astype(np.float32)]
    f, g = r.standard_normal((2, n, len(DEVIATIONS)))
    g[:, 1:k + 1] = planted * f[:, 1:k + 1] + np.sqrt(1 - planted ** 2) * g[:, 1:k + 1]
    mixing = np.random.default_rng([seed, p]).standard_normal((2, len(DEVIATIONS), p))
    return [(z * DEVIATIONS @ mixing[v] + r.standard_normal((n, p))).astype(np.float32) for v, z in enumerate((f, g))]


def split(kind, n, more, p, correlations, seed):
    """n rows to fit, and more of the same kind."""
    both = views(kind, n + more, p, correlations, seed)
    return [x[:n] for x in both], [x[n:] for x in both]
