#!/usr/bin/env python3
"""The house rules that a compiler does not see. usage: test_layers.py ROOT

Includes go down only (src/LAYERS); the program includes public headers alone; file names are unique; files stay short;
only base/mem_* allocates; no path of a developer's machine is in the tree; every limit is listed in docs/limits.md.
"""
import os
import re
import sys

LINES_MAX = 800
problems = []


def sources(*folders):
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(where, name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def layers():
    rooms = {}
    for line in read("src/LAYERS").splitlines():
        if line and not line.startswith("#"):
            room, allowed = line.split(":")
            allowed = set(allowed.split())
            for other in allowed - set(rooms):
                problems.append(f"src/LAYERS: {room} may not include {other}, which is not below it")
            rooms[room] = allowed
    return rooms


def check_includes():
    rooms = layers()
    for path in sources("src"):
        room = path.split("/")[1]
        if room not in rooms:
            problems.append(f"{path}: room {room} is not in src/LAYERS")
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            target = match.group(1).split("/")[0]
            if target == "raga":
                if room not in ("api", "cli", "serve"):
                    problems.append(f"{path}:{number}: only api, cli and serve include public headers")
            elif target != room and target not in rooms[room]:
                problems.append(f"{path}:{number}: {room} may not include {target} (src/LAYERS)")


def check_files():
    seen = {}
    for path in sources("src", "tests", "examples", "bench"):
        name = os.path.basename(path)
        if name in seen:
            problems.append(f"{path}: the name is taken by {seen[name]}")
        seen[name] = path
        lines = read(path).count("\n")
        if lines > LINES_MAX and "/tables/" not in path:
            problems.append(f"{path}: {lines} lines, at most {LINES_MAX}")


def check_allocation():
    for path in sources("src"):
        if os.path.basename(path).startswith("mem_") or path.endswith("banned.h"):
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r"\b(malloc|calloc|realloc|aligned_alloc|strdup)\s*\(", line):
                problems.append(f"{path}:{number}: only src/base/mem_* allocates")


def check_paths():
    for where, folders, names in os.walk("."):
        folders[:] = [f for f in folders if f not in (".git", "build")]
        for name in names:
            path = os.path.join(where, name)
            if name.endswith((".c", ".h", ".md", ".txt", ".py", ".sh", ".json")) and os.path.getsize(path) < 1 << 20:
                for number, line in enumerate(read(path).splitlines(), 1):
                    if re.search(r"(^|[^\w.])/(home|root|work)/\w", line):
                        problems.append(f"{path}:{number}: a path of one machine")


def check_limits():
    listed = read("docs/limits.md")
    for path in sources("src"):
        if path.endswith(".h") and "/tables/" not in path:
            for name in re.findall(r"^#define\s+(RG_\w+_MAX)\b", read(path), re.M):
                if name not in listed:
                    problems.append(f"{path}: {name} is not in docs/limits.md")


os.chdir(sys.argv[1])
for check in (check_includes, check_files, check_allocation, check_paths, check_limits):
    check()
for problem in problems:
    print(problem)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
