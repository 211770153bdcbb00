#!/usr/bin/env python3
"""Write src/token/tables/unicode_ranges.h from the class ranges of unicode_classes.json (Unicode 16.0).

usage: tools/make_unicode_tables.py UNICODE_CLASSES.json > src/token/tables/unicode_ranges.h
One sorted table of ranges, each with the classes of its characters as bits.
"""
import json
import sys

BITS = {r"\p{L}": "L", r"\p{N}": "N", r"\p{M}": "M", r"\p{P}": "P", r"\p{S}": "S", r"\s": "SPACE", r"\p{Lu}": "LU",
        r"\p{Ll}": "LL", r"\p{Lt}": "LT", r"\p{Lm}": "LM", r"\p{Lo}": "LO", r"\p{Han}": "HAN"}


def main():
    classes = json.load(open(sys.argv[1], encoding="ascii"))
    bit_of = {name: 1 << i for i, name in enumerate(BITS)}
    marks = [0] * 0x110000
    for name, bit in bit_of.items():
        for begin, end in classes[name]["ranges"]:
            for cp in range(begin, end + 1):
                if not 0xD800 <= cp <= 0xDFFF:
                    marks[cp] |= bit
    print("/* Made by tools/make_unicode_tables.py: character classes of Unicode 16.0, as ranges. */")
    print("#pragma once\n\n#include <stdint.h>\n")
    print("enum {")
    for name, bit in bit_of.items():
        print(f"    RG_CHAR_{BITS[name]} = {bit},")
    print("};\n\n// clang-format off")
    print("static const struct {\n    uint32_t first;\n    uint32_t last;\n    uint16_t classes;\n} rg_char_ranges[] = {")
    start = 0
    for cp in range(1, 0x110001):
        if cp == 0x110000 or marks[cp] != marks[start]:
            if marks[start]:
                print(f"    {{0x{start:05X}, 0x{cp - 1:05X}, {marks[start]}}},")
            start = cp
    print("};\n// clang-format on")


main()
