#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_summary.py BUILD_DIR [option of meson test ...]

Runs `meson test`, adds up the single tests that each program printed as TAP, lists what failed and what was
skipped with the reasons, and closes with the line "N passed, N failed, N skipped". Exit status 1 if a test failed,
a program crashed, timed out or printed no test, or if nothing ran.

Meson reads the programs as 'exitcode' tests because cmocka 1.1.5 prints a skipped test as "not ok 2 # SKIP name",
which Meson's TAP reader takes for a failure.
"""
import argparse
import glob
import json
import os
import re
import signal
import subprocess
import sys

RESULT = re.compile(r'(not )?ok\b(?:\s+\d+)?(?:\s+-)?\s*(.*)')
PLAN = re.compile(r'1\.\.(\d+)\s*(?:#\s*SKIP\S*\s*(.*))?$', re.I)
SKIP = re.compile(r'(.*?)#\s*SKIP\S*\s*(.*)', re.I)
GROUP_END = re.compile(r'# (not )?ok - ')
PROGRESS = re.compile(r'\s*(\d+/\d+)\s+(?:\S+ / )?(\S+)\s+([A-Z]+)\s+([\d.]+s)')  # a line of Meson's
MAX_LINES = 40


class Summary:
    def __init__(self):
        self.passed = 0
        self.failed = []  # (test, lines)
        self.skipped = []  # (test, reason)

    def add_program(self, name, output, returncode, result):
        """One entry of Meson's log. result: Meson's word, such as OK, FAIL, TIMEOUT."""
        failed_before = len(self.failed)
        planned, seen, rest = self.add_tap(name, output)
        failed_here = len(self.failed) > failed_before
        where = f'after {seen} of {planned} tests' if planned else 'before any test'

        if result == 'TIMEOUT':
            self.failed.append((name, [f'timed out {where}'] + rest))
        elif returncode < 0:
            self.failed.append((name, [f'killed by {signal_name(-returncode)} {where}'] + rest))
        elif seen < planned and not group_setup_failed(self.failed[failed_before:]):
            self.failed.append((name, [f'stopped {where} with exit status {returncode}'] + rest))
        elif returncode == 77 and not seen:
            self.skipped.append((name, rest[-1] if rest else 'no reason given'))
        elif returncode != 0 and not failed_here:
            self.failed.append((name, [f'exit status {returncode} {where}'] + rest))
        elif not seen:
            self.failed.append((name, ['ended without printing a test result'] + rest))

    def add_tap(self, program, output):
        """Counts the tests; returns (planned, seen, the lines that are no TAP)."""
        planned = seen = 0
        rest, before = [], []  # before: what was printed since the last result and may explain the next one
        messages = None  # of the failure last seen
        for line in output.splitlines():
            plan, result = PLAN.match(line), RESULT.match(line)
            if plan:
                planned += int(plan[1])
                if plan[2] is not None:
                    self.skipped.append((program, plan[2] or 'no reason given'))
                    planned, seen = planned + 1, seen + 1
                messages = None
            elif result:
                seen += 1
                messages = self.add_result(program, result[1], result[2], before)
                before = []
            elif line.startswith(('ERROR:', '# skipped:')):
                before.append(line.lstrip('# '))
            elif GROUP_END.match(line):
                messages = None
            elif line.startswith('#') and messages is not None:
                messages.append(line[1:].strip())
            elif line.strip():
                rest.append(line)
        return planned, seen, (rest + before)[-MAX_LINES:]

    def add_result(self, program, negated, text, before):
        skip = SKIP.match(text)
        if skip:
            # TAP says "name # SKIP reason"; cmocka says "# SKIP name" and its reason is the message before.
            name, reason = skip[1].strip(' -'), skip[2].strip()
            if not name:
                name, reason = reason, ''
            reasons = [b.split(':', 1)[1].strip() for b in before if b.startswith('skipped:')]
            self.skipped.append((f'{program}: {name}', reason or (reasons or ['no reason given'])[-1]))
            return None
        if negated:
            messages = [b for b in before if b.startswith('ERROR:')]
            self.failed.append((f'{program}: {text.strip()}', messages))
            return messages
        self.passed += 1
        return None

    def print(self):
        for name, lines in self.failed:
            print(f'\nFAILED   {name}')
            for line in lines[:MAX_LINES]:
                print(f'         {line}')
        if self.skipped:
            print()
        for name, reason in self.skipped:
            print(f'skipped  {name}: {reason}')
        print(f'\n{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped')


def group_setup_failed(failures):
    """A failed group setup ends its group early, and is reported as a failure of its own."""
    return any('GROUP SETUP' in name for name, _ in failures)


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


def run_meson(build, options):
    """Shows Meson's line a program; returns (its exit status, the entries of its log)."""
    log = os.path.join(build, 'meson-logs', 'summary')
    for old in glob.glob(log + '*'):
        os.remove(old)
    # cmocka's fail_msg writes to stderr, which Meson keeps apart: joined, a message stays with its test.
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument('--wrapper', default='')
    own, options = parser.parse_known_args(options)
    command = ['meson', 'test', '-C', build, '--no-rebuild', '--logbase', 'summary',
               '--wrapper', f'sh -c \'exec "$@" 2>&1\' sh {own.wrapper}'] + options
    other = []
    env = dict(os.environ, PYTHONUNBUFFERED='1')
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          env=env, text=True, errors='replace') as meson:
        for line in meson.stdout:
            m = PROGRESS.match(line)
            if m:
                print(f'{m[1]:>6} {m[2]:<12} {m[3]:<8} {m[4]:>9}', flush=True)
            else:
                other.append(line.rstrip())
    entries = []
    for path in glob.glob(log + '*.json'):
        with open(path, encoding='utf-8', errors='replace') as f:
            entries += [json.loads(line) for line in f if line.strip()]
    if not entries:
        print('\n'.join(other[-MAX_LINES:]))
    return meson.returncode, entries


def main(arguments):
    if not arguments or arguments[0].startswith('-'):
        print(__doc__, file=sys.stderr)
        return 2
    status, entries = run_meson(arguments[0], arguments[1:])
    summary = Summary()
    for e in entries:
        summary.add_program(e['name'].split(' / ')[-1], e.get('stdout', ''), e['returncode'], e['result'])
    if status != 0 and not summary.failed:
        summary.failed.append(('meson test', [f'ended with exit status {status}']))
    ran = summary.passed + len(summary.failed)
    if ran == 0:
        print('no test ran')
    summary.print()
    return 0 if ran > 0 and not summary.failed else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
