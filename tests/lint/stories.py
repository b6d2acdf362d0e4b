#!/usr/bin/env python3
"""The rows of README.md are true: each has tests, each test that it names is there under
that title, and the title begins with the row.  What a title has from a variable
is an ellipsis.

usage: stories.py [TOP]
"""
import os
import re
import sys

top = sys.argv[1] if len(sys.argv) > 1 else '.'
bad = 0
# rows that must be there; the others may be
WANTED = ['{}{}'.format(story, n) for story, last in (
    ('A', 7), ('B', 11), ('C', 7), ('D', 6), ('E', 8)) for n in range(1, last + 1)]
KNOWN = set(WANTED) | {'E9'}

PART = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`"""
TITLE = re.compile(r'\b(?:test|told)\(\s*((?:' + PART + r')(?:\s*\+\s*(?:' + PART +
                   r'))*)')


def say(text):
    global bad
    bad += 1
    print(f'README.md: {text}')


def titles(path):
    with open(path) as f:
        text = f.read()
    for m in TITLE.finditer(text):
        whole = ''.join(part[1:-1] for part in re.findall(PART, m.group(1)))
        whole = re.sub(r'\$\{[^}]*\}', '…', whole)
        yield re.sub(r'\\(.)', r'\1', whole)


def is_of(title, row):
    """"C1, C2: ..." is of C1 and of C2."""
    return row in re.split(r', ', title.split(':')[0])


def check(row, tests):
    if row not in KNOWN:
        say(f'{row} is no row of a story')
    for test in tests.split('<br>'):
        m = re.fullmatch(r'`(\w+)` (.+)', test.strip())
        if not m:
            say(f'{row}: this names no test: {test.strip()}')
            continue
        path = os.path.join(top, 'tests', 'e2e', f'{m[1]}.test.mjs')
        if not os.path.exists(path):
            say(f'{row}: there is no {m[1]}')
        elif m[2] not in titles(path):
            say(f'{row}: {m[1]} has no test "{m[2]}"')
        elif not is_of(m[2], row):
            say(f'{row}: the title does not say so: {m[2]}')


rows = {}
with open(os.path.join(top, 'README.md')) as f:
    for line in f:
        m = re.fullmatch(r'\| (\w\d+) \| (.+?) \| (.+) \|\n?', line)
        if not m:
            continue
        if m[1] in rows:
            say(f'{m[1]} is there twice')
        rows[m[1]] = m[3]
for name, tests in rows.items():
    check(name, tests)
for name in WANTED:
    if name not in rows:
        say(f'{name} is missing')
print(f'stories: {len(rows)} rows, {bad} wrong')
sys.exit(bad != 0)
