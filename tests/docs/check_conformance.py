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

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
SUITE = os.path.join(ROOT, 'tests', 'conformance')
sys.path.insert(0, SUITE)
import sentences  # noqa: E402, beside the index

BEGINNING = 56  # of a sentence in the index: so much, then "..."
# Checks of what is not the hypervisor's: what comes with Cassin and runs in guests; and of what the ABI leaves open, costs.
NO_SENTENCE = ('kernel.*', 'libc.*', 'processes.*', 'user.exits')


def read_index(lines):
    """Gives what the index says: ('#', level, title) and (mark, words, beginning); and its lines that are neither."""
    entries, odd = [], []
    for number, line in enumerate(lines, 1):
        head, bar, beginning = line.partition(' | ')
        mark, *words = head.split(' ')
        if line.startswith('#'):
            level, _, title = line.partition(' ')
            entries.append(('#', len(level), title))
        elif bar and words and len(mark) == 8:
            entries.append((mark, words, beginning))
        elif line and not line.startswith(';'):
            odd.append(f'index:{number}: not understood')
    return entries, odd


def differences(entries, text):
    """Where the sentences of the index are not those of the text."""
    true = [(sentences.mark(section, what), what) for _, section, what in text]
    told = {entry[0]: entry[2] for entry in entries if entry[0] != '#'}
    found = [f'not in the index: {mark} {what}' for mark, what in true if mark not in told]
    known = {mark for mark, _ in true}
    found += [f'no sentence of the text (any more): {mark} {beginning}' for mark, beginning in told.items() if mark not in known]
    if not found and [entry[0] for entry in entries if entry[0] != '#'] != [mark for mark, _ in true]:
        found = ['the sentences are not in the order of the text, or stand twice']
    return found


def wrong_beginnings(entries, text):
    whole = {sentences.mark(section, what): what for _, section, what in text}
    return [f'{mark}: the text says: {whole[mark]}' for mark, _, beginning in (e for e in entries if e[0] != '#')
            if mark in whole and whole[mark].rstrip() != beginning
            and not (beginning.endswith('...') and whole[mark].startswith(beginning[:-3]) and len(beginning) >= BEGINNING)]


def wrong_sections(entries, text):
    """A sentence below another heading than in the text. A heading is told once, and without its sentences not at all."""
    place = {sentences.mark(section, what): (chapter, section) for chapter, section, what in text}
    chapter = section = ''
    found = []
    for entry in entries:
        if entry[0] == '#':
            section = entry[2]
            chapter = section if entry[1] == 1 else chapter
        elif entry[0] in place and place[entry[0]] != (chapter, section):
            found.append(f'{entry[0]}: below "{chapter}: {section}", in the text below "{": ".join(place[entry[0]])}"')
    return found


def wrong_words(entries, checks, guest_tests):
    def good(word):
        if word in checks:
            return True
        kind, _, name = word.partition(':')
        if kind == 'tests' and name.startswith('guests/'):
            return bool(fnmatch.filter(guest_tests, name.removeprefix('guests/')))
        return bool(name) and (kind == 'none' or kind == 'tests' and os.path.isfile(os.path.join(ROOT, 'tests', name)))
    return [f'{entry[0]}: nothing is called {word}' for entry in entries if entry[0] != '#' for word in entry[1] if not good(word)]


def both_held_and_not(entries):
    return [f'{entry[0]}: a reason beside a check' for entry in entries if entry[0] != '#'
            if any(word.startswith('none:') for word in entry[1]) and len(entry[1]) > 1]


def unused(checks):
    return [check for check in checks if not any(fnmatch.fnmatch(check, pattern) for pattern in NO_SENTENCE)]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('build', nargs='?', default='build', help='where ./x build has built (default: build)')
    build = options.parse_args().build
    with open(os.path.join(SUITE, 'index'), encoding='utf-8') as file:
        entries, odd = read_index(file.read().splitlines())
    text = sentences.sentences()
    checks = set()
    for path in (os.path.join(build, 'tests', 'conformance', 'checks'), os.path.join(SUITE, 'more')):
        with open(path, encoding='utf-8') as file:
            checks |= {line.split('\t')[0] for line in file}
    guest_tests = subprocess.run([os.path.join(build, 'tests', 'guests', 'guest-tests'), '-l'], capture_output=True, text=True,
                                 check=True).stdout.split()
    beside = {word for entry in entries if entry[0] != '#' for word in entry[1]}
    results = [
        ('the index is understood', odd),
        ('the index has every sentence of docs/abi.md, in its order', differences(entries, text)),
        ('sentences begin in the index as in the text', wrong_beginnings(entries, text)),
        ('sentences stand below the headings of the text', wrong_sections(entries, text)),
        ('what stands beside sentences are checks, tests and reasons that exist', wrong_words(entries, checks, guest_tests)),
        ('no sentence has a check and a reason for none', both_held_and_not(entries)),
        ('every check of the ABI stands beside a sentence', sorted(unused(checks - beside))),
    ]
    print(f'1..{len(results)}')
    for number, (what, found) in enumerate(results, 1):
        print(f'{"not ok" if found else "ok"} {number} - {what}')
        for line in found:
            print(f'# {line}')
    return 1 if any(found for _, found in results) else 0


if __name__ == '__main__':
    sys.exit(main())
