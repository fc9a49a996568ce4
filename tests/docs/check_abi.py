#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the tables of docs/abi.md with guest-lib/include/cassin/abi.h. TAP on stdout.

What the header holds is asked of a compiler, not guessed: a small C program prints every structure's size, every field's
offset and size, and every constant's value. Both ways: what the text says must be so, and what the header has must be told.

    check_abi.py [--cc CC]
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
HEADER = os.path.join(ROOT, 'guest-lib', 'include', 'cassin', 'abi.h')
TEXT = os.path.join(ROOT, 'docs', 'abi.md')

HEADING = re.compile(r'^#+ `struct (cassin_\w+)`, (\d+) bytes$')
FIELD = re.compile(r'^\| (\d+) \| (\d+) \| `(\w+)` \|')
NUMBER_FIRST = re.compile(r'^\| (\d+) \| `(CASSIN_\w+)` \|')
NAME_FIRST = re.compile(r'^\| `(CASSIN_\w+)` \| (0x[0-9a-f]+|\d+) \|')
VERSION = re.compile(r'^# .* version (\d+)\.(\d+)$')

# Told in prose, or no part of the contract.
UNTABLED = {'CASSIN_ABI_H', 'CASSIN_NOTE_NAME', 'CASSIN_AT', 'CASSIN_SIZE'}


def read_text(lines):
    """Gives the sizes of structures, (offset, size) of fields, and the values of constants that the text states."""
    sizes, fields, values, struct = {}, {}, {}, None
    for line in lines:
        heading = HEADING.match(line)
        if heading:
            struct = heading.group(1)
            sizes[struct] = int(heading.group(2))
        elif line.startswith('#'):
            struct = None
        elif struct and (row := FIELD.match(line)):
            fields[struct, row.group(3)] = (int(row.group(1)), int(row.group(2)))
        elif row := NUMBER_FIRST.match(line):
            values.setdefault(row.group(2), set()).add(int(row.group(1)))
        elif row := NAME_FIRST.match(line):
            values.setdefault(row.group(1), set()).add(int(row.group(2), 0))
    return sizes, fields, values


def header_names(source):
    """The names of the header's structures with their fields, and of its constants."""
    source = re.sub(r'/\*.*?\*/', '', source, flags=re.S)
    structs = {}
    for name, body in re.findall(r'struct (cassin_\w+) \{(.*?)\n\};', source, flags=re.S):
        structs[name] = re.findall(r'(\w+)(?:\[\d+\])?;', body)
    constants = re.findall(r'^#define (CASSIN_\w+)\s', source, flags=re.M)
    for body in re.findall(r'enum \w+ \{(.*?)\n\};', source, flags=re.S):
        constants += re.findall(r'(CASSIN_\w+)\s*=', body)
    return structs, [c for c in dict.fromkeys(constants) if c not in UNTABLED]


def ask_compiler(cc, structs, constants):
    """The header's truth: sizes, fields and values as read_text() gives them."""
    lines = ['#include <stdio.h>', '#include <cassin/abi.h>', 'int main(void)', '{']
    for name, fields in structs.items():
        lines.append(f'printf("s {name} %zu\\n", sizeof(struct {name}));')
        for field in fields:
            lines.append(f'printf("f {name} {field} %zu %zu\\n", offsetof(struct {name}, {field}), '
                         f'sizeof(((struct {name} *)0)->{field}));')
    lines += [f'printf("c {c} %llu\\n", (unsigned long long)({c}));' for c in constants]
    lines += ['return 0;', '}', '']
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'abi')
        subprocess.run([*cc, '-std=c11', '-xc', '-', '-I', os.path.join(ROOT, 'guest-lib', 'include'), '-o', program],
                       input='\n'.join(lines), text=True, check=True)
        printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    sizes, fields, values = {}, {}, {}
    for kind, *words in map(str.split, printed.splitlines()):
        if kind == 's':
            sizes[words[0]] = int(words[1])
        elif kind == 'f':
            fields[words[0], words[1]] = (int(words[2]), int(words[3]))
        else:
            values[words[0]] = {int(words[1])}
    return sizes, fields, values


def asserted(source):
    """Sizes and offsets that the header's own assertions hold fast."""
    sizes = {m[0]: int(m[1]) for m in re.findall(r'CASSIN_SIZE\((cassin_\w+), (\d+)\)', source)}
    offsets = {(m[0], m[1]): int(m[2]) for m in re.findall(r'CASSIN_AT\((cassin_\w+), (\w+), (\d+)\)', source)}
    return sizes, offsets


def documents():
    """Every line of the documents: path, number, text."""
    for path in sorted(glob.glob(os.path.join(ROOT, 'docs', '**', '*.md'), recursive=True)) + [os.path.join(ROOT, 'README.md')]:
        with open(path, encoding='utf-8') as f:
            for number, text in enumerate(f, 1):
                yield os.path.relpath(path, ROOT), number, text


def counts_told():
    for path, number, text in documents():
        for m in re.findall(r'(\d+) calls and (\d+) operations', text):
            yield path, number, (int(m[0]), int(m[1]))


def sources_named():
    """Files of the hypervisor that the documents name by their whole path."""
    for path, number, text in documents():
        for name in re.findall(r'`(hypervisor/[\w/]+\.[chS])`', text):
            yield path, number, name


class Tap:
    def __init__(self):
        self.count = self.failures = 0

    def ok(self, good, what, *details):
        self.count += 1
        self.failures += not good
        print(f'{"ok" if good else "not ok"} {self.count} - {what}')
        if not good:
            for detail in details:
                print(f'# {detail}')

    def same(self, what, told, true):
        """One line for each thing that the text or the header knows."""
        for key in sorted(set(told) | set(true), key=str):
            name = '.'.join(key) if isinstance(key, tuple) else key
            self.ok(told.get(key) == true.get(key), f'{what} {name}',
                    f'docs/abi.md: {told.get(key, "not told")}', f'abi.h: {true.get(key, "not there")}')


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('--cc', default=os.environ.get('CC', 'cc'), help='the compiler (default: $CC, cc)')
    cc = options.parse_args().cc.split()
    with open(TEXT, encoding='utf-8') as f:
        lines = f.read().splitlines()
    with open(HEADER, encoding='utf-8') as f:
        source = f.read()
    told_sizes, told_fields, told_values = read_text(lines)
    structs, constants = header_names(source)
    sizes, fields, values = ask_compiler(cc, structs, constants)
    tap = Tap()
    tap.same('the size of', told_sizes, sizes)
    tap.same('the place of', told_fields, fields)
    tap.same('the value of', told_values, values)
    title = VERSION.match(lines[0])
    tap.ok(title and ({int(title.group(1))}, {int(title.group(2))}) ==
           (values['CASSIN_ABI_MAJOR'], values['CASSIN_ABI_MINOR']), 'the version in the title', lines[0])
    held_sizes, held_offsets = asserted(source)
    for struct in sizes:
        tap.ok(struct in held_sizes, f'abi.h asserts the size of {struct}')
    for struct, field in held_offsets:
        tap.ok((struct, field) in fields, f'abi.h asserts a field that exists: {struct}.{field}')
    calls = sum(name.startswith('CASSIN_CALL_') for name in values)
    operations = sum(name.startswith('CASSIN_OP_') for name in values)
    for path, number, counted in counts_told():
        tap.ok(counted == (calls, operations), f'the calls and operations that {path}:{number} counts',
               f'it says {counted}, there are {(calls, operations)}')
    for path, number, name in sources_named():
        tap.ok(os.path.exists(os.path.join(ROOT, name)), f'the source that {path}:{number} names', f'{name} is not there')
    print(f'1..{tap.count}')
    return 1 if tap.failures else 0


if __name__ == '__main__':
    sys.exit(main())
