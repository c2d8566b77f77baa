#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""planted_table.py CHECK.json MAPS - the table of experiments/planted.sh: what `mucmm explain --check` found, and where the
maps that it wrote have their energy. Means over both views."""
import array
import json
import sys

WIDTH = 56  # of a composite; its left half is common, its right half individual


def read_npy(path):
    """Rows of a little-endian float32 file, each a flat list."""
    with open(path, 'rb') as f:
        data = f.read()
    size = int.from_bytes(data[8:10], 'little')
    rows = int(data[10:10 + size].split(b'(')[1].split(b',')[0])
    values = array.array('f', data[10 + size:])
    cols = len(values) // rows
    return [values[i * cols:(i + 1) * cols] for i in range(rows)]


def proper(score, cell):
    return (cell % WIDTH < WIDTH // 2) == (score == 'common')


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else float('nan')


def share_and_hit(score, row):
    """Share of squares in the proper half, and whether the strongest cell lies there; None for an empty map."""
    inside = sum(x * x for j, x in enumerate(row) if proper(score, j))
    total = sum(x * x for x in row)
    if total == 0:
        return None, None
    best = max(range(len(row)), key=lambda j: abs(row[j]))
    return inside / total, float(proper(score, best))


def measure(entry, folder, level):
    """Of the maps of one view, score and method."""
    name = f"{folder}/{entry['view']}.{entry['score']}.{entry['method']}"
    maps, p_values = read_npy(name + '.npy'), read_npy(name + '.p.npy')
    masked = [[x if q <= level else 0 for x, q in zip(row, p)] for row, p in zip(maps, p_values)]
    kept = [[0, 0], [0, 0]]  # of the wrong and the proper half: cells, those kept
    for p in p_values:
        for j, q in enumerate(p):
            half = kept[proper(entry['score'], j)]
            half[0] += 1
            half[1] += q <= level
    bare = [share_and_hit(entry['score'], row) for row in maps]
    left = [share_and_hit(entry['score'], row) for row in masked]
    return {
        'energy': mean([e for e, _ in bare]), 'energy masked': mean([e for e, _ in left]),
        'pointing': mean([h for _, h in bare]), 'pointing masked': mean([h for _, h in left]),
        'kept proper': kept[1][1] / kept[1][0], 'kept wrong': kept[0][1] / kept[0][0],
        'empty': sum(e is None for e, _ in left),
        'deletion': entry['deletion']['area'], 'deletion masked': entry['deletion']['masked'],
        'deletion random': entry['deletion']['random'], 'insertion': entry['insertion']['area'],
        'random': entry['random_heads'], 'permuted': entry['permuted_pairs'],
    }


def place(tests):
    """Of the mean correlation among those of unrelated models, in the view where it is highest."""
    if any(t['rho'] > t['high'] for t in tests):
        return 'above'
    return 'in' if all(t['rho'] >= t['low'] for t in tests) else 'below'


def row_of(found):
    def m(key):
        return mean([f[key] for f in found])
    numbers = [m('energy'), m('energy masked'), m('pointing'), m('pointing masked'), m('deletion'), m('deletion masked'),
               m('deletion random'), m('insertion'), m('kept proper'), m('kept wrong')]
    text = ''.join(f'{x:{10 if i == 7 else 9}.3f}' for i, x in enumerate(numbers))
    for key in ('random', 'permuted'):
        tests = [f[key] for f in found]
        text += f"{mean([t['magnitude'] for t in tests]):9.3f}{mean([t['rho'] for t in tests]):8.3f} {place(tests):>6}"
    return text


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        check = json.load(f)
    print(f"{'':33}{'energy':>18}{'pointing':>18}{'deletion':>27}{'insertion':>10}{'cells kept':>18}{'random heads':>24}"
          f"{'permuted pairs':>24}")
    print(f"{'score':11}{'map':22}" + f"{'bare':>9}{'masked':>9}" * 3 + f"{'random':>9}{'bare':>10}{'proper':>9}{'wrong':>9}"
          + f"{'|r|':>9}{'r':>8}{'':7}" * 2)
    for score in ('common', 'individual'):
        for method in dict.fromkeys(e['method'] for e in check['maps']):
            found = [measure(e, sys.argv[2], check['mask']) for e in check['maps']
                     if e['score'] == score and e['method'] == method]
            print(f'{score:11}{method:22}' + row_of(found))
    for g in check['gradients']:
        print(f"{g['view']}, {g['score']}: integrated gradients complete to {g['completeness']:.1e} of the score's range, "
              f"differences within {g['gradient_error']:.1e}")
    print('proper half: left for common, right for individual (the left one holds an item of its own too: not all of it is '
          'wrong).\nin, below, above: where r lies, with the range of unrelated models among themselves')


if __name__ == '__main__':
    main()
