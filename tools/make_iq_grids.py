#!/usr/bin/env python3
"""Write src/tensor/tables/iq_grids.h from the grid tables of formats.md (appendix A).

usage: tools/make_iq_grids.py FORMATS.md > src/tensor/tables/iq_grids.h
Every table is checked against the check value that the document states.
"""
import hashlib
import re
import sys


def read_tables(path):
    name, tables = None, {}
    for line in open(path, encoding="utf-8"):
        head = re.match(r"### (G_\w+) - (\d+) entries, check ([0-9a-f]{16})", line)
        if head:
            name = head.group(1)
            tables[name] = (int(head.group(2)), head.group(3), [])
        elif name and re.fullmatch(r"[0-9a-f]+\n?", line):
            tables[name][2].append(line.strip())
    return tables


def expand(name, code):
    if name in ("G_iq3xxs", "G_iq3s"):
        codes = [(code >> (3 * j)) & 7 for j in range(4)]
        values = [4, 12, 20, 28, 36, 44, 52, 62] if name == "G_iq3xxs" else list(range(1, 16, 2))
        return [values[c] for c in codes]
    values = [-1, 0, 1] if name == "G_iq1s" else [8, 25, 43]
    return [values[(code >> (2 * j)) & 3] for j in range(8)]


def main():
    print("/* Made by tools/make_iq_grids.py: the grids of the IQ types, one signed byte a value. */")
    print("#pragma once\n\n#include <stdint.h>\n\n// clang-format off")
    for name, (count, check, lines) in read_tables(sys.argv[1]).items():
        digits = 3 if name in ("G_iq3xxs", "G_iq3s") else 4
        text = "".join(lines)
        rows = [expand(name, int(text[i:i + digits], 16)) for i in range(0, len(text), digits)]
        flat = bytes(v & 255 for row in rows for v in row)
        if len(rows) != count or hashlib.sha256(flat).hexdigest()[:16] != check:
            sys.exit(f"{name}: the table does not match its check value")
        print(f"static const int8_t rg_{name[2:]}_grid[{count}][{len(rows[0])}] = {{")
        per_line = 8 if len(rows[0]) == 4 else 4
        for i in range(0, count, per_line):
            print("    " + " ".join("{" + ",".join(map(str, row)) + "}," for row in rows[i:i + per_line]))
        print("};\n")
    print("// clang-format on")


main()
