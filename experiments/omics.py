# SPDX-License-Identifier: MIT
"""The tables of docs/jobs/omics.md: `omics.py NUTRIMOUSE OUT` takes the nutrimouse study (Martin et al. 2007, Hepatology 45: 767-777) as R writes it,

    Rscript -e 'data(nutrimouse, package = "mixOmics"); for (n in names(nutrimouse)) write.csv(nutrimouse[[n]], paste0("nutrimouse_", n, ".csv"))'

and makes of it what a biologist has: two tables whose rows are shuffled and overlap in part, 40 cells without a value, and a clinical table.
Random numbers: a seed, so that the page can be made again."""
import csv
import os
import random
import sys

MISSING, LEFT_OUT = 40, 2


def read(folder, name):
    """(names of columns, {mouse: cells}) of a table that write.csv wrote."""
    with open(os.path.join(folder, 'nutrimouse_%s.csv' % name), newline='') as file:
        rows = list(csv.reader(file))
    return rows[0][1:], {'mouse%02d' % int(r[0]): r[1:] for r in rows[1:]}


def write(out, name, header, rows):
    with open(os.path.join(out, name), 'w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows([['mouse'] + header] + rows)


def shuffled(draw, table, without):
    """Rows in a random order, without some of them."""
    rows = [[mouse] + cells for mouse, cells in table.items() if mouse not in without]
    draw.shuffle(rows)
    return rows


def main(folder, out):
    draw = random.Random(4)
    os.makedirs(out, exist_ok=True)
    tables = {name: read(folder, name) for name in ('gene', 'lipid')}
    mice = sorted(tables['gene'][1])
    left_out = draw.sample(mice, 2 * LEFT_OUT)
    rows = {name: shuffled(draw, table, left_out[i * LEFT_OUT:(i + 1) * LEFT_OUT]) for i, (name, (_, table)) in enumerate(tables.items())}
    cells = [(name, i, j) for name in rows for i in range(len(rows[name])) for j in range(1, len(rows[name][i]))]
    for name, i, j in draw.sample(cells, MISSING):
        rows[name][i][j] = 'NA'
    for name, (header, _) in tables.items():
        write(out, name + '.csv', header, rows[name])
    known = [read(folder, name)[1] for name in ('genotype', 'diet')]
    write(out, 'clinical.csv', ['genotype', 'diet'], [[mouse] + [k[mouse][0] for k in known] for mouse in mice])


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit('usage: omics.py NUTRIMOUSE OUT')
    main(*sys.argv[1:])
