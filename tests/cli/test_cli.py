#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_cli.py MUCMM

Runs the program on small arrays: what each command writes and prints, exit statuses, and that every bad input ends with
one clear line and leaves nothing behind. Prints TAP. MUCMM_TEST_DEMO=1 also runs the demo on the real data.
"""
import csv
import html
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import wave
import xml.etree.ElementTree
import zipfile

import onnx_file
from arrays import (npy_bytes, paired_rows, patch_model, read_npy, write_csv, write_fashion, write_npy, write_png,
                    write_wav)

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(sys.argv[1])
COMMANDS = ['encode', 'fit', 'transform', 'score', 'explain', 'relate', 'report', 'info', 'check-gradient', 'bench', 'bench graph', 'graph info',
            'graph run', 'graph vjp', 'graph ops', 'demo']
SUMMARY_KEYS = {'correlations', 'p_values', 'significant', 'permutations', 'harmonic', 'dimensions', 'total_correlation', 'leakage', 'completeness',
                'retrieval', 'views'}
SHARES = {'common_share', 'individual_share', 'rest_share'}
LEAKAGE_KEYS = {'linear', 'linear_chance', 'linear_p', 'kernel', 'kernel_p', 'individual', 'individual_chance', 'individual_p',
                'permutations'}
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def run(*args, timeout=300, **options):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, OMP_WAIT_POLICY='PASSIVE'), **options)


def lines_of(result, warnings=False):
    """The program's own lines on stderr: errors, or warnings. Progress lines have no prefix."""
    own = [line for line in result.stderr.splitlines() if line.startswith('mucmm: ')]
    return [line for line in own if line.startswith('mucmm: warning: ') == warnings]


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def succeeds(*args, **options):
    result = run(*args, **options)
    check(result.returncode == 0, '%s: exit %d: %s' % (' '.join(args), result.returncode, result.stderr))
    check(not lines_of(result), 'an error line in spite of exit 0: ' + result.stderr)
    return result


def fails(code, words, *args, leaves=(), **options):
    """Exit status `code`, one error line with all the words, nothing on stdout, no new file."""
    before = set(os.listdir('.'))
    result = run(*args, **options)
    shown = '%s: exit %d: %s' % (' '.join(args), result.returncode, result.stderr)
    check(result.returncode == code, 'not exit %d: %s' % (code, shown))
    errors = lines_of(result)
    check(len(errors) == 1, 'not one error line: ' + shown)
    for word in words:
        check(word in errors[0], 'no %r in: %s' % (word, errors[0]))
    check(result.stdout == '', 'output in spite of an error: ' + result.stdout)
    left = set(os.listdir('.')) - before - set(leaves)
    check(not left, 'left behind: %s after %s' % (sorted(left), shown))
    return result


def views(left='l.npy', right='r.npy'):
    return ['--view', 'left=' + left, '--view', 'right=' + right]


def fit(*more, left='l.npy', right='r.npy', common='2', individual='2', out='out.mucmm'):
    return ['fit', *views(left, right), '--common', common, '--individual', individual, '--head', 'linear', '-o', out,
            '--threads', '1', *more]


MLP = ['--head', 'mlp', '--hidden', '16', '--epochs', '2', '--batch', '200']
UNSEEN = views('tl.npy', 'tr.npy')


def prepare():
    left, right = paired_rows(500, 1)
    write_npy('l.npy', left)
    write_npy('r.npy', right, (500, 2, 4))
    keys = ['s%d' % i for i in range(500)]
    write_csv('l.csv', list('abcdef'), left, keys)
    write_csv('r.csv', ['g%d' % j for j in range(8)], right[::-1], keys[::-1])
    left, right = paired_rows(150, 2)
    write_npy('tl.npy', left)
    write_npy('tr.npy', right, (150, 2, 4))
    succeeds(*fit(out='linear.mucmm'))
    succeeds(*fit(*MLP, out='mlp.mucmm'))


# ---- help and usage -------------------------------------------------------------------


@test
def overview_lists_every_command():
    for args in (['help'], ['--help'], ['-h']):
        text = succeeds(*args).stdout
        for name in COMMANDS:
            check('\n  %s ' % name in text, '%s is not in: %s' % (name, text))
    result = run()
    check(result.returncode == 2 and result.stdout == '' and 'usage:' in result.stderr, result)


@test
def help_of_every_command_has_usage_options_and_example():
    for name in COMMANDS:
        text = succeeds('help', *name.split()).stdout
        for word in ('usage: mucmm %s ' % name, 'options:', 'example:', 'mucmm ' + name):
            check(word in text, '%r is not in: %s' % (word, text))
        check(text == succeeds(*name.split(), '--help').stdout == succeeds(*name.split(), '-h').stdout, name)
    text = succeeds('help', 'graph').stdout
    check('mucmm graph info ' in text and 'mucmm graph vjp ' in text and 'fit' not in text, text)
    check(text == succeeds('graph', '--help').stdout, 'graph --help')


@test
def version_is_printed():
    check(succeeds('--version').stdout.startswith('mucmm 0.'), 'version')


@test
def an_output_does_not_replace_what_is_read():
    inputs = {name: open(name, 'rb').read() for name in ('l.npy', 'r.npy')}
    os.link('l.npy', 'linked.npy')
    for out in ('l.npy', './r.npy', 'linked.npy'):
        fails(2, [out, 'would replace'], *fit(out=out))
        fails(2, ['--csv', 'would replace'], *fit('--csv', out))
        fails(2, ['--output', 'would replace'], 'score', out, *views(), '-o', out)
        fails(2, ['--output', 'would replace'], 'match', 'm', '--query', 'left=l.npy', '--gallery', 'right=r.npy', '-o',
              'l.npy')
    os.remove('linked.npy')
    fails(2, ['--csv', '--output', 'both'], *fit('--csv', 'out.mucmm'))
    check(inputs == {name: open(name, 'rb').read() for name in inputs}, 'an input was changed')


@test
def a_level_beyond_1_is_no_result_of_folds():
    succeeds(*fit('--folds', '3', out='folds.mucmm'))
    whole = open('folds.mucmm', 'rb').read()
    level = b'\\"level\\": 0.9'
    check(level in whole, 'no level in the model')
    with open('folds.mucmm', 'wb') as out:
        out.write(whole.replace(level, level.replace(b'0.9', b'9.9')))
    fails(1, ["'level' of cross_fit", 'out of range'], 'info', 'folds.mucmm')
    os.remove('folds.mucmm')


@test
def wrong_usage_is_exit_2():
    fails(2, ["'fitt'", "'fit'"], 'fitt')
    fails(2, ["'quux'"], 'quux')
    fails(2, ["'fitt'"], 'help', 'fitt')
    fails(2, ['--comon', '--common'], 'fit', '--comon', '3')
    fails(2, ['--common', 'needs a value'], 'fit', '--common')
    fails(2, ['--common', "'x'", 'whole number'], 'fit', '--common', 'x')
    fails(2, ['--common', "'0'"], *fit(common='0'))
    fails(2, ['--individual', "'-1'"], *fit(individual='-1'))
    fails(2, ['--validation', "'0.7'", '0.5'], *fit('--validation', '0.7'))
    fails(2, ['--validation', "'nan'"], *fit('--validation=nan'))
    fails(2, ['--head', "'deep'", 'linear|mlp'], *fit('--head', 'deep'))
    fails(2, ['--bootstrap', "'-1'", 'from 0 to 10000'], *fit('--bootstrap', '-1'))
    fails(2, ['--bootstrap', "'many'"], *fit('--bootstrap', 'many'))
    fails(2, ['--bootstrap', "'10001'"], *fit('--bootstrap=10001'))
    fails(2, ['--restarts', "'21'", 'from 0 to 20'], *fit(*MLP, '--restarts', '21'))
    fails(2, ['--restarts', "'x'"], *fit(*MLP, '--restarts', 'x'))
    fails(1, ['closed form', '--restarts', '--bootstrap'], *fit('--restarts', '2'))
    fails(1, ['--restarts', '--stages'], *fit(*MLP, '--restarts', '2', '--stages', '2'))
    fails(2, ['--hidden', "'12,x'"[1:-1].split(',')[1]], *fit('--hidden', '12,x'))
    fails(2, ['--view', "'l.npy'", 'NAME=FILE'], 'fit', '--view', 'l.npy')
    fails(2, ['--view', 'a/b'], 'fit', '--view', 'a/b=l.npy')
    fails(2, ['left', 'twice'], 'fit', '--view', 'left=l.npy', '--view', 'left=r.npy')
    fails(2, ['--json', 'no value'], *fit('--json=yes'))
    fails(2, ['--common', 'missing'], 'fit', *views(), '--individual', '1', '-o', 'x')
    fails(2, ['--view'], 'fit', '--view', 'left=l.npy', '--common', '1', '--individual', '1', '-o', 'x')
    fails(1, ['study.json', 'No such file'], 'fit', 'study.json', '--common', '1', '--individual', '0', '-o', 'x')
    fails(2, ['argument is missing'], 'score', *views())
    fails(2, ["'more'", 'too many'], 'info', 'linear.mucmm', 'more')
    fails(2, ['--score', "'size'"], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--score', 'size', '-o', 'x')
    fails(2, ['--samples', "'1;2'"], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '1;2', '-o', 'x')
    fails(2, ['--shape', "'2xx4'"], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--shape', 'right=2xx4', '-o',
          'x')
    fails(2, ["'speed'"], 'bench', 'speed')
    fails(2, ["'cars'"], 'demo', 'cars')
    fails(2, ['mucmm help graph'], 'graph')
    fails(2, ["'graph inof'", "'graph info'"], 'graph', 'inof')
    fails(2, ['--input', 'missing'], 'graph', 'run', 'net.onnx', '-o', 'x')
    fails(2, ['--input', "'x.npy'", 'TENSOR=FILE'], 'graph', 'run', 'net.onnx', '--input', 'x.npy', '-o', 'x')
    fails(2, ["'x'", 'twice'], 'graph', 'run', 'net.onnx', '--input', 'x=a', '--input', 'x=b', '-o', 'x')


# ---- what the commands write -----------------------------------------------------------


@test
def fit_prints_a_summary_and_writes_the_model():
    result = succeeds(*fit(*MLP))
    for word in ('component 0', 'held-out', 'linear yardstick', 'left, common', 'left on right', 'total'):
        check(word in result.stdout, '%r is not in: %s' % (word, result.stdout))
    check(os.path.getsize('out.mucmm') > 1000, 'no model')


@test
def covariates_are_taken_out_and_related():
    def table(name, rows):
        with open(name, 'w') as f:
            f.write('batch,age\n' + ''.join('b%d,%d\n' % (i % 3, i * i % 61) for i in range(rows)))
        return ['--covariates', name]
    known = table('known.csv', 500) + ['--adjust', 'batch,age', '--adjust-nonlinear', '3']
    succeeds(*fit(*known))
    about = json.loads(succeeds('info', 'out.mucmm', '--json').stdout)
    check(about['adjustment']['adjust'] == 'batch,age', about['adjustment'])
    fails(1, ['adjusted for', '--covariates'], 'score', 'out.mucmm', *UNSEEN)
    rows = json.loads(succeeds('score', 'out.mucmm', *UNSEEN, *table('new.csv', read_npy('tl.npy')[0][0]),
                               '--json').stdout)
    check(rows['significant'] == 2, rows)
    succeeds('relate', 'out.mucmm', *UNSEEN, '--metadata', 'new.csv', '-o', 'relations.csv')
    with open('relations.csv') as f:
        check(f.readline().startswith('part,view,component,column'), 'header')
    root = json.loads(succeeds('relate', 'out.mucmm', *UNSEEN, '--metadata', 'new.csv', '--json').stdout)
    check([c['adjusted'] for c in root['columns']] == [True, True], root['columns'])
    page = succeeds('report', 'out.mucmm', *UNSEEN, '--covariates', 'new.csv', '-o', 'page.html')
    with open('page.html') as f:
        check('What is known of the rows' in f.read(), page.stderr)


@test
def fit_finds_the_number_of_dimensions():
    result = succeeds(*fit(common='auto', individual='auto'))
    check('common dimensions: 2 found, 2 kept; 6 were tried' in result.stdout, result.stdout)
    check('individual dimensions of right:' in result.stdout, result.stdout)
    check('400 training rows, 50 choosing rows, 50 held-out rows' in result.stdout, result.stdout)
    about = json.loads(succeeds('info', 'out.mucmm', '--json').stdout)
    check(about['params']['common'] == about['params']['individual'] == 'auto' and about['common'] == 2, about['params'])
    found = about['dimensions']
    check(found['common']['found'] == 2 and len(found['common']['p_values']) == 6, found)
    check([v['view'] for v in found['individual']] == ['left', 'right'], found)
    check(all(v['error'][v['found']] == min(v['error']) for v in found['individual']), found)
    check(json.loads(succeeds('score', 'out.mucmm', *UNSEEN, '--json').stdout)['significant'] == 2, 'score')
    root = json.loads(succeeds(*fit('--json', common='auto', individual='auto')).stdout)
    check((root['common'], root['dimensions']) == (2, found), root['dimensions'])
    check((root['held_out_chose'], root['choosing_rows']) == ([], 50), root['held_out_chose'])
    succeeds('report', 'out.mucmm', *UNSEEN, '-o', 'auto.html', '--samples-shown', '1', '--permutations', '0')
    with open('auto.html', encoding='utf-8') as f:
        page = f.read()
    check('How many common dimensions?' in page and 'How many individual dimensions?' in page, 'charts')
    check(json.loads(succeeds(*fit('--json', '--ridge', '0.1')).stdout)['choosing_rows'] == 0, 'a given ridge is not chosen')
    for bad in ('autos', '0', '-1', '2.5', ''):
        fails(2, ['--common'], *fit(common=bad))
    fails(2, ['--individual'], *fit(individual='aut'))


@test
def fit_says_where_the_closed_form_is_kept():
    trained = [a if a != 'mlp' else 'auto' for a in MLP]
    text = succeeds(*fit(*trained)).stdout
    check("The heads' common and individual parts are the closed form: on the choosing rows" in text, text[-600:])
    check(json.loads(succeeds(*fit(*trained, '--json')).stdout)['closed_form_kept'] == ['common', 'individual'], 'auto')
    succeeds('report', 'out.mucmm', *UNSEEN, '--samples-shown', '1', '--permutations', '0', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        check('parts are the closed form' in f.read(), 'report')
    check(json.loads(succeeds(*fit(*MLP, '--json')).stdout)['closed_form_kept'] == [], 'mlp')


@test
def fit_json_has_train_and_held_out():
    root = json.loads(succeeds(*fit('--json')).stdout)
    for part, rows in (('train', 400), ('held_out', 50)):
        check(root[part]['rows'] == rows, root[part]['rows'])
        check(SUMMARY_KEYS <= set(root[part]), list(root[part]))
        check(set(root[part]['linear']) == SUMMARY_KEYS, list(root[part]['linear']))
    check(1.7 < root['held_out']['total_correlation'] <= 2, root['held_out'])


STABILITY_KEYS = {'compared', 'similarity', 'similarity_low', 'subspace', 'correlations', 'correlation_low',
                  'correlation_high', 'averaged', 'comes_back'}


@test
def fit_bootstrap_tells_what_comes_back():
    args = fit('--bootstrap', '20', common='4', out='boot.mucmm')
    root = json.loads(succeeds(*args, '--json').stdout)
    check(set(root['stability']) == {'linear'}, root['stability'])
    found = root['stability']['linear']
    check(set(found) == STABILITY_KEYS and found['compared'] == 20, found)
    check(found['comes_back'][0] and not found['comes_back'][3], found)
    check(found['comes_back'] == [s >= 0.7 and low > 0 for s, low in zip(found['similarity'], found['correlation_low'])], found)
    for key in STABILITY_KEYS - {'compared'}:
        check(len(found[key]) == 4, key)
    for text in (succeeds(*args).stdout, succeeds('info', 'boot.mucmm').stdout):
        check('stability: 20 bootstrap replicates' in text and 'does not come back' in text, text)
        line = [line for line in text.splitlines() if line.startswith('  component 0')][-1]
        check('%.4f' % found['similarity'][0] in line and 'come back' not in line, line)
    meta = json.loads(succeeds('info', 'boot.mucmm', '--json').stdout)
    check(meta['params']['bootstrap'] == 20 and meta['linear']['stability']['compared'] == 20, meta['params'])
    succeeds('report', 'boot.mucmm', *UNSEEN, '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = f.read()
    for words in ('Which components of the closed form come back in 20 fits', '>NO<', '>yes<', 'Comes back', '--bootstrap 20',
                  ', does not come back'):
        check(words in page, words)
    check('stability' not in json.loads(succeeds(*fit('--bootstrap', '0', '--json')).stdout), 'none was asked for')


@test
def fit_restarts_tells_what_comes_back():
    args = fit(*MLP, '--restarts', '2', '--bootstrap', '5', out='starts.mucmm')
    root = json.loads(succeeds(*args, '--json').stdout)
    check(set(root['stability']) == {'heads', 'linear'}, root['stability'])
    found = root['stability']['heads']
    check(set(found) == STABILITY_KEYS and found['compared'] == 3, found)
    check(all(0 <= low <= s <= 1 for low, s in zip(found['similarity_low'], found['similarity'])), found)
    text = succeeds('info', 'starts.mucmm').stdout
    check('stability: 3 other starts of the trained heads' in text and '5 bootstrap replicates' in text, text)
    meta = json.loads(succeeds('info', 'starts.mucmm', '--json').stdout)
    check(meta['params']['restarts'] == 2 and 0 <= meta['start'] <= 3, meta['params'])
    check({'common-restart-1', 'common-restart-2'} <= {e['stage'] for e in meta['history']}, meta['history'])
    succeeds('report', 'starts.mucmm', *UNSEEN, '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = f.read()
    check('come back from 3 other starts' in page and '--restarts 2' in page, 'no table of the starts')
    root = json.loads(succeeds(*fit(*MLP, '--restarts', '2', '--json')).stdout)
    check(set(root['stability']) == {'heads'}, root['stability'])


@test
def fit_accepts_equals_signs_and_many_components():
    text = succeeds('fit', '--view=left=r.npy', '--view=right=l.npy', '--common=5', '--individual=1', '--head=linear',
                    '--output=out.mucmm').stdout
    check('component 4' in text, text)


@test
def fit_with_no_individual_dimensions():
    for more in ([], MLP):
        succeeds(*fit(*more, individual='0'))
        succeeds('transform', 'out.mucmm', *UNSEEN, '-o', 'dir')
        check(read_npy('dir/left.individual.npy')[0] == (150, 0), 'shape')
        root = json.loads(succeeds('score', 'out.mucmm', *UNSEEN, '--json').stdout)
        check(root['views']['left']['individual_share'] in (0, None), root['views'])


@test
def same_seed_and_threads_give_the_same_bytes():
    models = []
    for seed in ('7', '7', '8'):
        succeeds(*fit(*MLP, '--seed', seed))
        with open('out.mucmm', 'rb') as f:
            models.append(f.read())
    check(models[0] == models[1], 'the same seed differs')
    check(models[0] != models[2], 'another seed does not')


@test
def transform_writes_variates():
    succeeds('transform', 'mlp.mucmm', *UNSEEN, '-o', 'dir')
    names = sorted(os.listdir('dir'))
    check(names == ['%s.%s.npy' % (v, p) for v in ('left', 'right') for p in ('common', 'individual')], names)
    for name in names:
        shape, values = read_npy('dir/' + name)
        check(shape == (150, 2) and all(math.isfinite(x) for x in values), (name, shape))
    common = {v: read_npy('dir/%s.common.npy' % v)[1] for v in ('left', 'right')}
    agreement = sum(a * b for a, b in zip(common['left'], common['right'])) / 300
    check(agreement > 0.7, agreement)
    succeeds('transform', 'mlp.mucmm', *UNSEEN, '--representation', 'linear', '-o', 'dir')
    linear = read_npy('dir/left.common.npy')[1]
    check(linear != common['left'], 'linear is the same')
    succeeds('transform', 'mlp.mucmm', *UNSEEN, '--method', 'linear', '-o', 'dir')  # the older name of the option
    check(read_npy('dir/left.common.npy')[1] == linear and '--method' not in succeeds('help', 'transform').stdout, 'older name')


@test
def transform_predicts_a_view_that_is_not_given():
    succeeds('transform', 'mlp.mucmm', *UNSEEN, '-o', 'both')
    for which in ([], ['--representation', 'linear']):
        succeeds('transform', 'mlp.mucmm', *UNSEEN, *which, '-o', 'both')
        succeeds('transform', 'mlp.mucmm', *UNSEEN[2:], *which, '-o', 'one')
        names = sorted(os.listdir('one'))
        check(names == ['left.common-predicted.npy', 'left.common-sd.npy', 'right.common.npy', 'right.individual.npy'],
              names)
        for name in names[2:]:
            check(read_npy('one/' + name) == read_npy('both/' + name), name)
        shape, predicted = read_npy('one/left.common-predicted.npy')
        sd = read_npy('one/left.common-sd.npy')[1]
        truth = read_npy('both/left.common.npy')[1]
        check(shape == (150, 2) and all(0 < x < 1.2 for x in sd), (shape, sd[:4]))
        inside = sum(abs(t - p) <= 2 * s for t, p, s in zip(truth, predicted, sd)) / 300
        check(0.9 < inside <= 1, inside)
        check(sum(t * p for t, p in zip(truth, predicted)) / 300 > 0.5, 'no prediction')


@test
def score_without_a_view():
    both = json.loads(succeeds('score', 'mlp.mucmm', *UNSEEN, '--json').stdout)
    one = json.loads(succeeds('score', 'mlp.mucmm', *UNSEEN[:2], '--json').stdout)
    check(set(one) == SUMMARY_KEYS | {'linear', 'rows', 'samples'}, list(one))
    for part, whole in ((one, both), (one['linear'], both['linear'])):
        left = part['views']['left']  # which of its variates are significant, one view cannot tell
        check({k: left[k] for k in SHARES} == {k: whole['views']['left'][k] for k in SHARES}, part['views'])
        check(left['shared_share'] is None and left['redundancy'] is None, part['views'])
        check(set(part['views']['right'].values()) == {None}, part['views'])
        check(part['correlations'] == [None, None] and part['p_values'] == [None, None], part)
        check(part['total_correlation'] is None and part['significant'] == 0, part)
        check(part['leakage']['kernel']['right'] is None, part['leakage'])
        check(-1 < part['leakage']['kernel']['left'] < 1, part['leakage'])  # of the c of the views given
        check(0 <= part['leakage']['linear']['left'] < 0.3, part['leakage'])
    table = succeeds('score', 'mlp.mucmm', *UNSEEN[:2]).stdout
    check('not given: right; what needs' in table and 'correlations need two' in table, table)
    succeeds('score', 'mlp.mucmm', *UNSEEN, '-o', 'scores.csv')
    _, whole = read_scores()
    succeeds('score', 'mlp.mucmm', *UNSEEN[:2], '-o', 'scores.csv')
    header, rows = read_scores()
    left = [i for i, name in enumerate(header.split(',')) if name.startswith('left.') or name in ('sample', 'row')]
    check(len(left) == 4 and all(r[i] == (w[i] if i in left else '') for r, w in zip(rows, whole) for i in range(len(r))), rows[0])


def write_keyed(name, columns, rows, keys):
    """A row of None is written as empty cells."""
    with open(name, 'w') as f:
        f.write('id,' + ','.join(columns) + '\n')
        for key, row in zip(keys, rows):
            f.write(','.join([key] + ['' if row is None else repr(x) for x in row or columns]) + '\n')


def write_incomplete():
    """il.csv lacks the rows i % 5 == 0 by their keys, ir.csv has empty ones where i % 7 == 0."""
    left, right = paired_rows(500, 1)
    keys = ['s%d' % i for i in range(500)]
    some = [i for i in range(500) if i % 5]
    write_keyed('il.csv', 'abcdef', [left[i] for i in some], [keys[i] for i in some])
    write_keyed('ir.csv', ['g%d' % j for j in range(8)], [row if i % 7 else None for i, row in enumerate(right)], keys)
    return views('il.csv', 'ir.csv') + ['--key', 'id']


def linear(*more, out='out.mucmm'):
    return ['fit', *more, '--common', '2', '--individual', '2', '--head', 'linear', '--threads', '1', '-o', out]


@test
def missing_rows_are_refused_with_their_number():
    incomplete = write_incomplete()
    for more in ([], ['--missing', 'refuse']):
        fails(1, ['ir.csv', '72 of 500 rows hold no value', '--missing allow'], *linear(*incomplete, *more))
    right = views('il.csv', 'r.csv') + ['--key', 'id']
    fails(1, ['r.csv:', '100 of 500 keys', '--missing allow'], *linear(*right))
    fails(2, ['--missing', "'maybe'", 'refuse|allow'], *linear(*incomplete, '--missing', 'maybe'))
    with open('ir.csv') as f:
        lines = f.read().splitlines()
    with open('ir.csv', 'w') as f:
        f.write('\n'.join(lines[:5] + [lines[5].rsplit(',', 1)[0] + ','] + lines[6:]) + '\n')
    fails(1, ['ir.csv:6', "'g7'", 'the row has others', '--missing allow'], *linear(*incomplete))
    table = succeeds(*linear(*incomplete, '--missing', 'allow')).stdout
    check('empty cells of right: 1 in ' in table, table[:400])
    table = succeeds(*linear(*incomplete, '--missing', 'drop'))
    check('158 rows lack a view or a cell and are dropped; 342 are left' in table.stderr, table.stderr)
    with open('ir.csv', 'w') as f:
        f.write('\n'.join(lines + [lines[3]]) + '\n')
    fails(1, ['ir.csv:502', "'s2'", 'already in line 4'], *linear(*incomplete, '--missing', 'allow'))
    with open('ir.csv', 'w') as f:
        f.write('\n'.join([lines[0]] + ['t' + line for line in lines[1:]]) + '\n')
    fails(1, ['0 rows that have all views'], *linear(*incomplete, '--missing', 'allow'))
    write_keyed('ir.csv', ['g%d' % j for j in range(8)], [None] * 500, ['s%d' % i for i in range(500)])
    fails(1, ['ir.csv: no row holds a value'], *linear(*incomplete, '--missing', 'allow'))


@test
def two_tables_of_animals_become_results():
    """The job of docs/jobs/omics.md: shuffled and partly overlapping keys, single missing cells, a covariate."""
    draw = random.Random(5)
    keys = ['m%02d' % i for i in range(60)]
    shared, batch = [draw.gauss(0, 1) for _ in keys], [i % 2 for i in range(60)]
    for name, cols, without in (('gene', 9, keys[:2]), ('lipid', 5, keys[-2:])):
        table = [[k] + ['%.4f' % ((3 * z if j == 2 else 0) + 2 * b + draw.gauss(0, 1)) for j in range(cols)] for k, z, b in zip(keys, shared, batch)]
        draw.shuffle(table)
        table = [row for row in table if row[0] not in without]
        for _ in range(5):
            draw.choice(table)[draw.randrange(1, cols + 1)] = 'NA'
        with open(name + '.csv', 'w', newline='') as f:
            csv.writer(f).writerows([['mouse'] + ['%s<%d>' % (name, j) for j in range(cols)]] + table)
    with open('clinical.csv', 'w') as f:
        f.write('mouse,batch\n' + ''.join('%s,%s\n' % (k, 'ab'[b]) for k, b in zip(keys, batch)))
    rows = ['--view', 'gene=gene.csv', '--view', 'lipid=lipid.csv', '--key', 'mouse', '--missing', 'allow', '--covariates', 'clinical.csv', '--threads', '1']
    succeeds('fit', *rows, '--adjust', 'batch', '--common', '2', '--individual', '0', '--head', 'linear', '--bootstrap', '20', '-o', 'mice.mucmm',
             '--figure', 'components.svg')
    result = succeeds('loadings', 'mice.mucmm', '-o', 'loadings.csv', '--figure', 'loadings.svg')
    check(result.stdout == '' and result.stderr.count('wrote ') == 2, result)
    with open('loadings.csv', newline='') as f:
        top = [next(r for r in csv.DictReader(f) if r['view'] == view and r['component'] == '0') for view in ('gene',)]
    check(top[0]['column'] == 'gene<2>' and abs(float(top[0]['loading'])) > .9 and top[0]['comes_back'] == 'yes', top)
    check(float(top[0]['low']) - .02 <= float(top[0]['loading']) <= float(top[0]['high']) + .02, top)
    for name in ('components.svg', 'loadings.svg'):
        check(xml.etree.ElementTree.parse(name).getroot().tag.endswith('svg'), name)
    succeeds('loadings', 'mice.mucmm', '--figure', 'loadings.pdf')
    succeeds('info', 'mice.mucmm', '--figure', 'components.png')
    succeeds('score', 'mice.mucmm', *rows, '--figure', 'scores.svg')
    text = succeeds('relate', 'mice.mucmm', *rows, '--metadata', 'clinical.csv', '-o', 'relations.csv').stdout
    check('adjusted for' in text, text)
    check('batch was taken out' in succeeds('cite', 'mice.mucmm').stdout, 'cite')
    result = succeeds('report', 'mice.mucmm', *rows, '--permutations', '0', '-o', 'mice.html')
    check('4 rows lack a view and are left out; 56 are left' in result.stderr, result.stderr)
    fails(1, ['/nowhere/l.svg'], 'loadings', 'mice.mucmm', '--figure', '/nowhere/l.svg')


@test
def embeddings_with_captions():
    """The job of docs/jobs/captions.md: arrays of one .npz, shown by the captions of a table."""
    left, right = paired_rows(200, 3)
    for name, rows in (('img', left), ('txt', right)):
        write_npy(name + '.npy', rows)
    with zipfile.ZipFile('emb.npz', 'w') as f:
        f.write('img.npy')
        f.write('txt.npy')
    with open('captions.csv', 'w') as f:
        f.write('caption\n' + ''.join('here is animal %d\n' % i for i in range(200)))
    views = {name: {'kind': 'features', 'file': 'emb.npz:' + part, 'show': 'caption'} for name, part in (('image', 'img'), ('text', 'txt'))}
    with open('captions.json', 'w') as f:
        json.dump({'table': 'captions.csv', 'split': {'test': .3, 'seed': 1}, 'views': views}, f)
    succeeds('fit', 'captions.json', '--common', '2', '--individual', '1', '--head', 'linear', '--threads', '1', '-o', 'captions.mucmm')
    succeeds('score', 'captions.mucmm', 'captions.json', '--figure', 'components.pdf')
    check('60 rows with a known partner' in succeeds('match', 'captions.mucmm', 'captions.json', '--query', 'image', '--gallery', 'text', '--top', '3',
                                                     '-o', 'matches.csv').stdout, 'match')
    succeeds('report', 'captions.mucmm', 'captions.json', '--permutations', '0', '-o', 'captions.html')
    with open('captions.html', encoding='utf-8') as f:
        check(len(set(re.findall('here is animal [0-9]+', f.read()))) > 5, 'captions')


@test
def sounds_with_pictures():
    """The job of docs/jobs/sound.md: tones by log-mel, whose pitch is the height of a line in pictures that are arrays."""
    draw = random.Random(8)
    pitch = [draw.random() for _ in range(80)]
    os.makedirs('sounds', exist_ok=True)
    for i, z in enumerate(pitch):
        with wave.open('sounds/t%d.wav' % i, 'wb') as f:
            f.setnchannels(1)
            f.setsampwidth(2)
            f.setframerate(8000)
            f.writeframes(b''.join(struct.pack('<h', int(9000 * math.sin(2 * math.pi * 200 * 8 ** z * t / 8000) + draw.gauss(0, 50))) for t in range(1200)))
    write_npy('pictures.npy', [[math.exp(-.5 * (j // 6 - 5 * z) ** 2) + .1 * draw.gauss(0, 1) for j in range(36)] for z in pitch])
    with open('rows.csv', 'w') as f:
        f.write('sound,hertz\n' + ''.join('t%d.wav,%g\n' % (i, 200 * 8 ** z) for i, z in enumerate(pitch)))
    sound = {'kind': 'audio', 'column': 'sound', 'folder': 'sounds', 'rate': 8000, 'samples': 1200, 'encoder': 'log-mel', 'bands': 12, 'frames': 1}
    with open('tones.json', 'w') as f:
        json.dump({'table': 'rows.csv', 'split': {'test': .3, 'seed': 1}, 'views': {'sound': sound, 'picture': {'kind': 'features', 'file': 'pictures.npy'}}}, f)
    succeeds('fit', 'tones.json', '--common', '2', '--individual', '1', '--head', 'linear', '--threads', '1', '-o', 'tones.mucmm', '--csv', 'tones.csv')
    with open('tones.csv', newline='') as f:
        check(max(float(r['correlation']) for r in csv.DictReader(f) if r['rows'] != 'train') > .8, 'the pitch')
    succeeds('explain', 'tones.mucmm', 'tones.json', '--samples', '0', '--score', 'common', '--figures', 'svg', '-o', 'tone_maps')
    drawn = [name for name in os.listdir('tone_maps') if name.endswith('.svg')]
    check(len(drawn) == 2 and all(xml.etree.ElementTree.parse('tone_maps/' + name) for name in drawn), drawn)
    check('hertz' in succeeds('relate', 'tones.mucmm', 'tones.json', '--metadata', 'rows.csv').stdout, 'relate')


@test
def commands_that_read_views_have_the_options_that_messages_advise():
    for command in ['fit', 'transform', 'score', 'explain', 'report', 'relate', 'check-gradient', 'loadings']:
        text = succeeds('help', command).stdout
        for option in ['--view', '--key', '--missing', '--missing-row', '--missing-column']:
            check(re.search(option + r'[ \n]', text), command + ' lacks ' + option)


@test
def missing_rows_are_used():
    incomplete = write_incomplete() + ['--missing', 'allow']
    table = succeeds(*linear(*incomplete)).stdout
    check('these have all views; with those that lack some: left 330, right 358' in table, table[:300])
    check('273 training rows, 35 choosing rows, 35 held-out rows' in table, table[:300])
    # numbers that are found, with many rows and with fewer than 5 a column
    auto = ['--common', 'auto', '--individual', 'auto', '--head', 'linear', '--threads', '1', '--json', '-o', 'auto.mucmm']
    found = json.loads(succeeds('fit', *incomplete, *auto, '--validation', '0.2').stdout)
    check(found['common'] == found['dimensions']['common']['found'] == 2, found['dimensions'])
    left, right = paired_rows(80, 1)
    keys = ['s%d' % i for i in range(80)]
    left = [row * 7 for row in left]  # 42 columns, each of them seven times
    write_keyed('wl.csv', ['l%d' % j for j in range(42)], [left[i] for i in range(80) if i % 5], [k for i, k in enumerate(keys) if i % 5])
    write_keyed('wr.csv', ['g%d' % j for j in range(8)], right, keys)
    wide = views('wl.csv', 'wr.csv') + ['--key', 'id', '--missing', 'allow', '--validation', '0.34', *auto]
    for ridge in ('auto', 'lw', '1'):
        found = json.loads(succeeds('fit', *wide, '--ridge', ridge).stdout)
        check(found['common'] == max(1, found['dimensions']['common']['found']), found['dimensions'])
    succeeds(*linear(*incomplete, '--head', 'mlp', '--hidden', '8', '--epochs', '2', '--batch', '200'))
    succeeds('transform', 'out.mucmm', *incomplete, '-o', 'dir')
    for name in ('left', 'right'):
        values = {part: read_npy('dir/%s.%s.npy' % (name, part)) for part in
                  ('common', 'individual', 'common-predicted', 'common-sd')}
        check(all(shape == (500, 2) for shape, _ in values.values()), name)
        lacks = [math.isnan(x) for x in values['common'][1][::2]]
        check(sum(lacks) == (100 if name == 'left' else 72), (name, sum(lacks)))
        check(lacks == [math.isnan(x) for x in values['individual'][1][1::2]], name)
        check(all(math.isfinite(x) for part in ('common-predicted', 'common-sd') for x in values[part][1]), name)
    succeeds('score', 'out.mucmm', *incomplete, '-o', 'scores.csv')
    header, rows = read_scores()
    by_key = {r[0]: dict(zip(header.split(','), r)) for r in rows}
    check(len(rows) == len(by_key) == 500, len(rows))
    for key, has, lacks in (('s5', 'right', 'left'), ('s7', 'left', 'right')):
        row = by_key[key]
        check(row['common'] == row[lacks + '.common_energy'] == row[lacks + '.individual'] == '', row)
        check(float(row[has + '.common_energy']) > 0 and float(row[has + '.individual']) > 0, row)
    check(all(by_key['s8'].values()), by_key['s8'])
    table = succeeds('score', 'out.mucmm', *incomplete).stdout
    check('500 rows; the numbers below are of the 343 that have every view given' in table, table[:200])
    fails(1, ['ir.csv', '72 of 500 rows hold no value'], 'transform', 'out.mucmm', *incomplete[:-2], '-o', 'x')


@test
def missing_allow_changes_nothing_where_nothing_is_missing():
    """But for the file of a model that allows empty cells, which knows what to fill those of new rows with."""
    models, tables = [], []
    for more in ([], ['--missing', 'allow'], ['--missing', 'refuse']):
        for head in (['--head', 'linear'], MLP):
            tables.append(succeeds(*linear(*views('l.csv', 'r.csv'), '--key', 'id', *head, *more)).stdout)
            with open('out.mucmm', 'rb') as f:
                models.append(f.read())
    check(models[:2] == models[4:], 'other bytes')
    check(tables[:2] == tables[2:4] == tables[4:], 'other numbers')
    check(all(b'left.impute.weights' in m for m in models[2:4]), 'nothing to fill cells with')


def read_scores():
    with open('scores.csv', newline='') as f:
        text = f.read()
    return text.splitlines()[0], list(csv.reader(text.splitlines()[1:]))


@test
def score_writes_the_csv():
    result = succeeds('score', 'mlp.mucmm', *UNSEEN, '-o', 'scores.csv')
    check(result.stdout == '', result.stdout)
    header, rows = read_scores()
    check(header == 'sample,common,common_percentile,match,match_percentile,left.common_energy,left.individual,right.common_energy,right.individual,row', header)
    check([r[0] for r in rows] == [str(i) for i in range(150)], 'samples')
    check({r[-1] for r in rows} == {'new'}, rows[0])
    values = [[float(x) for x in r[1:-1]] for r in rows]
    check(all(math.isfinite(x) for r in values for x in r), 'finite')
    energy = sum(r[header.split(',').index('left.common_energy') - 1] for r in values) / 150
    check(0.7 < energy < 1.3, 'mean common energy is %g, not about k/2' % energy)


@test
def report_writes_one_page():
    for model, columns in (('mlp.mucmm', 'linear yardstick'), ('linear.mucmm', 'closed form')):
        result = succeeds('report', model, *UNSEEN, '--samples-shown', '2', '--permutations', '50', '-o', 'page.html')
        check(result.stdout == '', result.stdout)
        with open('page.html', encoding='utf-8') as f:
            page = f.read()
        check(page.startswith('<!DOCTYPE html>') and page.rstrip().endswith('</html>'), 'not a whole page')
        for words in (columns, 'Samples whose views agree most', 'Component 0', 'Leakage', 'mucmm report %s' % model,
                      'Most individual samples of right', 'Yardstick'):
            check(words in page, words)
        check(not re.search(r'(src|href)="(?!#|data:)', page), 'a link to something outside')


@test
def report_takes_every_method():
    for method in ('gradient', 'input-x-gradient', 'smoothgrad', 'integrated-gradients', 'lcmv'):
        succeeds('report', 'mlp.mucmm', *UNSEEN, '-o', 'page.html', '--samples-shown', '1', '--permutations', '0',
                 '--method', method)
        with open('page.html', encoding='utf-8') as f:
            check('--method %s ' % method in f.read(), 'the command that makes the page again')


def commands_of(page):
    """The commands of "Make it again", as they stand on the page."""
    part = page.split('<h2>Make it again</h2>', 1)[1].split('</section>', 1)[0]
    return html.unescape(re.search(r'<pre>(.*?)</pre>', part, re.S)[1]).splitlines()


def page_made_again(fit_args, report_args, training=None):
    """The report's page, and the one that its own commands make in the place of both files."""
    succeeds(*fit_args)
    succeeds(*report_args)
    with open('page.html', 'rb') as f:
        first = f.read()
    commands = commands_of(first.decode())
    check([c.split()[:2] for c in commands] == [['mucmm', 'fit'], ['mucmm', 'report']], commands)
    with open(fit_args[fit_args.index('-o') + 1], 'rb') as f:
        model = f.read()
    os.remove('page.html')
    os.remove(fit_args[fit_args.index('-o') + 1])
    for command in commands:
        for view, path in (training or {}).items():
            command = command.replace('%s=TRAINING_FILE' % view, '%s=%s' % (view, path))
        check('TRAINING_FILE' not in command, command)
        result = subprocess.run(['sh', '-c', 'mucmm() { "$MUCMM" "$@"; }; ' + command], capture_output=True, text=True,
                                env=dict(os.environ, MUCMM=PROGRAM, OMP_WAIT_POLICY='PASSIVE'))
        check(result.returncode == 0, '%s: exit %d: %s' % (command, result.returncode, result.stderr))
    with open('page.html', 'rb') as f:
        again = f.read()
    return commands, first, again, model


@test
def making_it_again_gives_the_same_page():
    """Every option that changes the page: of the fit as the model knows it, of the report as it was given."""
    left_right = {'left': 'l.npy', 'right': 'r.npy'}
    report = ['report', 'again.mucmm', *UNSEEN, '--samples-shown', '2', '--permutations', '60', '-o', 'page.html']
    cases = [
        (fit('--bootstrap', '5', '--scale', 'column', '--validation', '0.2', out='again.mucmm'),
         [*report, '--seed', '3', '--method', 'gradient'], left_right),
        (fit('--ridge', 'lw', '--seed', '9', common='auto', individual='auto', out='again.mucmm'), report, left_right),
        (fit(*MLP, '--stages', '2', '--independence', '0.5', '--learning-rate', '0.001', '--weight-decay', '0.01', '--input-noise', '0.1',
             '--individual-epochs', '3', out='again.mucmm'), [*report, '--threads', '1'], left_right),
        (fit(*MLP, '--restarts', '1', '--seed', '12345678901', out='again.mucmm'), report, left_right),
        (fit('--head', 'auto', '--hidden', '8,8', '--epochs', '1', '--stages', 'auto', out='again.mucmm'), report, left_right),
    ]
    for fit_args, report_args, training in cases:
        commands, first, again, _ = page_made_again(fit_args, report_args, training)
        check(first == again, 'another page: %s' % commands)


def model_made_again(fit_args, report_args, training=None):
    """The command of fit makes the bytes of the same model; returns that command and the model's metadata."""
    out = fit_args[fit_args.index('-o') + 1]
    commands, first, again, model = page_made_again(fit_args, report_args, training)
    check(first == again, 'another page: %s' % commands)
    with open(out, 'rb') as f:
        check(f.read() == model, 'another model: %s' % commands[0])
    return commands[0], json.loads(succeeds('info', out, '--json').stdout)


@test
def making_it_again_gives_the_same_model():
    """What fit chooses by itself is chosen again, not given; what is no parameter of the model is left out."""
    left_right = {'left': 'l.npy', 'right': 'r.npy'}
    report = ['report', 'again.mucmm', *UNSEEN, '--samples-shown', '1', '--permutations', '0', '-o', 'page.html']
    command, model = model_made_again(fit(*MLP, out='again.mucmm'), report, left_right)
    stages = {epoch['stage'] for epoch in model['history']}
    check('individual-transport' in stages and '--independence' not in command, (command, stages))
    command, model = model_made_again(fit(*MLP, '--checkpoint', 'state', out='again.mucmm'), report, left_right)
    check('--checkpoint' not in command, command)
    own = random.Random(4)
    wide = []
    for row in paired_rows(500, 1)[1]:
        a, b = own.gauss(0, 2), own.gauss(0, 2)
        wide.append(row + [x + 0.3 * own.gauss(0, 1) for x in (a, a, -a, b, b, -b)])
    write_npy('wide.npy', wide)
    command, model = model_made_again(
        fit('--scale', 'column', '--ridge', 'lw', common='auto', individual='auto', right='wide.npy', out='again.mucmm'),
        ['report', 'again.mucmm', *views('l.npy', 'wide.npy'), *report[6:]], {'left': 'l.npy', 'right': 'wide.npy'})
    found = [view['found'] for view in model['dimensions']['individual']]
    check(all(w in command for w in ('--common auto', '--individual auto', '--ridge lw', '--scale column')), command)
    check(found[0] != found[1], 'the same number of dimensions in both views: %s' % found)
    command, _ = model_made_again(fit('--head', 'mlp', '--hidden', '', '--epochs', '2', out='again.mucmm'), report, left_right)
    check('--hidden' in command, command)
    command, _ = model_made_again(fit(*MLP, '--stages', 'auto', '--ridge', '0.5', common='3', individual='1', out='again.mucmm'),
                                  report, left_right)
    check('--stages auto' in command, command)


@test
def making_it_again_says_how_tables_were_read():
    """What a fit took out, and how its tables are read, stand in the command of the page; what is usual does not."""
    left, right = paired_rows(120, 1)
    for name, rows in (('bare_l.csv', left), ('bare_r.csv', right)):
        with open(name, 'w') as f:
            f.write(''.join(','.join('%.6g' % x for x in row) + '\n' for row in rows))
    with open('ages.csv', 'w') as f:
        f.write('age\n' + ''.join('%d\n' % (20 + i * 7 % 50) for i in range(120)))
    tables = [*views('bare_l.csv', 'bare_r.csv'), '--no-header', '--covariates', 'ages.csv']
    succeeds('fit', *tables, '--adjust', 'age', '--common', '1', '--individual', '1', '--head', 'linear', '-o', 'bare.mucmm')
    succeeds('report', 'bare.mucmm', *tables, '--samples-shown', '1', '--permutations', '0', '-o', 'bare.html')
    with open('bare.html') as f:
        command = next(line for line in f.read().splitlines() if 'mucmm fit ' in line)
    check(all(w in command for w in ('--no-header', '--covariates ages.csv', '--adjust age')), command)
    check(not any(w in command for w in ('--header', '--decimal', '--adjust-nonlinear', '--missing')), command)


@test
def making_it_again_of_few_rows():
    """Fewer rows than columns: the ridge is chosen by cross-validation, with rows that lack a view or without."""
    r = random.Random(8)
    z = [[r.gauss(0, 1) for _ in range(2)] for _ in range(70)]
    mix = [[[r.gauss(0, 1) for _ in range(2)] for _ in range(90)] for _ in range(2)]
    for v, name in enumerate('lr'):
        rows = [[sum(a * b for a, b in zip(row, w)) + r.gauss(0, 1) for w in mix[v]] for row in z]
        write_csv('few_%s.csv' % name, ['c%d' % j for j in range(90)], rows[:70 - 6 * v], ['k%d' % i for i in range(70 - 6 * v)])
    two = ['--view', 'left=few_l.csv', '--view', 'right=few_r.csv', '--key', 'id']
    shutil.copy('few_r.csv', 'few_r2.csv')
    with open('few_r2.csv', 'a') as f:
        f.write(''.join('k%d,%s\n' % (i, ','.join(['0.5'] * 90)) for i in range(64, 70)))
    report = ['report', 'again.mucmm', '--view', 'left=few_l.csv', '--view', 'right=few_r2.csv', '--key', 'id', '--samples-shown', '1',
              '--permutations', '0', '-o', 'page.html']
    for individual in ('1', 'auto'):
        command, _ = model_made_again(
            ['fit', *two, '--missing', 'allow', '--common', '1', '--individual', individual, '--head', 'linear', '--validation',
             '0.34', '-o', 'again.mucmm'],
            report, {'left': 'few_l.csv', 'right': 'few_r.csv'})
        check('--missing allow' in command and '--key id' in command and '--ridge' not in command, command)
    two[3] = 'right=few_r2.csv'
    for common in ('1', 'auto'):
        model_made_again(['fit', *two, '--common', common, '--individual', '1', '--head', 'linear', '--validation', '0.34', '-o', 'again.mucmm'],
                         report, {'left': 'few_l.csv', 'right': 'few_r2.csv'})


@test
def making_it_again_of_a_part_of_a_study():
    write_study()
    for part in ('train', 'test'):
        model_made_again(
            fit_study(out='again.mucmm'),
            ['report', 'again.mucmm', 'study.json', '--cache', 'cache', '--part', part, '--samples-shown', '1', '--permutations', '0',
             '-o', 'page.html'])


@test
def making_it_again_of_keys_that_are_missing():
    with open('l.csv') as f:
        lines = f.read().splitlines()
    with open('some.csv', 'w') as f:
        f.write('\n'.join(lines[:400]) + '\n')
    both = ['--view', 'left=some.csv', '--view', 'right=r.csv', '--key', 'id']
    _, first, again, _ = page_made_again(
        ['fit', *both, '--missing', 'allow', '--common', '2', '--individual', '1', '--head', 'linear', '-o', 'again.mucmm'],
        ['report', 'again.mucmm', *views('l.csv', 'r.csv'), '--key', 'id', '--samples-shown', '1', '--permutations', '30', '-o', 'page.html'],
        {'left': 'some.csv', 'right': 'r.csv'})
    check(first == again, 'another page')


@test
def making_it_again_of_a_study_and_awkward_names():
    write_study(name="stu dy's.json")
    name = "mo'del $HOME.mucmm"
    _, first, again, _ = page_made_again(
        fit_study(study="stu dy's.json", out=name),
        ['report', name, "stu dy's.json", '--cache', 'cache', '--part', 'all', '--label', 'group', '--samples-shown', '1',
         '--permutations', '30', '-o', 'page.html'])
    check(first == again, 'another page')


@test
def report_rejects():
    fails(2, ['argument is missing'], 'report', *UNSEEN, '-o', 'page.html')
    fails(2, ['--output'], 'report', 'mlp.mucmm', *UNSEEN)
    fails(2, ['views are missing'], 'report', 'mlp.mucmm', '-o', 'page.html')
    fails(2, ['--label', 'study'], 'report', 'mlp.mucmm', *UNSEEN, '--label', 'x', '-o', 'page.html')
    fails(2, ['--samples-shown'], 'report', 'mlp.mucmm', *UNSEEN, '--samples-shown', '0', '-o', 'page.html')
    fails(1, ['none.mucmm'], 'report', 'none.mucmm', *UNSEEN, '-o', 'page.html')
    fails(1, ['no-folder'], 'report', 'mlp.mucmm', *UNSEEN, '-o', 'no-folder/page.html')


@test
def score_uses_keys_as_sample_names():
    keyed = views('l.csv', 'r.csv') + ['--key', 'id']
    succeeds('fit', *keyed, '--common', '2', '--individual', '2', '--head', 'linear', '-o', 'keyed.mucmm')
    succeeds('score', 'keyed.mucmm', *keyed, '-o', 'scores.csv')
    _, rows = read_scores()
    check([r[0] for r in rows] == ['s%d' % i for i in range(500)], rows[0])
    by_key = {r[0]: float(r[1]) for r in rows}
    succeeds('score', 'keyed.mucmm', *keyed[2:4], *keyed[:2], '--key', 'id', '-o', 'scores.csv')
    _, rows = read_scores()
    check(rows[0][0] == 's499', rows[0])
    check(all(abs(by_key[r[0]] - float(r[1])) < 1e-4 for r in rows), 'scores depend on the order of views')
    aligned = json.loads(succeeds('score', 'linear.mucmm', *views(), '--json').stdout)
    keyed_root = json.loads(succeeds('score', 'keyed.mucmm', *keyed, '--json').stdout)
    check(abs(aligned['total_correlation'] - keyed_root['total_correlation']) < 1e-3, 'keys pair the rows')


@test
def rows_of_the_fit_testify_to_nothing():
    """Two tables of noise: as they were fitted, renamed, reordered, in another format, among new rows; score and report."""
    r = random.Random(6)

    def noise(n):
        return [[r.gauss(0, 1) for _ in range(8)] for _ in range(n)]

    tables = {'x': noise(60), 'y': noise(60)}
    order = r.sample(range(60), 60)
    for v, rows in tables.items():
        fresh = noise(40)
        write_csv('%s.csv' % v, ['%s%d' % (v, j) for j in range(8)], rows, list(map(str, range(60))))
        write_npy('renamed_%s.npy' % v, rows)
        write_npy('order_%s.npy' % v, [rows[i] for i in order])
        write_npy('mixed_%s.npy' % v, [rows[i] for i in order[:30]] + fresh)
        write_npy('new_%s.npy' % v, fresh)
        write_npy('own_%s.npy' % v, rows)
    key = ['--key', 'id']  # a table that rounds to seven digits
    succeeds('fit', '--view', 'x=own_x.npy', '--view', 'y=own_y.npy', '--common', '2', '--individual', '0', '--head', 'linear', '--ridge',
             '1e-8', '--validation', '0.15', '-o', 'noise.mucmm')
    for form, options, given in (('%s.csv', key, 60), ('renamed_%s.npy', [], 60), ('order_%s.npy', [], 60), ('mixed_%s.npy', [], 70),
                                 ('new_%s.npy', [], 40)):
        use = ['noise.mucmm', *options, '--view', 'y=' + form % 'y', '--view', 'x=' + form % 'x']
        root = json.loads(succeeds('score', *use, '--json').stdout)
        rows = root['rows']
        check(rows['given'] == given and rows['new'] + rows['fitted'] == given and rows['recognition'] == 'sure', rows)
        check(root['significant'] == 0, root)
        text = succeeds('score', *use).stdout
        succeeds('report', *use, '--samples-shown', '1', '-o', 'page.html')
        with open('page.html', encoding='utf-8') as f:
            page = f.read()
        check('Nothing shared was found' in page and 'of its variance is common' not in page, form)
        if form.startswith('new'):
            check(rows['fitted'] == 0 and 'in_sample' not in root and 'in-sample' not in text, rows)
            continue
        check(rows['fitted'] >= (48 if given == 60 else 20), rows)
        check(root['in_sample']['p_values'] == [None, None] and root['in_sample']['correlations'][0] > 0.3, root['in_sample'])
        check('in-sample' in text and 'The model was fitted to %d of the %d rows' % (rows['fitted'], given) in text, text)
        check('in-sample' in page.split('<h2>What the views share</h2>')[0], form)
    succeeds('score', 'noise.mucmm', '--view', 'x=order_x.npy', '-o', 'scores.csv')  # one view tells
    _, rows = read_scores()
    kinds = [row[-1] for row in rows]
    check(set(kinds) == {'fitted', 'held-out'}, set(kinds))
    for v, table in tables.items():  # those that were fitted to, alone
        write_npy('alone_%s.npy' % v, [table[i] for i, kind in zip(order, kinds) if kind == 'fitted'])
    alone = ['noise.mucmm', '--view', 'x=alone_x.npy', '--view', 'y=alone_y.npy']
    root = json.loads(succeeds('score', *alone, '--json').stdout)
    check(root['rows']['new'] == 0 and root['p_values'] == root['correlations'] == [None, None], root)
    check(len(root['in_sample']['correlations']) == len(root['held_out']['correlations']) == 2, root)
    text = succeeds('score', *alone).stdout
    check('p-value ' not in text and 'held-out  in-sample' in text and 'significant' not in text, text)
    succeeds('report', *alone, '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = f.read()
    check('those of the %d rows that the fit held out' % kinds.count('held-out') in page, 'whose numbers')
    check(re.search(r'Component 0: correlation -?[0-9.]+ on the held-out rows', page), 'the card')
    succeeds('fit', '--view', 'x=own_x.npy', '--view', 'y=own_y.npy', '--common', '2', '--individual', '1', '-o', 'crossed.mucmm')
    crossed = ['crossed.mucmm', '--view', 'x=order_x.npy', '--view', 'y=order_y.npy']  # every row trained: cross-fitted numbers testify
    text = succeeds('score', *crossed).stdout
    check('judged by a model that did not see it' in text and re.search(r'x, common +- ', text) and 'p-value ' not in text, text)
    lines = dict(re.findall(r'^  (x, (?:common|individual|rest)) +(.*)$', text, re.M))
    number = float(lines['x, individual'].split()[0])  # what is not shared is individual or the rest
    check(abs(float(lines['x, rest'].split()[0]) + number - 1) < 2e-4 and lines['x, rest'].split()[1] == '-', lines)
    told = succeeds('info', 'crossed.mucmm').stdout
    check('held-out rows' not in told and 'all 60 rows' in told, told)
    succeeds('report', *crossed, '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = f.read()
    check('judged every row by a model that did not see it' in page and 'Nothing shared was found' in page, 'crossed')
    check(not re.search(r'held-out rows|were held out|grey band', page) and 'Component 0: correlation' in page, 'no row was held out')
    made = succeeds('fit', '--view', 'x=own_x.npy', '--view', 'y=own_y.npy', '--common', '2', '--individual', '1', '-o', 'crossed.mucmm').stdout
    check('all 60 rows trained, none was held out' in made and 'held-out rows' not in made, made)
    numbers = re.findall(r'^ +([0-9]+) +[0-9.]+ +-?[0-9.]+ +\(', made, re.M)
    check(numbers == ['0', '1'], 'components bear one number everywhere: %s' % numbers)


@test
def score_json_has_the_keys_of_the_contract():
    root = json.loads(succeeds('score', 'mlp.mucmm', *UNSEEN, '--json', '--permutations', '50').stdout)
    check(set(root) == SUMMARY_KEYS | {'linear', 'rows', 'samples'}, list(root))
    check(root['rows'] == {'given': 150, 'new': 150, 'held_out': 0, 'fitted': 0, 'recognition': 'sure'}, root['rows'])
    check(set(root['linear']) == SUMMARY_KEYS, list(root['linear']))
    for part in (root, root['linear']):
        check(len(part['correlations']) == len(part['p_values']) == 2, part)
        check(part['significant'] == 2 and all(0 < p <= 0.05 for p in part['p_values']), part)
        check(abs(sum(part['correlations']) - part['total_correlation']) < 1e-12, part)
        check(set(part['leakage']) == LEAKAGE_KEYS, part['leakage'])
        check(set(part['leakage']['linear']) == set(part['leakage']['kernel']) == {'left', 'right'}, part['leakage'])
        check(set(part['leakage']['individual']) == {'left,right'}, part['leakage'])
        check(part['leakage']['permutations'] == 50, part['leakage'])
        for key in ('linear_p', 'kernel_p', 'individual_p'):
            check(all(1 / 51 - 1e-9 <= p <= 1 for p in part['leakage'][key].values()), part['leakage'])
        check(abs(part['leakage']['linear_chance']['left'] - 4 / 149) < 1e-4, part['leakage'])  # 2 views x 2 of 150 rows
        for view in ('left', 'right'):
            check(set(part['views'][view]) == SHARES | {'shared_share', 'redundancy', 'unshared_share'}, part['views'])
            check(0 < part['views'][view]['redundancy'] < part['views'][view]['shared_share'], part['views'])
    root = json.loads(succeeds('score', 'mlp.mucmm', *UNSEEN, '--json', '--permutations', '0').stdout)
    check(root['p_values'] == [None, None] and root['significant'] == 0, root['p_values'])
    check(root['leakage']['linear_p'] == {'left': None, 'right': None} and root['leakage']['permutations'] == 0, root)


@test
def score_prints_a_table_and_takes_views_in_any_order():
    one = succeeds('score', 'mlp.mucmm', *UNSEEN).stdout
    check('150 rows' in one and 'component 1' in one and 'linear yardstick' in one, one)
    two = succeeds('score', 'mlp.mucmm', *UNSEEN[2:], *UNSEEN[:2]).stdout
    check(one == two, 'the order of views changes the table')


@test
def three_views_say_which_of_them_carry_a_component():
    left, right = paired_rows(500, 1)
    r = random.Random(5)
    third = [[row[0] + 0.5 * r.gauss(0, 1), r.gauss(0, 1), row[0] + 2 * r.gauss(0, 1)] for row in left]
    write_npy('third.npy', third)
    three = ['--view', 'third=third.npy']
    text = succeeds(*fit(*three, common='3', individual='0', out='three.mucmm')).stdout
    lines = text.splitlines()
    at = lines.index('views that carry a component (closed form, held-out)')
    check([' '.join(line.split()) for line in lines[at + 1:at + 4]] ==
          ['component 0 all', 'component 1 left + right', 'component 2 none beyond chance'], text)
    check(text.count('views that carry a component') == 1, text)  # training rows have no p-values
    check('views that carry a component (closed form, held-out)' in succeeds('info', 'three.mucmm').stdout, 'info')
    left, _ = paired_rows(150, 2)
    write_npy('unseen_third.npy', [[row[0] + 0.5 * r.gauss(0, 1), r.gauss(0, 1), row[0] + 2 * r.gauss(0, 1)] for row in left])
    three = ['--view', 'third=unseen_third.npy']
    scored = ['score', 'three.mucmm', *UNSEEN, *three]
    text = succeeds(*scored).stdout
    check('views that carry a component (closed form, these rows)' in text, text)
    root = json.loads(succeeds(*scored, '--json').stdout)
    check(set(root) == SUMMARY_KEYS | {'linear', 'rows', 'samples', 'carried_by', 'pairs'}, list(root))
    check(root['carried_by'][:2] == [['left', 'right', 'third'], ['left', 'right']], root['carried_by'])
    check(set(root['pairs']) == {'left,right', 'left,third', 'right,third'}, root['pairs'])
    mean = [sum(pair['correlations'][j] for pair in root['pairs'].values()) / 3 for j in range(3)]
    check(all(abs(a - b) < 1e-12 for a, b in zip(mean, root['correlations'])), mean)
    check(all(0 < p <= 1 for pair in root['pairs'].values() for p in pair['p_values']), root['pairs'])
    root = json.loads(succeeds(*scored, '--json', '--permutations', '0').stdout)
    check(root['carried_by'] == [None] * 3, root['carried_by'])
    check('views that carry' not in succeeds(*scored, '--permutations', '0').stdout, 'names without p-values')
    succeeds('report', 'three.mucmm', *UNSEEN, *three, '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = f.read()
    check('Components that not all views carry' in page and 'left + right' in page, 'no table of views')
    table = page.split('Components that not all views carry', 1)[1].split('</table>')[0]
    check('>0<' not in table and '>1<' in table and '>2<' in table, table)
    for command in (['info', 'linear.mucmm'], ['score', 'linear.mucmm', *UNSEEN], ['score', 'linear.mucmm', *UNSEEN, '--json']):
        check('carr' not in succeeds(*command).stdout, 'two views have one pair: nothing to say')


def is_png(path):
    with open(path, 'rb') as f:
        return f.read(8) == b'\x89PNG\r\n\x1a\n'


@test
def explain_writes_maps_and_pictures():
    succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '3,0-1', '-o', 'dir')
    check(read_npy('dir/left.common.npy')[0] == (3, 6), 'left')
    check(read_npy('dir/right.common.npy')[0] == (3, 2, 4), 'right')
    expected = {'%s.common.%s' % (v, e) for v in ('left', 'right') for e in ('npy', '0.png', '1.png', '3.png')}
    check(set(os.listdir('dir')) == expected, os.listdir('dir'))
    check(all(is_png('dir/' + n) for n in expected if n.endswith('png')), 'png')


@test
def explain_every_score_and_method():
    maps = {}
    for score in ('common', 'common-energy', 'individual', 'common:1', 'individual:0'):
        for method in ('gradient', 'input-x-gradient', 'pattern', 'smoothgrad', 'integrated-gradients', 'lcmv'):
            for representation in ('heads', 'linear'):
                succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '2', '--score', score, '--method', method,
                         '--representation', representation, '-o', 'dir')
                shape, values = read_npy('dir/left.%s.npy' % score.replace(':', '-'))
                check(shape == (1, 6) and any(values), (score, method))
                if method in ('gradient', 'input-x-gradient', 'pattern'):  # where a score is linear, means of gradients
                    maps[score, method, representation] = values           # are the gradient
    check(len(set(maps.values())) == len(maps), 'two of the maps are the same')


@test
def explain_takes_baselines_steps_and_noise():
    def maps(*options):
        succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '2', '--score', 'common-energy', '-o', 'dir', *options)
        return read_npy('dir/right.common-energy.npy')[1]

    integrated = ('--method', 'integrated-gradients')
    paths = [maps(*integrated, '--shape', 'left=2x3', '--baseline', b) for b in ('zero', 'mean', '5')]
    check(len(set(paths)) == 3 and maps(*integrated) == paths[1], 'baselines')
    check(any(maps(*integrated, '--steps', '2')), 'steps')
    smooth = maps('--method', 'smoothgrad')
    check(maps('--method', 'smoothgrad', '--noise', '0.15', '--noise-samples', '25', '--seed', '1') == smooth, 'defaults')
    for option in (('--noise', '1'), ('--noise-samples', '3'), ('--seed', '2')):
        check(maps('--method', 'smoothgrad', *option) != smooth, option)
    base = ('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '-o', 'x')
    fails(2, ['--baseline', "'nil'"], *base, *integrated, '--baseline', 'nil')
    fails(2, ['--baseline', 'integrated-gradients'], *base, '--baseline', 'zero')
    fails(2, ['--steps', 'integrated-gradients'], *base, '--steps', '3')
    fails(2, ['--noise', 'smoothgrad'], *base, *integrated, '--noise', '1')
    fails(2, ['--steps', '4096'], *base, *integrated, '--steps', '0')
    fails(1, ['baseline row 150'], *base, *integrated, '--baseline', '150')
    fails(1, ["'left' cannot be blurred"], *base, *integrated, '--baseline', 'blurred')


@test
def explain_shape_and_training():
    succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--shape', 'left=2x3', '-o', 'dir')
    check(read_npy('dir/left.common.npy')[0] == (1, 2, 3), 'shape')
    kept = read_npy('dir/left.common.npy')[1]
    succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--training', 'left=tl.npy', '-o', 'dir')
    other = read_npy('dir/left.common.npy')[1]
    check(kept != other, 'training rows change nothing')
    check(sum(a * b for a, b in zip(kept, other)) > 0, 'training rows turn the map around')
    fails(1, ['left=2x4', '8', '6'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--shape', 'left=2x4', '-o', 'x')
    fails(1, ['--shape', 'middle'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--shape', 'middle=2x4', '-o',
          'x')
    fails(1, ['nosuch.npy'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--training', 'right=nosuch.npy', '-o',
          'x')


@test
def explain_masks_what_null_models_show_too():
    training = ('--training', 'left=tl.npy', '--training', 'right=tr.npy', '--null-models', '4', '--null-rows', '300')
    succeeds('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0-2', '--mask', '0.2', *training, '-o', 'masked')
    shape, p = read_npy('masked/left.common.p.npy')
    maps = read_npy('masked/left.common.npy')[1]
    check(shape == (3, 6) and all(0 < x <= 1 for x in p), p)
    check(all((x != 0) == (q <= 0.2) for x, q in zip(maps, p)), maps)
    check(is_png('masked/left.common.0.png'), 'png')
    fails(2, ['--training left='], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--mask', '0.2', '-o', 'x')
    fails(2, ['--null-models', '--mask'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--null-models', '3', '-o', 'x')
    shutil.rmtree('masked')


@test
def explain_checks_maps():
    training = ('--training', 'left=tl.npy', '--training', 'right=tr.npy', '--null-models', '3', '--null-rows', '300')
    base = ('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0-4', '--check', '-o', 'checked')
    told = json.loads(succeeds(*base, '--json', *training).stdout)
    check(len(told['maps']) == 2 * 2 * 6 and len(told['gradients']) == 4, told)
    for g in told['gradients']:
        check(g['completeness'] < 1e-3 and g['gradient_error'] < 1e-2, g)
    for m in told['maps']:
        check(abs(m['deletion']['values'][0] - 1) < 1e-3 and abs(m['insertion']['values'][-1] - 1) < 1e-3, m)
        check(0 <= m['kept'] <= 1 and m['random_heads']['models'] == 10 and m['permuted_pairs']['models'] == 3, m)
        check(read_npy(f"checked/{m['view']}.{m['score']}.{m['method']}.p.npy")[0][0] == 5, m)
    shutil.rmtree('checked')
    table = succeeds(*base, '--method', 'gradient', '--score', 'common').stdout
    check('left, common score, 5 samples' in table and '--training' in table and 'smoothgrad' not in table, table)
    check(not os.path.exists('checked/left.common.gradient.p.npy'), 'p-values without null models')
    shutil.rmtree('checked')
    fails(2, ['--json', '--check'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--json', '-o', 'x')


@test
def what_cannot_be_measured_is_said_in_words():
    """Three groups leave no test of the common part."""
    numbers = [[((i * 37 + j * 61 + i * j * 13) % 101) / 10 for j in range(4)] for i in range(15)]
    for name, first in (('tl', 0), ('tr', 2)):
        with open(name + '.csv', 'w') as f:
            f.write('a,b\n' + ''.join('%g,%g\n' % tuple(row[first:first + 2]) for row in numbers))
    with open('tm.csv', 'w') as f:
        f.write('site\n' + ''.join('s%d\n' % (i % 3) for i in range(15)))
    views = ('--view', 'left=tl.csv', '--view', 'right=tr.csv')
    said = succeeds('fit', *views, '--metadata', 'tm.csv', '--group', 'site', '--common', 'auto', '--individual', '0',
                    '--head', 'linear', '--folds', '3', '-o', 'few.mucmm')
    check('cannot be tested' in said.stderr and 'p nan' not in said.stderr, said.stderr)


@test
def what_one_row_cannot_show_is_not_printed_as_nan():
    r = random.Random(8)
    for name, cols in (('l', 6), ('r', 8)):
        row = [r.gauss(0, 1) for _ in range(cols)]
        write_npy('same_%s.npy' % name, [row] * 30)
        write_npy('one_%s.npy' % name, [row])
    said = succeeds('explain', 'mlp.mucmm', *views('same_l.npy', 'same_r.npy'), '--samples', '0', '--check', '--method', 'gradient',
                    '--score', 'common', '-o', 'checked').stdout
    check('the score does not vary' in said and not re.search(r'\bnan\b', said), said)
    shutil.rmtree('checked')
    succeeds('report', 'mlp.mucmm', *views('one_l.npy', 'one_r.npy'), '--samples-shown', '1', '-o', 'page.html')
    with open('page.html', encoding='utf-8') as f:
        page = re.sub(r'(?s)<(style|script)\b.*?</\1>', '', f.read())
    check('Component 0: correlation not known' in page, 'the card')
    check(not re.search(r'\bnan\b', page), re.findall(r'.{60}\bnan\b', page))


@test
def explain_checks_maps_against_the_truth():
    base = ('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0-4', '--score', 'individual', '--method', 'lcmv', '-o', 'checked')
    write_npy('truth.npy', [[0, 1, 1, 2, 2, 2]] * 5)
    told = json.loads(succeeds(*base, '--check', '--json', '--truth', 'left=truth.npy').stdout)
    found = {m['view']: m['pointing'] for m in told['maps']}
    check(0 <= found['left']['shared'] + found['left']['own'] <= 1 and 0 < found['left']['own_energy'] < 1, found)
    check(all(x is None for x in found['right'].values()), found)
    check('maximum on what is shared' in succeeds(*base, '--check', '--truth', 'left=truth.npy').stdout, 'table')
    write_npy('truth.npy', [[0, 1, 1]] * 5)
    fails(1, ['truth.npy', 'truth of 3 cells'], *base, '--check', '--truth', 'left=truth.npy')
    fails(1, ['--truth', 'middle'], *base, '--check', '--truth', 'middle=truth.npy')
    fails(2, ['--truth', '--check'], *base, '--truth', 'left=truth.npy')
    shutil.rmtree('checked')


@test
def explain_couples_two_views():
    use = ('explain', 'mlp.mucmm', *UNSEEN, '--samples', '0,4', '--score', 'coupling')
    told = succeeds(*use, '--check', '-o', 'coupled').stdout
    check('left and right, 2 samples: couplings add up to the score' in told, told)
    shape, values = read_npy('coupled/left+right.coupling.4.npy')
    check(shape == (6, 2, 4) and is_png('coupled/left+right.coupling.0.png'), shape)
    found = json.loads(succeeds(*use, '--check', '--json', '-o', 'coupled').stdout)['couplings'][0]
    check(found['sum'] < 1e-3 and [s['row'] for s in found['samples']] == [0, 4], found)
    for total in (sum(values), sum(c['total'] for c in found['samples'][1]['first'])):
        check(abs(total - found['samples'][1]['score']) < 1e-3 * found['range'], (total, found))
    check(not os.path.exists('coupled/left+right.coupling.4.p.npy'), 'p-values that were not asked for')
    training = ['--training', 'left=tl.npy', '--training', 'right=tr.npy', '--null-models', '3', '--null-rows', '300']
    succeeds(*use, '--mask', '0.3', *training, '-o', 'coupled')
    p, masked = (read_npy('coupled/left+right.coupling.4.' + end)[1] for end in ('p.npy', 'npy'))
    check(all(m == (v if x <= 0.3 else 0) for m, v, x in zip(masked, values, p)), 'a mask keeps what p says')
    fails(2, ['--score coupling', '--method'], *use, '--method', 'pattern', '-o', 'x')
    fails(2, ['--training left='], *use, '--mask', '0.3', '-o', 'x')
    fails(2, ['coupling'], *use[:-1], 'copling', '-o', 'x')
    fails(2, ['--truth', '--score coupling'], *use, '--check', '--truth', 'left=tl.npy', '-o', 'x')
    shutil.rmtree('coupled')


@test
def explain_parts_add_up_to_the_input():
    shape, raw = read_npy('l.npy')
    n, p = shape
    succeeds('explain', 'linear.mucmm', *views(), '--samples', '0-499', '--parts', '-o', 'dir')
    mean, common, individual, rest = (read_npy('dir/left.%s.npy' % part)[1]
                                      for part in ('mean', 'common-part', 'individual-part', 'rest'))
    sums = [m + c + u + r for m, c, u, r in zip(mean * n, common, individual, rest)]
    check(max(abs(a - b) for a, b in zip(sums, raw)) < 1e-4, 'the parts do not add up')
    # the parts are the linear predictions from the variates, uncorrelated, and their variances the shares
    succeeds('transform', 'linear.mucmm', *views(), '-o', 'variates')
    for part, values in (('common', common), ('individual', individual)):
        z = read_npy('variates/left.%s.npy' % part)[1]
        det = z[0] * z[3] - z[1] * z[2]
        for j in range(p):
            a, b = values[j], values[p + j]
            weights = ((a * z[3] - b * z[1]) / det, (b * z[0] - a * z[2]) / det)
            wrong = max(abs(values[i * p + j] - weights[0] * z[2 * i] - weights[1] * z[2 * i + 1]) for i in range(n))
            check(wrong < 1e-3, 'the %s part is not linear in its variates: %g' % (part, wrong))
    total = sum((x - m) ** 2 for x, m in zip(raw, mean * n))
    shares = json.loads(succeeds('score', 'linear.mucmm', *views(), '--json').stdout)['in_sample']['views']['left']
    for part, values in (('common', common), ('individual', individual), ('rest', rest)):
        share = sum(v * v for v in values) / total
        check(abs(share - shares[part + '_share']) < 0.01, '%s: %g, %r' % (part, share, shares))
    for a, b in ((common, individual), (common, rest), (individual, rest)):
        check(abs(sum(x * y for x, y in zip(a, b))) < 0.01 * total, 'correlated parts')
    check(is_png('dir/left.parts.7.png') and is_png('dir/right.parts.7.png'), 'pictures')
    fails(2, ['--parts', '--score'], 'explain', 'linear.mucmm', *views(), '--samples', '0', '--parts', '--score', 'common',
          '-o', 'x')


@test
def explain_refuses_what_is_not_there():
    fails(1, ['150'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '3,150', '-o', 'x')
    fails(1, ['999'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '--score', 'common:999', '-o', 'x')
    fails(1, ['left'], 'explain', 'mlp.mucmm', '--view', 'right=tr.npy', '--samples', '0', '-o', 'x')


@test
def info_tells_what_is_in_the_model():
    text = succeeds('info', 'mlp.mucmm').stdout
    for word in ('view left: 6 columns', '(2x4)', 'seed', 'component 1', 'mlp'):
        check(word in text, '%r is not in: %s' % (word, text))
    check(isinstance(json.loads(succeeds('info', 'mlp.mucmm', '--json').stdout), dict), 'json')


@test
def messages_name_options():
    def linear(*more):
        return ('fit', *views(), '--individual', '1', '-o', 'named.mucmm', *more)
    for expected, command in [('smaller --common', linear('--common', '5000')),
                              ('smaller --individual', ('fit', *views(), '--common', '1', '--individual', '5,5000', '-o', 'x')),
                              ('leave out --restarts', linear('--common', '1', '--head', 'linear', '--restarts', '2')),
                              ('larger --batch', linear('--common', '2', '--head', 'mlp', '--batch', '5'))]:
        result = fails(1, [expected], *command)
        check('`' not in result.stderr, result.stderr)


@test
def gradients_are_right():
    text = succeeds('check-gradient', 'mlp.mucmm', *UNSEEN).stdout
    check(text.count('pass') == 20 and 'FAIL' not in text, text)
    cases = json.loads(succeeds('check-gradient', 'mlp.mucmm', *UNSEEN, '--samples', '4', '--json').stdout)
    check(len(cases) == 20 and all(c['passed'] and c['worst'] <= 1e-3 for c in cases), cases)


@test
def bench_measures():
    root = json.loads(succeeds('bench', 'gemm', '--json', '--repeats', '1', '--threads', '1').stdout)
    check(root['best_gflops'] > 0 and root['threads'] == 1 and root['gemm'][0]['m'] == 2000, root)
    root = json.loads(succeeds('bench', 'train', '--json', '--steps', '2', '--features', '32', '--hidden', '64',
                               '--common', '4', '--batch', '400').stdout)
    check(root['rows_per_second'] > 0 and root['ratio'] > 0, root)
    small = ('bench', 'permutation', '--batch', '100', '--common', '9', '--permutations', '50', '--repeats', '1')
    root = json.loads(succeeds(*small, '--json').stdout)
    check((root['rows'], root['components'], root['permutations']) == (100, 9, 50) and root['seconds'] > 0, root)
    check('50 permutations of 100 rows' in succeeds(*small).stdout, 'text')
    fails(2, ['--permutations'], 'bench', 'permutation', '--permutations', '0')
    root = json.loads(succeeds('bench', 'closed-form', *views(), '--common', '2').stdout)
    check(set(root) == {'seconds', 'correlations'} and len(root['correlations']) == 2, root)
    check(1.7 < sum(root['correlations']) < 2, root)
    fails(2, ['--common'], 'bench', 'closed-form', *views())


@test
def demo_runs_on_any_data_of_that_shape():
    os.mkdir('items')
    write_fashion('items', 200, 3)
    root = json.loads(succeeds('demo', 'fashion', '--data', 'items', '--pairs', '1800', '--epochs', '1', '--json', '-o',
                               'dir').stdout)
    check(root['training_pairs'] == 1800 and root['test_pairs'] == 450, root)
    check(root['linear']['shared_class_from_common']['linear']['mean'] > 0.8, root['linear'])
    names = {'model.mucmm', 'maps.png'} | {'%s.%s.npy' % (v, s) for v in ('left', 'right') for s in ('train', 'test')}
    check(set(os.listdir('dir')) == names | {'labels.train.csv', 'labels.test.csv'}, os.listdir('dir'))
    check(read_npy('dir/left.test.npy')[0] == (450, 28, 56) and is_png('dir/maps.png'), 'files')
    fails(1, ['no-such-folder', 'dataset-fashion-mnist'], 'demo', 'fashion', '--data', 'no-such-folder')


FAKE_NPM = """#!%s
import json, os, sys, tarfile
name = sys.argv[-1]
pictures = [('2600-FE0F', '2600-fe0f', 'Travel', 'sky', 3, True), ('1F345', '1f345', 'Food', 'food-fruit', 2, True),
            ('1F1E6-1F1E9', '1f1e6-1f1e9', 'Flags', 'country-flag', 1, True), ('1F346', '1f346', 'Food', 'f', 4, False)]
files = {'emojibase-data@17.0.0': {'en/data.json': json.dumps([
             {'hexcode': '1F345', 'label': 'tomato', 'tags': ['fruit', 'red']},
             {'hexcode': '2600', 'label': 'sun', 'tags': ['weather']},
             {'hexcode': '1F1E6-1F1E9', 'label': 'flag: Andorra', 'tags': ['AD']}])},
         'emoji-datasource-google@16.0.0': {'img/google/64/a.png': 'x', 'emoji.json': json.dumps([
             {'unified': u, 'image': i + '.png', 'category': c, 'subcategory': s, 'sort_order': o,
              'has_img_google': True, 'has_img_twitter': t} for u, i, c, s, o, t in pictures])},
         'emoji-datasource-twitter@16.0.0': {'img/twitter/64/a.png': 'x'}}[name]
with tarfile.open(name.replace('@', '-') + '.tgz', 'w:gz') as t:
    for path, text in files.items():
        with open('content', 'w') as f:
            f.write(text)
        t.add('content', 'package/' + path)
os.remove('content')
"""


@test
def demo_emoji_fetches_and_writes_a_study():
    fails(2, ['--pairs'], 'demo', 'emoji', '--pairs', '1000')
    fails(2, ['--image-encoder'], 'demo', 'fashion', '--image-encoder', 'net.onnx')
    fails(1, ['nosuch.onnx'], 'demo', 'emoji', '--image-encoder', 'nosuch.onnx', '-o', 'dir', leaves=['dir'])
    path = os.environ['PATH']
    os.mkdir('bin')
    write_network()
    try:
        os.environ['PATH'] = os.path.abspath('bin')
        fails(1, ['npm', 'package'], 'demo', 'emoji', '-o', 'dir', leaves=['dir'])
        with open('bin/npm', 'w') as f:
            f.write(FAKE_NPM % sys.executable)
        os.chmod('bin/npm', 0o755)
        os.environ['PATH'] += ':' + path
        result = run('demo', 'emoji', '-o', 'dir', '--image-encoder', 'net.onnx,tensor=sum,size=8,normalize=signed')
    finally:
        os.environ['PATH'] = path
    with open('dir/emoji.tsv') as f:
        check([line.rstrip('\n').split('\t') for line in f] == [
            ['file', 'label', 'tags', 'category', 'subcategory'], ['1f345', 'tomato', 'fruit red', 'Food', 'food-fruit'],
            ['2600-fe0f', 'sun', 'weather', 'Travel', 'sky']], 'table')
    with open('dir/groups.json') as f:
        study = json.load(f)
    check(study['split'] == {'column': 'subcategory', 'seed': 1, 'test': 0.2}, study)
    check(study['views']['google'] == {
        'kind': 'image', 'column': 'file', 'folder': 'npm/google/img/google/64', 'suffix': '.png',
        'encoder': os.path.realpath('net.onnx'), 'tensor': 'sum', 'size': 8, 'normalize': 'signed'}, study)
    check(study['views']['words']['encoder'] == 'tf-idf', study)
    check(os.listdir('dir/npm/twitter/img/twitter/64') == ['a.png'], 'unpacked')
    # the pictures are none: the fit tells so, once
    check(result.returncode == 1 and len(lines_of(result)) == 1, result.stderr)
    check('$ mucmm fit study.json' in result.stdout, result.stdout)


@test
def demo_on_the_real_data():
    if os.environ.get('MUCMM_TEST_DEMO') != '1':
        raise Skip('takes minutes; set MUCMM_TEST_DEMO=1')
    root = json.loads(succeeds('demo', 'fashion', '--json', '-o', 'dir', timeout=900).stdout)['heads']
    check(root['total_correlation_test'] >= 6.0, root)
    check(root['shared_class_from_common']['linear']['mean'] >= 0.83, root)
    check(root['shared_class_from_individual']['linear']['mean'] <= 0.15, root)
    check(root['shared_class_from_individual']['nonlinear']['mean'] <= 0.16, root)
    check(root['own_class_from_individual']['linear']['mean'] >= 0.67, root)
    check(root['own_class_from_individual']['nonlinear']['mean'] >= 0.70, root)
    check(root['own_class_from_common']['linear']['mean'] <= 0.20, root)
    check(root['common_map_energy_in_left_half']['pattern']['mean'] >= 0.95, root)
    check(root['individual_map_energy_in_right_half']['pattern']['mean'] >= 0.83, root)


# ---- networks ----------------------------------------------------------------------------

X = [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0], [0.25, -0.75, 2.0], [0.0, 0.0, 0.0]]


def write_network():
    with open('net.onnx', 'wb') as f:
        f.write(onnx_file.small_network())
    write_npy('x.npy', X)


def product(row):
    """A row of x times the weights."""
    return [sum(row[i] * onnx_file.WEIGHTS[2 * i + j] for i in range(3)) for j in range(2)]


def same(got, want, tolerance=1e-6):
    check(len(got) == len(want) and all(abs(a - b) <= tolerance for a, b in zip(got, want)), (got, want))


@test
def graph_info_tells_inputs_outputs_and_operators():
    write_network()
    text = succeeds('graph', 'info', 'net.onnx').stdout
    for word in ('[?, 3]', '[?, 2]', 'float32', 'opset 13', 'MatMul', '3 nodes'):
        check(word in text, '%r is not in: %s' % (word, text))
    check('enc/product:0' not in text, text)
    check('enc/product:0' in succeeds('graph', 'info', 'net.onnx', '--tensors').stdout, 'inner tensors')
    root = json.loads(succeeds('graph', 'info', 'net.onnx', '--tensors', '--json').stdout)
    check(root['inputs'] == [{'name': 'x', 'dtype': 'float32', 'shape': [None, 3]}], root)
    check(root['operators'] == {'MatMul': 1, 'Add': 1, 'Relu': 1} and root['opsets'] == [13], root)
    check([t['name'] for t in root['tensors']] == ['enc/product:0', 'sum', 'y'], root)


@test
def graph_run_writes_outputs_and_inner_tensors():
    write_network()
    text = succeeds('graph', 'run', 'net.onnx', '--input', 'x=x.npy', '-o', 'dir').stdout
    check('y' in text and '[4, 2]' in text and os.listdir('dir') == ['y.npy'], text)
    shape, got = read_npy('dir/y.npy')
    check(shape == (4, 2), shape)
    same(got, [max(0.0, v + s) for row in X for v, s in zip(product(row), onnx_file.SHIFT)])
    root = json.loads(succeeds('graph', 'run', 'net.onnx', '--input', 'x=x.npy', '--tensor', 'enc/product:0',
                               '--tensor=y', '--json', '-o', 'dir').stdout)
    check([t['file'] for t in root] == ['dir/enc_product_0.npy', 'dir/y.npy'], root)
    same(read_npy('dir/enc_product_0.npy')[1], [v for row in X for v in product(row)])
    with open('sum.npy', 'wb') as f:  # an inner tensor given instead of computed; doubles where floats are declared
        f.write(npy_bytes([1.0, -1.0], (1, 2)))
    succeeds('graph', 'run', 'net.onnx', '--input', 'sum=sum.npy', '-o', 'dir')
    same(read_npy('dir/y.npy')[1], [1.0, 0.0])
    with open('double.npy', 'wb') as f:
        f.write(npy_bytes([x for row in X for x in row], (4, 3), '<f8'))
    succeeds('graph', 'run', 'net.onnx', '--input', 'x=double.npy', '-o', 'dir')
    check(read_npy('dir/y.npy')[1] == got, 'doubles')


@test
def graph_vjp_writes_the_gradient():
    write_network()
    v = [[1.0, 2.0], [0.5, -1.0], [2.0, 1.0], [1.0, 1.0]]
    write_npy('v.npy', v)
    base = ['graph', 'vjp', 'net.onnx', '--input', 'x=x.npy', '--cotangent', 'y=v.npy']
    succeeds(*base, '--wrt', 'x', '-o', 'grad.npy')
    passed = [[g if p + s > 0 else 0.0 for g, p, s in zip(vs, product(row), onnx_file.SHIFT)] for vs, row in zip(v, X)]
    shape, got = read_npy('grad.npy')
    check(shape == (4, 3), shape)
    same(got, [sum(g * onnx_file.WEIGHTS[2 * i + j] for j, g in enumerate(gs)) for gs in passed for i in range(3)])
    succeeds(*base, '--wrt', 'enc/product:0', '-o', 'grad.npy')
    same(read_npy('grad.npy')[1], [g for gs in passed for g in gs])
    succeeds(*base, '--cotangent', 'sum=v.npy', '--wrt', 'enc/product:0', '-o', 'grad.npy')
    same(read_npy('grad.npy')[1], [g + h for gs, hs in zip(passed, v) for g, h in zip(gs, hs)])
    fails(1, ['v.npy', "'x'"], 'graph', 'vjp', 'net.onnx', '--input', 'x=x.npy', '--cotangent', 'x=v.npy', '--wrt', 'x',
          '-o', 'x.out')


@test
def the_table_of_operators_is_up_to_date():
    path = os.path.join(os.path.dirname(os.path.dirname(FOLDER)), 'docs', 'operators.md')
    with open(path) as f:
        check(f.read() == succeeds('graph', 'ops').stdout, 'run: mucmm graph ops > docs/operators.md')


@test
def graph_of_bad_input():
    write_network()
    with open('net.onnx', 'rb') as f:
        whole = f.read()
    with open('cut.onnx', 'wb') as f:
        f.write(whole[:len(whole) // 2])
    write_npy('wide.npy', [[1.0, 2.0, 3.0, 4.0]])
    for name in ('cut.onnx', 'x.npy', 'nosuch.onnx'):
        fails(1, [name], 'graph', 'info', name)
    run_small = ['graph', 'run', 'net.onnx', '-o', 'x.dir', '--input']
    fails(1, ['enc/prodct:0', 'enc/product:0'], *run_small, 'x=x.npy', '--tensor', 'enc/prodct:0')
    fails(1, ["'xx'"], *run_small, 'xx=x.npy')
    fails(1, ["'b'", 'constant'], *run_small, 'b=x.npy')
    fails(1, ["'x'", '4'], *run_small, 'x=wide.npy')
    fails(1, ['nosuch.npy'], *run_small, 'x=nosuch.npy')
    fails(1, ['x.npy'], *run_small, 'x=x.npy', '-o', 'x.npy')
    fails(1, ["'b'"], 'graph', 'vjp', 'net.onnx', '--input', 'x=x.npy', '--cotangent', 'y=x.npy', '--wrt', 'b', '-o',
          'x.out')


@test
def encode_sends_rows_through_a_network():
    write_network()
    base = ['encode', '--encoder', 'net.onnx', '--input', 'x=x.npy']
    text = succeeds(*base, '-o', 'f.npy').stdout
    check('[4, 2]' in text, text)
    shape, got = read_npy('f.npy')
    check(shape == (4, 2), shape)
    same(got, [max(0.0, v + s) for row in X for v, s in zip(product(row), onnx_file.SHIFT)])
    succeeds(*base, '--tensor', 'enc/product:0', '-o', 'f.npy')  # another tensor: not taken for the old features
    same(read_npy('f.npy')[1], [v for row in X for v in product(row)])
    fails(1, ["'sun'", 'sum'], *base, '--tensor', 'sun', '-o', 'x.out')
    fails(1, ["'xx'", "'x'"], 'encode', '--encoder', 'net.onnx', '--input', 'xx=x.npy', '-o', 'x.out')
    fails(1, ['nosuch.onnx'], 'encode', '--encoder', 'nosuch.onnx', '--input', 'x=x.npy', '-o', 'x.out')
    fails(2, ['study file'], 'encode', '--encoder', 'net.onnx', '--input', 'x=x.npy')
    fails(2, ['2 times'], *base, '--input', 'y=x.npy', '-o', 'x.out')
    fails(2, ['study file'], *base, '--part', 'test', '-o', 'x.out')


@test
def encode_writes_the_features_of_a_study():
    write_network()
    with open('study.json', 'w') as f:
        json.dump({'table': 'table.csv', 'views': {
            'raw': {'kind': 'table', 'file': 'x.npy'},
            'net': {'kind': 'features', 'file': 'x.npy', 'encoder': 'net.onnx', 'tensor': 'sum'}}}, f)
    with open('table.csv', 'w') as f:
        f.write('id\n1\n2\n3\n4\n')
    text = succeeds('encode', 'study.json', '--cache', 'cache').stdout
    check('raw' in text and '[4, 2]' in text, text)
    check(any(n.endswith('.npy') for n in os.listdir('cache')), os.listdir('cache'))
    succeeds('encode', 'study.json', '--cache', 'cache', '-o', 'dir')
    check(set(os.listdir('dir')) == {'raw.npy', 'net.npy', 'rows.npy'}, os.listdir('dir'))
    same(read_npy('dir/net.npy')[1], [v + s for row in X for v, s in zip(product(row), onnx_file.SHIFT)])
    fails(1, ['nosuch.json'], 'encode', 'nosuch.json')
    fails(2, ['study file'], 'encode', 'study.json', '--encoder', 'net.onnx')
    fails(2, ['study file'], 'encode')


WORDS = ['low', 'mid', 'high', 'top']
STUDY_ROWS = 80


def write_study(change=None, name='study.json'):
    """Pictures, words and sounds that share a level; change(study) is applied to the file."""
    if not os.path.exists('pics'):
        os.mkdir('pics')
        r = random.Random(5)
        with open('rows.tsv', 'w') as f:
            f.write('file\tword\tgroup\n')
            for i in range(STUDY_ROWS):
                level = r.randrange(4)
                write_png('pics/%02d.png' % i, [[[min(255, 50 * level + r.randrange(90)) for _ in range(3)]
                                                 for _ in range(4)] for _ in range(4)])
                write_wav('pics/%02d.wav' % i, [8000, 16000][i % 2],
                          [(level + r.random()) / 8 * math.sin(0.3 * t) for t in range(200)])
                f.write('%02d\t%s %s\tg%d\n' % (i, WORDS[level], WORDS[r.randrange(4)], i // 4))
        with open('pieces.tsv', 'w') as f:
            f.write('0\t0\t<unk>\n' + ''.join('%d\t-1\t\u2581%s\n' % (i + 1, w) for i, w in enumerate(WORDS)))
        for file, network in (('pic', onnx_file.picture_network), ('word', onnx_file.word_network),
                              ('sound', onnx_file.sound_network)):
            with open(file + '.onnx', 'wb') as f:
                f.write(network())
    study = {'table': 'rows.tsv', 'split': {'column': 'group', 'test': 0.3, 'seed': 2}, 'views': {
        'pic': {'kind': 'image', 'column': 'file', 'folder': 'pics', 'suffix': '.png', 'size': 4, 'fit': 'stretch',
                'normalize': 'signed', 'encoder': 'pic.onnx', 'pool': '2x2'},
        'word': {'kind': 'text', 'column': 'word', 'tokenizer': 'sentencepiece', 'vocabulary': 'pieces.tsv',
                 'length': 4, 'encoder': 'word.onnx', 'pool': 'mean', 'wrt': 'embeddings'},
        'sound': {'kind': 'audio', 'column': 'file', 'folder': 'pics', 'suffix': '.wav', 'rate': 8000, 'samples': 64,
                  'encoder': 'sound.onnx'}}}
    if change:
        change(study)
    with open(name, 'w') as f:
        json.dump(study, f, indent=1)


def fit_study(*more, study='study.json', out='out.mucmm'):
    return ['fit', study, '--common', '1', '--individual', '1', '--head', 'linear', '--ridge', '0.1', '-o', out,
            '--cache', 'cache', '--threads', '1', *more]


@test
def study_from_files_to_maps():
    write_study()
    text = succeeds(*fit_study(out='study.mucmm')).stdout
    check('all 56 rows trained' in text, text)
    text = succeeds('info', 'study.mucmm').stdout
    for word in ('pic.onnx', 'pool 2x2', 'kind text', 'wrt embeddings'):
        check(word in text, '%r is not in: %s' % (word, text))
    use = ['study.mucmm', 'study.json', '--cache', 'cache', '--threads', '1']
    for part, rows in ((), 24), (('--part', 'train'), 56), (('--part', 'all'), 80):
        text = succeeds('score', *use, '--permutations', '0', *part).stdout
        check(text.startswith('%d rows' % rows), text)
    root = json.loads(succeeds('check-gradient', *use, '--samples', '0', '--json').stdout)
    check({r['view'] for r in root} == {'pic', 'word', 'sound'} and all(r['passed'] for r in root), root)
    succeeds('transform', *use, '-o', 'variates')
    check(read_npy('variates/pic.common.npy')[0] == (24, 1), 'variates')
    for method in ('gradient', 'input-x-gradient', 'pattern', 'smoothgrad', 'integrated-gradients', 'lcmv'):
        succeeds('explain', *use, '--samples', '0,2', '--method', method, '-o', 'maps')
        check(read_npy('maps/pic.common.npy')[0] == (2, 3, 4, 4), 'pixels')
        check(read_npy('maps/word.common.npy')[0] == (2, 4, 3), 'embeddings')
        check(read_npy('maps/sound.common.npy')[0] == (2, 64), 'samples')
        check(all(os.path.exists('maps/%s.common.2.png' % v) for v in ('pic', 'word', 'sound')), os.listdir('maps'))
    for threads in '1', '3': # the same bytes, maps and pictures
        succeeds('explain', *use[:-1], threads, '--samples', '0-5', '-o', 'maps' + threads)
    for name in sorted(os.listdir('maps1')):
        with open('maps1/' + name, 'rb') as one, open('maps3/' + name, 'rb') as three:
            check(one.read() == three.read(), name)
    few = ('--samples', '0,2', '--null-models', '2')
    told = json.loads(succeeds('explain', *use, *few, '--check', '--score', 'common', '--json', '-o', 'maps').stdout)
    check(len(told['maps']) == 3 * 6, told)
    for m in told['maps']:
        check(0 <= m['kept'] <= 1 and m['permuted_pairs']['models'] == 2, m)
    succeeds('explain', *use, *few, '--mask', '0.5', '-o', 'maps')
    pixels, tokens = read_npy('maps/pic.common.p.npy')[1], read_npy('maps/word.common.p.npy')[1]
    check(pixels[:16] == pixels[16:32] == pixels[32:48], 'channels of a pixel')
    check(all(len(set(tokens[i:i + 3])) == 1 for i in range(0, len(tokens), 3)), 'width of a token')


@test
def study_features_are_cached_and_made_anew():
    write_study()
    succeeds(*fit_study(), '--cache', 'fresh')
    first = {n: os.stat('fresh/' + n).st_mtime_ns for n in os.listdir('fresh') if n.endswith('.npy')}
    check(len(first) == 3, first)
    succeeds(*fit_study(), '--cache', 'fresh')
    check(all(os.stat('fresh/' + n).st_mtime_ns == t for n, t in first.items()), 'features were made again')
    write_study(lambda s: s['views']['pic'].update(normalize='unit'))
    succeeds(*fit_study(), '--cache', 'fresh')
    changed = {n for n, t in first.items() if os.stat('fresh/' + n).st_mtime_ns != t}
    check(changed == {'study.pic.npy'}, changed)


@test
def study_of_bad_input():
    write_study()

    def refused(words, change, code=1):
        write_study(change, 'bad.json')
        fails(code, words, *fit_study(study='bad.json', out='x.out'), leaves=('cache',))

    def view(name, **keys):
        return lambda s: s['views'][name].update(**keys)

    def rename(old, new):
        return lambda s: s['views']['pic'].update({new: s['views']['pic'].pop(old)})

    refused(['bad.json:', "'sise'", "'size'", "'pic'"], rename('size', 'sise'))
    refused(['bad.json:', "'spilt'", "'split'"], lambda s: s.update(spilt=s.pop('split')))
    refused(["'tensor'", "'mop'", "'map'"], view('pic', tensor='mop'))
    refused(["'wrt'", "'embeddings'"], view('word', wrt='embedding'))
    refused(["'colum'", "'column'"], lambda s: s['split'].update(colum=s['split'].pop('column')))
    refused(["'wrod'", "'word'", 'rows.tsv'], view('word', column='wrod'))
    refused(['rows.tsv:2: row 0', "'word'", 'tokens long'], view('word', length=1))
    refused(['nosuch.onnx'], view('pic', encoder='nosuch.onnx'))
    refused(['rows.tsv', 'ONNX'], view('pic', encoder='rows.tsv'))
    refused(['pic.onnx', '[1, 3, 5, 5]'], view('pic', size=5))
    refused(["'rate'"], view('sound', rate=1))
    refused(['nosuch.tsv'], lambda s: s.update(table='nosuch.tsv'))
    with open('bad.json', 'w') as f:
        f.write('{\n"views": {\n')
    fails(1, ['bad.json:'], *fit_study(study='bad.json', out='x.out'))
    fails(2, ['study.json', '--view'], *fit_study('--view', 'a=l.npy'))
    fails(2, ['--part'], 'score', 'linear.mucmm', *UNSEEN, '--part', 'all')
    fails(1, ["'pic'", 'left'], 'score', 'linear.mucmm', 'study.json')


@test
def study_names_bad_files_or_skips_them():
    write_study()
    os.rename('pics/17.png', 'pics/17.away')
    try:
        fails(1, ['rows.tsv:19: row 17', "'file'", '17.png', 'No such file'], *fit_study(out='x.out'))
        for bad in (None, b'no picture', b'\x89PNG\r\n\x1a\n and no more'):
            if bad:
                with open('pics/17.png', 'wb') as f:
                    f.write(bad)
                fails(1, ['row 17', "'file'", '17.png'], *fit_study(out='x.out'))
            result = run(*fit_study('--skip-bad'))
            check(result.returncode == 0 and '1 of 80 rows' in result.stderr, result.stderr)
            check('left out: rows.tsv:19: row 17' in result.stderr and '17.png' in result.stderr, result.stderr)
            fails(1, ['row 17', '17.png'], *fit_study(out='x.out'))
    finally:
        os.replace('pics/17.away', 'pics/17.png')


@test
def study_of_words_and_numbers():
    words = ['red', 'green', 'blue', 'grey']
    write_csv('numbers.csv', ['a', 'b'], [[i % 2, i // 2 % 2] for i in range(40)])
    with open('table.tsv', 'w') as f:
        f.write('text\n' + ''.join('%s, %s\n' % (words[i % 2], words[2 + i // 2 % 2].upper()) for i in range(40)))
    view = {'kind': 'text', 'column': 'text', 'tokenizer': 'words', 'encoder': 'tf-idf'}

    def study(**keys):
        with open('words.json', 'w') as f:
            json.dump({'table': 'table.tsv', 'split': {'test': 0.25},
                       'views': {'words': {**view, **keys}, 'numbers': {'kind': 'table', 'file': 'numbers.csv'}}}, f)

    study()
    check('[40, 4]' in succeeds('encode', 'words.json').stdout, 'four words')
    succeeds('fit', 'words.json', '--common', '2', '--individual', '0', '--head', 'linear', '--ridge', '0.1', '-o', 'words.mucmm')
    check('numbers to words' in succeeds('score', 'words.mucmm', 'words.json').stdout, 'retrieval')
    succeeds('explain', 'words.mucmm', 'words.json', '--samples', '0', '--method', 'input-x-gradient', '-o', 'wordmaps')
    values = read_npy('wordmaps/words.common.npy')[1]
    check(len(values) == 4 and sum(v != 0 for v in values) == 2, values)
    check(is_png('wordmaps/words.common.0.png'), 'bars')
    study(max_words=3)
    fails(1, ["view 'words'", 'vocabulary'], 'score', 'words.mucmm', 'words.json')
    study(vocabulary='v.tsv')
    fails(1, ['words.json', "'vocabulary' is not for"], 'score', 'words.mucmm', 'words.json')


@test
def bench_graph_measures():
    write_network()
    root = json.loads(succeeds('bench', 'graph', 'net.onnx', '--input-shape', 'x=16x3', '--repeats', '3', '--vjp',
                               '--threads', '1', '--json').stdout)
    check(root['forward_ms'] > 0 and root['forward_vjp_ms'] > 0 and root['threads'] == 1, root)
    check('ms' in succeeds('bench', 'graph', 'net.onnx', '--input-shape', 'x=1x3', '--repeats', '1').stdout, 'text')
    fails(2, ["'1xx'"], 'bench', 'graph', 'net.onnx', '--input-shape', 'x=1xx')


# ---- bad data ----------------------------------------------------------------------------


def with_value(row, column, value, path='bad.npy', rows=500):
    left, _ = paired_rows(rows, 1)
    for r in left if row is None else [left[row]]:
        r[column] = value
    write_npy(path, left)


@test
def groups_by_a_column():
    subject = ['s%d' % (i % 50) for i in range(500)]
    with open('l.csv') as f:
        rows = f.read().splitlines()
    with open('grouped.csv', 'w') as f: # beside the features, in words
        f.write('\n'.join(row.split(',', 1)[1] + ',' + (subject[i - 1] if i else 'subject') for i, row in enumerate(rows)) + '\n')
    with open('subjects.csv', 'w') as f:
        f.write('subject\n' + '\n'.join(subject) + '\n')
    said = [json.loads(succeeds(*fit('--group', 'subject', *more, '--json', left=left, out='grouped.mucmm')).stdout)['held_out']
            for left, more in (('grouped.csv', []), ('l.npy', ['--metadata', 'subjects.csv']))]
    check(said[0]['p_values'] == said[1]['p_values'] and said[0]['groups'] == 50 and said[0]['tested_rows'] == 500, said)
    unseen = succeeds('score', 'grouped.mucmm', *UNSEEN)
    check('`' not in unseen.stderr and any('--group' in line for line in lines_of(unseen, warnings=True)), unseen.stderr)
    fails(2, ['--group', 'site'], *fit('--group', 'site'))
    fails(1, ['site', 'subjects.csv'], *fit('--group', 'site', '--metadata', 'subjects.csv'))


@test
def views_of_different_length():
    fails(1, ['l.npy', '500', 'tr.npy', '150'], *fit(right='tr.npy'))
    fails(1, ['tl.npy', '150', 'r.npy', '500'], 'score', 'mlp.mucmm', *views('tl.npy', 'r.npy'), '-o', 'x.csv')


@test
def not_a_number():
    with_value(17, 3, float('nan'))
    fails(1, ['bad.npy', 'row 17', 'column 3'], *fit(left='bad.npy'))
    fails(1, ['bad.npy', 'row 17', 'column 3'], 'transform', 'mlp.mucmm', *views('bad.npy'), '-o', 'x')
    fails(1, ['bad.npy', 'row 17', 'column 3'], 'score', 'mlp.mucmm', *views('bad.npy'), '-o', 'x.csv')


@test
def infinity():
    with_value(499, 5, float('inf'))
    fails(1, ['bad.npy', 'row 499', 'column 5'], *fit(left='bad.npy'))
    fails(1, ['bad.npy', 'row 499', 'column 5'], 'explain', 'mlp.mucmm', *views('bad.npy'), '--samples', '499', '-o',
          'x')


@test
def constant_column_is_a_warning():
    with_value(None, 2, 1.5)
    result = succeeds(*fit(left='bad.npy'))
    warnings = lines_of(result, warnings=True)
    check(len(warnings) == 1 and 'left' in warnings[0] and 'column 2' in warnings[0], result.stderr)
    succeeds('score', 'out.mucmm', *views('bad.npy'), '-o', 'scores.csv')


@test
def more_dimensions_than_rows():
    for n in (1, 3, 6):
        left, right = paired_rows(n, 5)
        write_npy('few_l.npy', left)
        write_npy('few_r.npy', right)
        fails(1, [str(n)], *fit(left='few_l.npy', right='few_r.npy'))


@test
def more_columns_than_rows():
    left, right = paired_rows(9, 5)
    for name, rows in (('few_l.npy', left), ('few_r.npy', right)):
        write_npy(name, rows)
    few = fit('--validation', '0.4', left='few_l.npy', right='few_r.npy', common='1', individual='1')
    succeeds(*few)
    ridge = json.loads(succeeds('info', 'out.mucmm', '--json').stdout)['ridge']
    check(1e-8 <= ridge <= 200, ridge)
    check('ridge %g, total correlation in cross-validation' % ridge in run(*few, '--verbose').stderr, 'what is said')
    check('ridge %g,' % ridge in run(*few, '--ridge', 'auto', '--verbose').stderr, 'auto is the default')
    succeeds(*few, '--ridge', 'lw')
    about = json.loads(succeeds('info', 'out.mucmm', '--json').stdout)
    check(about['ridge'] == 'lw' and all(v['ridge'] > 0 for v in about['views']), about)
    fails(2, ["--ridge: 'low' is no number and none of auto|lw"], *few, '--ridge', 'low')
    fails(2, ["'-1'", 'from 0 to'], *few, '--ridge', '-1')
    fails(1, ['5 training rows', 'singular', '--ridge above 0'], *few, '--ridge', '0')
    fails(1, ['2 common and 3 individual', '5 training rows', 'only 4 directions'],
          *few, '--common', '2', '--individual', '3')
    fails(1, ['4 training rows are too few to choose a ridge', '--ridge'], *few, '--validation', '0.5')


@test
def too_many_components():
    fails(1, ['7', 'left', '6'], *fit(common='7'))
    fails(1, ['left', '6'], *fit(individual='6,1'))
    check('4 individual dimensions, not 6' in succeeds(*fit(individual='6')).stderr, 'one number is the most')
    fails(1, ['7', 'left', '6'], *fit(*MLP, common='7'))


@test
def truncated_npy():
    with open('l.npy', 'rb') as f:
        data = f.read()
    for size in (len(data) - 1, 200, 60, 9, 5):
        with open('bad.npy', 'wb') as f:
            f.write(data[:size])
        fails(1, ['bad.npy'], *fit(left='bad.npy'))


@test
def empty_file():
    open('bad.npy', 'wb').close()
    fails(1, ['bad.npy'], *fit(left='bad.npy'))
    open('bad.csv', 'wb').close()
    fails(1, ['bad.csv'], *fit(left='bad.csv'))
    open('bad.mucmm', 'wb').close()
    fails(1, ['bad.mucmm'], 'info', 'bad.mucmm')


@test
def object_npy():
    data = npy_bytes([0.0] * 8, (4, 2), '<f8').replace(b"'<f8'", b"'|O' ")
    with open('bad.npy', 'wb') as f:
        f.write(data)
    fails(1, ['bad.npy', '|O'], *fit(left='bad.npy'))


@test
def missing_file_and_folder():
    fails(1, ['nosuch.npy', 'No such file'], *fit(left='nosuch.npy'))
    os.mkdir('folder.npy')
    fails(1, ['folder.npy'], *fit(left='folder.npy'))
    fails(1, ['nosuch.mucmm'], 'info', 'nosuch.mucmm')
    fails(1, ['l.npy'], 'info', 'l.npy')


@test
def csv_ragged_or_not_numeric():
    with open('l.csv') as f:
        text = f.read().splitlines()
    cells = text[41].split(',')
    for bad, words in ((cells[:-1], ['bad.csv:42', '6', '7']), (cells + ['1'], ['bad.csv:42', '8', '7']),
                       (cells[:3] + ['n/a'] + cells[4:], ['bad.csv:42', 'column', "'n/a'"]),
                       (cells[:3] + [''] + cells[4:], ['bad.csv:42', 'column'])):
        with open('bad.csv', 'w') as f:
            f.write('\n'.join(text[:41] + [','.join(bad)] + text[42:]) + '\n')
        fails(1, words, *fit('--key', 'id', left='bad.csv', right='r.csv'))


@test
def keys_that_do_not_fit():
    fails(1, ['l.csv', "'nokey'"], *fit('--key', 'nokey', left='l.csv', right='r.csv'))
    fails(1, ['l.npy', 'key'], *fit('--key', 'id'))
    with open('r.csv') as f:
        text = f.read()
    with open('bad.csv', 'w') as f:
        f.write(text.replace('\ns300,', '\nother,'))
    fails(1, ["'other'", 'bad.csv:201'], *fit('--key', 'id', left='l.csv', right='bad.csv'))
    with open('bad.csv', 'w') as f:
        f.write(text.replace('\ns300,', '\ns299,'))
    fails(1, ['s299', 'bad.csv'], *fit('--key', 'id', left='l.csv', right='bad.csv'))


@test
def model_of_a_newer_format_or_damaged():
    def newer(meta):
        meta['format_version'] = '99'

    patch_model('mlp.mucmm', 'newer.mucmm', newer)
    fails(1, ['newer.mucmm', '99'], 'info', 'newer.mucmm')
    fails(1, ['newer.mucmm', '99'], 'transform', 'newer.mucmm', *UNSEEN, '-o', 'x')
    with open('mlp.mucmm', 'rb') as f:
        data = f.read()
    r = random.Random(4)
    for size in [0, 1, 7, 8, 9, len(data) - 1] + [r.randrange(len(data)) for _ in range(10)]:
        with open('bad.mucmm', 'wb') as f:
            f.write(data[:size])
        fails(1, ['bad.mucmm'], 'info', 'bad.mucmm')


@test
def views_that_are_not_the_models():
    for command, out in (('transform', 'x'), ('score', 'x.csv')):
        fails(1, ["'middle'", 'left, right'], command, 'mlp.mucmm', '--view', 'left=tl.npy', '--view',
              'middle=tr.npy', '-o', out)
        fails(1, ['left', '8', '6'], command, 'mlp.mucmm', *views('tr.npy', 'tr.npy'), '-o', out)
    fails(1, ["'right'", 'not given'], 'explain', 'mlp.mucmm', '--view', 'left=tl.npy', '--samples', '0', '-o', 'x')


# ---- outputs that cannot be written ----------------------------------------------------------


@test
def full_device():
    if not os.path.exists('/dev/full'):
        raise Skip('no /dev/full')
    fails(1, ['/dev/full', 'No space left'], *fit(out='/dev/full'))
    fails(1, ['/dev/full', 'No space left'], 'score', 'mlp.mucmm', *UNSEEN, '-o', '/dev/full')
    check(os.path.exists('/dev/full') and not os.path.isfile('/dev/full'), '/dev/full was replaced')
    with open('/dev/full', 'w') as full:
        result = subprocess.run([PROGRAM, 'score', 'mlp.mucmm', *UNSEEN, '--json'], stdout=full,
                                stderr=subprocess.PIPE, text=True)
    check(result.returncode == 1 and len(lines_of(result)) == 1, result)


def small_files():
    """As on a full disk: writes beyond 300 bytes of a file fail (Python ignores the signal, and hands that on)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


@test
def full_disk():
    if b'libomp.so' in subprocess.run(['ldd', PROGRAM], capture_output=True).stdout:
        raise Skip("clang's OpenMP runtime needs a file of its own at the start, and crashes without")
    small = {'preexec_fn': small_files, 'restore_signals': False}
    fails(1, ['full.mucmm'], *fit(out='full.mucmm'), **small)
    fails(1, ['x.csv'], 'score', 'mlp.mucmm', *UNSEEN, '-o', 'x.csv', **small)
    fails(1, ['x/'], 'transform', 'mlp.mucmm', *UNSEEN, '-o', 'x', **small)
    fails(1, ['x/'], 'transform', 'mlp.mucmm', *UNSEEN, '-o', 'x/y/z', **small)
    fails(1, ['x/'], 'transform', 'mlp.mucmm', *UNSEEN, '-o', './x/y/', **small)
    os.mkdir('kept')
    fails(1, ['kept/'], 'transform', 'mlp.mucmm', *UNSEEN, '-o', 'kept/y', **small)
    check(os.listdir('kept') == [], 'a folder is left')
    fails(1, ['x/'], 'explain', 'mlp.mucmm', *UNSEEN, '--samples', '0', '-o', 'x', **small)
    shutil.copy('mlp.mucmm', 'kept.mucmm')
    fails(1, ['kept.mucmm'], *fit(out='kept.mucmm'), **small)
    with open('mlp.mucmm', 'rb') as a, open('kept.mucmm', 'rb') as b:
        check(a.read() == b.read(), 'a failed write harmed the old file')


@test
def output_in_a_place_that_is_none():
    open('file.txt', 'w').close()
    fails(1, ['file.txt'], *fit(out='file.txt/out'))
    fails(1, ['nosuch'], *fit(out='nosuch/out'))
    os.mkdir('taken')
    fails(1, ['taken'], *fit(out='taken'))
    fails(1, ['file.txt'], 'score', 'mlp.mucmm', *UNSEEN, '-o', 'file.txt/x')
    for command in (['transform', 'mlp.mucmm', *UNSEEN], ['explain', 'mlp.mucmm', *UNSEEN, '--samples', '0']):
        fails(1, ['file.txt'], *command, '-o', 'file.txt')
        fails(1, ['file.txt'], *command, '-o', 'file.txt/dir')
        succeeds(*command, '-o', 'new/a/b')
        check(len(os.listdir('new/a/b')) > 3, 'folders above the output folder')
        shutil.rmtree('new')


@test
def output_without_permission():
    if os.geteuid() == 0:
        raise Skip('root may write everywhere')
    os.mkdir('closed', 0o500)
    fails(1, ['closed', 'Permission denied'], *fit(out='closed/out'))
    fails(1, ['closed', 'Permission denied'], 'transform', 'mlp.mucmm', *UNSEEN, '-o', 'closed/dir')


# ---- stopping ----------------------------------------------------------------------------------


def long_fit(out, *more, epochs='40'):
    return fit('--head', 'mlp', '--hidden', '64,64', '--epochs', epochs, '--batch', '200', *more, out=out)


def start(args):
    return subprocess.Popen([PROGRAM, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@test
def killed_fit_resumes_to_the_same_bytes():
    begin = time.monotonic()
    succeeds(*long_fit('whole.mucmm', '--checkpoint', 'whole.state'))
    whole = time.monotonic() - begin
    r = random.Random(6)
    for round_number in range(3):
        for _ in range(3):
            process = start(long_fit('again.mucmm', '--checkpoint', 'again.state'))
            time.sleep(r.uniform(0.1, 0.9) * whole)
            process.kill()
            process.communicate()
        succeeds(*long_fit('again.mucmm', '--checkpoint', 'again.state'))
        with open('whole.mucmm', 'rb') as a, open('again.mucmm', 'rb') as b:
            check(a.read() == b.read(), 'round %d: other bytes after a resume' % round_number)
        for name in ('again.mucmm', 'again.state'):
            if os.path.exists(name):
                os.remove(name)


@test
def interrupted_fit_says_so_and_leaves_nothing():
    for more, words in (([], ['no result']), (['--checkpoint', 'int.state'], ['resume', 'int.state'])):
        process = start(long_fit('int.mucmm', *more, epochs='4000'))
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=120)
        errors = [line for line in text.splitlines() if line.startswith('mucmm: ')]
        check(process.returncode == 130, (process.returncode, text))
        check(len(errors) == 1 and all(w in errors[0] for w in words), errors)
        check(not os.path.exists('int.mucmm'), 'a model in spite of Ctrl-C')
    check(not [n for n in os.listdir('.') if n.endswith('.tmp')], 'temporary files')


# ---- names and places that files and users choose ------------------------------------------------


STEERING = ['\x1b', '\r', '\x7f', '\x9b', '\u202e', '\u2066']
EVIL = 'a\x1b[31m\x9b\u202eß'


def check_harmless(result):
    for text in (result.stdout, result.stderr):
        check(not any(c in text for c in STEERING), 'raw control characters: %r' % text)


@test
def no_control_characters_of_files_reach_the_terminal():
    """Names of files, columns, keys, tensors and views; on the error line, in tables, in JSON."""
    left, right = paired_rows(60, 3)
    name = EVIL + '.csv'
    result = fails(1, ['\\x1b[31m', '\\u202e', 'ß'], *fit(left=name))
    check_harmless(result)
    write_csv(name, [EVIL] + list('bcdef'), left[:3])
    with open(name) as f:
        text = f.read()
    with open(name, 'w') as f:
        f.write(text.replace(text.splitlines()[2].split(',')[0], 'x\x1b[2J', 1))
    check_harmless(fails(1, ['\\x1b[2J'], *fit(left=name), leaves=[name]))
    write_csv('l1.csv', list('abcdef'), left[:4], ['s\x1b[1m', 's\x1b[1m', 'b', 'c'])
    write_csv('r1.csv', list('abcdefgh'), right[:4], ['a', 'b', 'c', 'd'])
    check_harmless(fails(1, ['s\\x1b[1m'], *fit('--key', 'id', left='l1.csv', right='r1.csv')))
    out = EVIL + '.mucmm'
    shown = succeeds(*fit(out=out))
    check('\\x1b[31m' in shown.stdout, shown.stdout)
    check_harmless(shown)
    check_harmless(succeeds('info', out))
    for argument in ('score\x1b', '--me\x1bthod', '-\x1b'):
        check_harmless(run(argument))
        check_harmless(run('score', out, argument))
    with open('evil.onnx', 'wb') as f:
        f.write(onnx_file.model([onnx_file.node('Relu', ['x'], [EVIL])], [], [onnx_file.value('x', [1, 4])],
                                [onnx_file.value(EVIL, [1, 4])]))
    check_harmless(succeeds('graph', 'info', 'evil.onnx', '--tensors'))
    document = succeeds('graph', 'info', 'evil.onnx', '--tensors', '--json')
    check_harmless(document)
    check(json.loads(document.stdout)['outputs'][0]['name'] == EVIL, document.stdout)


@test
def outputs_that_cannot_be_written_are_told_first():
    """Every command, every kind of bad name, before the work: no progress, nothing left, nothing made."""
    write_npy('short.npy', paired_rows(4, 1)[0])
    with open('net.onnx', 'wb') as f:
        f.write(onnx_file.small_network())
    os.mkdir('folder')
    with open('file', 'w') as f:
        f.write('a file')
    bad = ['folder', 'x' * 300, 'no/such/place', 'file/below', 'trailing/']
    if os.geteuid() != 0:
        os.mkdir('locked', 0o555)
        bad.append('locked/x')
    files = [fit(), fit(*MLP), ['score', 'linear.mucmm', *UNSEEN], ['report', 'linear.mucmm', *UNSEEN],
             ['encode', '--encoder', 'net.onnx', '--input', 'x=short.npy']]
    for command in files:
        base = command[:command.index('-o')] if '-o' in command else command
        for name in bad:
            result = fails(1, ['cannot write', name[:40]], *base, '-o', name)
            check(not [line for line in result.stderr.splitlines() if 'done in' in line], 'work was done: ' + result.stderr)
    for name in bad:
        fails(1, ['cannot write', name[:40]], *fit(*MLP, '--checkpoint', name))
    folders = [['transform', 'linear.mucmm', *UNSEEN], ['explain', 'linear.mucmm', *UNSEEN, '--samples', '0'],
               ['graph', 'run', 'net.onnx', '--input', 'x=short.npy']]
    for command in folders:
        for name in ['file', 'file/below', 'x' * 300, 'folder/' + 'x' * 300, 'new/' + 'x' * 300]:
            result = fails(1, [name[:40]], *command, '-o', name)
            check('done in' not in result.stderr, 'work was done: ' + result.stderr)
    check(os.listdir('folder') == [], 'files in the folder')
    succeeds('transform', 'linear.mucmm', *UNSEEN, '-o', 'folder/new/deep/')
    check(len(os.listdir('folder/new/deep')) == 4, os.listdir('folder/new/deep'))


@test
def json_without_memory_is_no_half_json():
    """Whichever allocation of the JSON library fails: exit 1 with a line that says so, or the same text as with memory."""
    module = os.environ.get('MUCMM_FAIL_JANSSON')
    if not module or not os.path.exists(module):
        raise Skip('no module that lets allocations fail')
    with open('net.onnx', 'wb') as f:
        f.write(onnx_file.small_network())
    commands = [(['graph', 'info', 'net.onnx', '--tensors', '--json'], 1), (['info', 'linear.mucmm'], 97),
                (['info', 'linear.mucmm', '--json'], 97), (['check-gradient', 'linear.mucmm', *UNSEEN, '--json', '--samples', '0'], 97)]
    for command, step in commands:
        whole = succeeds(*command).stdout
        number, in_row = 1, 0
        while in_row < 3 and number < 20 + 80 * step:
            result = subprocess.run([PROGRAM, *command], capture_output=True, text=True, timeout=300,
                                    env=dict(os.environ, LD_PRELOAD=module, MUCMM_FAIL=str(number)))
            if result.returncode == 0:
                check(result.stdout == whole, 'allocation %d of %s: other output, exit 0' % (number, command))
                in_row += 1
            else:
                in_row = 0
                check(result.returncode == 1 and any('memory' in line for line in lines_of(result)),
                      'allocation %d of %s: exit %d: %s' % (number, command, result.returncode, result.stderr))
            number += step
        check(number > 3 * step + 1, 'no allocation of %s failed' % command)


@test
def killed_commands_leave_whole_files_or_none():
    """No temporary file stays behind, and nothing that is not whole."""
    r = random.Random(7)
    commands = [['transform', 'mlp.mucmm', *UNSEEN, '-o', 'folder/t'],
                ['report', 'linear.mucmm', *UNSEEN, '--permutations', '0', '--samples-shown', '1', '-o', 'folder/page.html']]
    for command in commands:
        begin = time.monotonic()
        os.makedirs('folder', exist_ok=True)
        succeeds(*command)
        duration = time.monotonic() - begin
        whole = files_below('folder')
        for _ in range(6):
            shutil.rmtree('folder')
            os.mkdir('folder')
            process = start(command)
            time.sleep(r.uniform(0.2, 1) * duration)
            process.kill()
            process.communicate()
            for name, data in files_below('folder').items():
                check(whole.get(name) == data, '%s after a kill' % name)
            succeeds(*command)
            check(files_below('folder') == whole, 'other files after the run that follows')
        shutil.rmtree('folder')


def files_below(folder):
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(parent, name), 'rb') as f:
                found[os.path.join(parent, name)] = f.read()
    return found


@test
def a_pipe_is_not_disturbed_by_the_check():
    os.mkfifo('pipe')
    reader = subprocess.Popen(['cat', 'pipe'], stdout=subprocess.PIPE)
    succeeds(*fit(out='pipe'))
    with open('linear.mucmm', 'rb') as f:
        check(reader.communicate(timeout=60)[0] == f.read(), 'another model through the pipe')


@test
def a_checkpoint_that_cannot_be_one_is_told_before_the_work():
    """Another file, one of other parameters or other sizes: before a row is read; one of other rows: before the closed form."""
    short = [*MLP, '--checkpoint', 'state']
    with open('state', 'w') as f:
        f.write('precious')
    result = fails(1, ['state'], *fit(*short))
    check('moments' not in result.stderr, result.stderr)
    with open('state') as f:
        check(f.read() == 'precious', 'the file was touched')
    shutil.copy('linear.mucmm', 'state')
    result = fails(1, ['state', 'not a checkpoint'], *fit(*short))
    check('moments' not in result.stderr, result.stderr)
    os.remove('state')
    succeeds(*fit(*short))
    for other in (['--seed', '5'], ['--hidden', '17'], ['--independence', '0.3']):
        result = fails(1, ['another fit'], *fit(*short, *other), leaves=['out.mucmm'])
        check('moments' not in result.stderr, result.stderr)
    write_npy('l2.npy', paired_rows(500, 9)[0])
    result = fails(1, ['another fit'], *fit(*short, left='l2.npy'), leaves=['out.mucmm'])
    check('moments' in result.stderr and 'closed form' not in result.stderr, result.stderr)
    before = set(os.listdir('.'))
    succeeds(*fit(*short))
    check(set(os.listdir('.')) == before, 'files left')


# ---- TAP -------------------------------------------------------------------------------------------


def clean(keep):
    for name in set(os.listdir('.')) - keep:
        if os.path.isdir(name):
            shutil.rmtree(name)
        else:
            os.remove(name)


def run_test(number, function, keep):
    name = function.__name__.replace('_', ' ')
    try:
        function()
        print('ok %d - %s' % (number, name), flush=True)
        return True
    except Skip as skip:
        print('ok %d - %s # SKIP %s' % (number, name, skip), flush=True)
        return True
    except Exception as error:
        print('not ok %d - %s' % (number, name))
        detail = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        print('\n'.join('# ' + line for line in detail.splitlines()), flush=True)
        return False
    finally:
        clean(keep)


def main():
    chosen = [t for t in TESTS if len(sys.argv) < 3 or any(w in t.__name__ for w in sys.argv[2:])]
    print('1..%d' % len(chosen), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        keep = set(os.listdir('.'))
        good = [run_test(i + 1, t, keep) for i, t in enumerate(chosen)]
        os.chdir('/')
    return 0 if all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
