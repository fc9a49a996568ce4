#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares tests/conformance/index with docs/abi.md and with the tests that there are. TAP on stdout.

Every sentence of the text has its line, in the text's order; every word of a line names a check, a test or a reason that
exists; and every check stands beside some sentence, so that its failure says what it breaks.

    check_conformance.py [BUILD]
"""
import argparse
import fnmatch
import os
import subprocess
import sys
from typing import NamedTuple

from results import report

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
SUITE = os.path.join(ROOT, 'tests', 'conformance')
sys.path.insert(0, SUITE)
import sentences  # noqa: E402, beside the index

BEGINNING = 56  # of a sentence in the index: so much, then "..."
# Checks of what is not the hypervisor's: what comes with Cassin and runs in guests; and of what the ABI leaves open, costs.
NO_SENTENCE = ('kernel.*', 'libc.*', 'processes.*', 'user.exits')


class Line(NamedTuple):
    """What the index says of a sentence, and below which headings."""
    mark: str
    words: list
    beginning: str
    place: tuple


def read_index(text):
    """Gives the lines of sentences, and the numbers of lines that are none and nothing else either."""
    lines, odd, chapter, section = [], [], '', ''
    for number, line in enumerate(text.splitlines(), 1):
        head, bar, beginning = line.partition(' | ')
        mark, *words = head.split(' ')
        if line.startswith('#'):
            level, _, section = line.partition(' ')
            chapter = section if level == '#' else chapter
        elif bar and words and len(mark) == 8:
            lines.append(Line(mark, words, beginning, (chapter, section)))
        elif line and not line.startswith(';'):
            odd.append(f'index:{number}: not understood')
    return lines, odd


def differences(lines, marks, whole):
    """Where the sentences of the index are not those of the text."""
    told = {line.mark: line.beginning for line in lines}
    found = [f'not in the index: {mark} {whole[mark]}' for mark in marks if mark not in told]
    found += [f'no sentence of the text (any more): {mark} {beginning}' for mark, beginning in told.items() if mark not in whole]
    if not found and [line.mark for line in lines] != marks:
        found = ['the sentences are not in the order of the text, or stand twice']
    return found


def begins(line, sentence):
    cut = line.beginning.endswith('...') and len(line.beginning) >= BEGINNING
    return sentence.rstrip() == line.beginning or cut and sentence.startswith(line.beginning[:-3])


def is_there(word, checks, guest_tests):
    if word in checks:
        return True
    kind, _, name = word.partition(':')
    if kind == 'tests' and name.startswith('guests/'):
        return bool(fnmatch.filter(guest_tests, name.removeprefix('guests/')))
    return bool(name) and (kind == 'none' or kind == 'tests' and os.path.isfile(os.path.join(ROOT, 'tests', name)))


def unused(checks):
    return [check for check in checks if not any(fnmatch.fnmatch(check, pattern) for pattern in NO_SENTENCE)]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('build', nargs='?', default='build', help='where ./x build has built (default: build)')
    build = options.parse_args().build
    with open(os.path.join(SUITE, 'index'), encoding='utf-8') as file:
        lines, odd = read_index(file.read())
    text = [(sentences.mark(section, what), what, (chapter, section)) for chapter, section, what in sentences.sentences()]
    marks, whole, place = [t[0] for t in text], {t[0]: t[1] for t in text}, {t[0]: t[2] for t in text}
    known = [line for line in lines if line.mark in whole]
    checks = set()
    for path in (os.path.join(build, 'tests', 'conformance', 'checks'), os.path.join(SUITE, 'more')):
        with open(path, encoding='utf-8') as file:
            checks |= {line.split('\t')[0] for line in file}
    guest_tests = subprocess.run([os.path.join(build, 'tests', 'guests', 'guest-tests'), '-l'], capture_output=True, text=True,
                                 check=True).stdout.split()
    beside = {word for line in lines for word in line.words}
    results = [
        ('the index is understood', odd),
        ('the index has every sentence of docs/abi.md, in its order', differences(lines, marks, whole)),
        ('sentences begin in the index as in the text',
         [f'{line.mark}: the text says: {whole[line.mark]}' for line in known if not begins(line, whole[line.mark])]),
        ('sentences stand below the headings of the text',
         [f'{line.mark}: below "{": ".join(line.place)}", in the text below "{": ".join(place[line.mark])}"'
          for line in known if line.place != place[line.mark]]),
        ('what stands beside sentences are checks, tests and reasons that exist',
         [f'{line.mark}: nothing is called {word}' for line in lines for word in line.words if not is_there(word, checks, guest_tests)]),
        ('no sentence has a check and a reason for none',
         [f'{line.mark}: a reason beside a check' for line in lines
          if any(word.startswith('none:') for word in line.words) and len(line.words) > 1]),
        ('every check of the ABI stands beside a sentence', sorted(unused(checks - beside))),
    ]
    return report(results)


if __name__ == '__main__':
    sys.exit(main())
