#!/usr/bin/env python3
"""Checks the rules of STYLE.md that a machine can check. Runs as a test; prints one line per violation.

usage: tools/check_repository.py [--no-compile] [ROOT]

  layers      a module includes itself and lower layers only
  headers     every header compiles alone: its .cpp includes it first, or it is compiled here
  lengths     functions up to 70 lines, files up to 1000
  banned      detached coroutines, sleeping tests, getenv outside server, sockets outside http
  documents   paths named in Markdown files exist
  hygiene     no machine paths, no build output, no weights, no conflict markers
  python      no function or class defined twice in a file
"""

import argparse
import ast
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

LAYERS = {
    "base": 0,
    "async": 1, "telemetry": 1, "text": 1,
    "http": 2, "storage": 2, "index": 2, "encoder": 2,
    "cache": 3, "documents": 3, "load": 3,
    "engine": 4, "llm": 4, "tools": 4, "tasks": 4,
    "rag": 5, "agent": 5,
    "api": 6,
    "server": 7,
}
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000
FILE_BYTES_MAX = 2_000_000

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
COMPILER = ["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", "-Wall", "-Wextra", "-Isrc",
            "-DBOOST_ASIO_SEPARATE_COMPILATION", "-DBOOST_BEAST_SEPARATE_COMPILATION", "-DBOOST_ASIO_NO_DEPRECATED"]

# (pattern, what to do instead, whether a file is exempt)
BANNED = [
    (r"\basio::detached\b", "use a TaskGroup, which joins", lambda p: False),
    (r"\b(this_thread::sleep_\w+|usleep\s*\(|nanosleep\s*\()", "tests wait for events, they never sleep",
     lambda p: "_test." not in p),
    (r"\b(secure_)?getenv\s*\(", "only src/server reads the environment", lambda p: p.startswith("src/server/") or "_test." in p),
    (r"\b(tcp::resolver|async_connect|ssl::stream)\b", "only src/http opens connections",
     lambda p: p.startswith("src/http/") or "_test." in p),
    (r"\busing namespace std\s*;", "name what you use", lambda p: False),
    (r"catch\s*\(\s*\.\.\.\s*\)\s*\{\s*\}", "an exception must not end without a trace", lambda p: False),
]


def tracked_files(root):
    """Files that git knows or would add, relative to the root."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    if out.returncode == 0:
        return sorted(set(line for line in out.stdout.splitlines() if (root / line).is_file()))
    return sorted(str(p.relative_to(root)) for p in root.rglob("*")
                  if p.is_file() and not {"build", ".git", "data", "node_modules"} & set(p.relative_to(root).parts))


def without_comments_and_strings(code):
    """The code with comments, string and character literals blanked, line structure kept."""
    pattern = re.compile(
        r'R"([^(\s]{0,16})\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
        re.DOTALL)
    return pattern.sub(lambda m: '""' + "\n" * m.group(0).count("\n"), code)


def check_layers(path, code):
    module = path.split("/")[1]
    if module not in LAYERS:
        yield f"{path}: module '{module}' is not in the layer table"
        return
    for match in INCLUDE.finditer(code):
        target = match.group(1).split("/")[0]
        if target in LAYERS and target != module and LAYERS[target] >= LAYERS[module]:
            line = code.count("\n", 0, match.start()) + 1
            yield (f"{path}:{line}: {module} (layer {LAYERS[module]}) includes {target} (layer {LAYERS[target]}); "
                   "dependencies point down only")
        if target not in LAYERS:
            line = code.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: include project headers as \"module/file.h\""


FUNCTION_HEAD = re.compile(
    r"\)\s*(const|noexcept|override|final|mutable|&&?|->\s*[\w:<>,\s*&]+|:\s*[\w:]+[({].*)*\s*$", re.DOTALL)
CONTROL = re.compile(r"^\s*(if|for|while|switch|catch|else|do|return|namespace|enum)\b")


def function_lengths(code):
    """(first line, lines) of every outermost function or method body, by matching braces."""
    code = without_comments_and_strings(code)
    stack, head_start = [], 0
    for position, char in enumerate(code):
        if char == "{":
            head = code[head_start:position]
            inside = any(kind == "function" for kind, _ in stack)
            is_function = not inside and FUNCTION_HEAD.search(head) and not CONTROL.match(head.strip())
            stack.append(("function" if is_function else "other", position))
            head_start = position + 1
        elif char == "}":
            if stack:
                kind, start = stack.pop()
                if kind == "function":
                    first = code.count("\n", 0, start) + 1
                    yield first, code.count("\n", start, position) + 1
            head_start = position + 1
        elif char == ";" and not (stack and stack[-1][0] == "function"):
            head_start = position + 1


def check_lengths(path, code):
    lines = code.count("\n") + 1
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines; split it (limit {FILE_LINES_MAX})"
    for first, length in function_lengths(code):
        if length > FUNCTION_LINES_MAX:
            yield f"{path}:{first}: a function of {length} lines (limit {FUNCTION_LINES_MAX})"


def check_banned(path, code):
    stripped = without_comments_and_strings(code)
    for pattern, advice, exempt in BANNED:
        if exempt(path):
            continue
        for match in re.finditer(pattern, stripped):
            line = stripped.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: '{match.group(0).strip()}' is banned: {advice}"


def check_headers(root, files, compile_them):
    """A header is proven alone by a source that includes it first, else by compiling it."""
    proven = set()
    for path in files:
        if path.endswith(".cpp") and path.startswith("src/"):
            first = INCLUDE.search((root / path).read_text(encoding="utf-8"))
            any_include = re.search(r"^\s*#\s*include", (root / path).read_text(encoding="utf-8"), re.MULTILINE)
            if first and any_include and first.start() <= any_include.start():
                proven.add("src/" + first.group(1))
    headers = [p for p in files if p.startswith("src/") and p.endswith(".h")]
    for header in headers:
        if not (root / header).read_text(encoding="utf-8").startswith("//"):
            yield f"{header}: starts without a comment that says what it is for"
    if not compile_them:
        return

    def compile_alone(header):
        run = subprocess.run(COMPILER + ["-"], input=f'#include "{header[4:]}"\n', cwd=root, capture_output=True, text=True)
        return header, run

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for header, run in pool.map(compile_alone, [h for h in headers if h not in proven]):
            if run.returncode != 0:
                yield f"{header}: does not compile alone: {run.stderr.strip().splitlines()[0]}"


DOCUMENT_PATH = re.compile(
    r"(?<![\w/.:-])((?:src|docs|scripts|tools|tests|bench|cmake|examples|deploy|fuzz|ui)/[\w./-]*[\w/-])")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check_documents(root, path, text):
    base = (root / path).parent
    for number, line in enumerate(text.splitlines(), 1):
        for match in DOCUMENT_PATH.finditer(line):
            if not (root / match.group(1)).exists() and not (base / match.group(1)).exists():
                yield f"{path}:{number}: names {match.group(1)}, which does not exist"
        for match in LINK.finditer(line):
            if not (base / match.group(1)).exists():
                yield f"{path}:{number}: links to {match.group(1)}, which does not exist"


MACHINE_PATHS = re.compile("/" + r"work/\w|/" + "root/")
WEIGHTS = re.compile(r"\.(safetensors|onnx|gguf|pt|bin\.index|whl)$")


CONFLICT = re.compile(r"^(<{7}|>{7}) ")


def check_python(path, code):
    """A second function or class of one name silently replaces the first."""
    seen = set()
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name in seen:
                yield f"{path}:{node.lineno}: '{node.name}' is defined a second time"
            seen.add(node.name)


def check_hygiene(root, path):
    size = (root / path).stat().st_size
    if size > FILE_BYTES_MAX:
        yield f"{path}: {size} bytes; data sets and build output stay outside"
    if WEIGHTS.search(path):
        yield f"{path}: model weights stay outside the repository"
    if path.endswith((".md", ".py", ".sh", ".cpp", ".h", ".txt", ".toml", ".json", ".cmake", ".mjs")):
        for number, line in enumerate((root / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE_PATHS.search(line):
                yield f"{path}:{number}: a path of one machine"
            if CONFLICT.match(line):
                yield f"{path}:{number}: the marker of a merge conflict"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent, type=pathlib.Path)
    parser.add_argument("--no-compile", action="store_true", help="skip compiling headers")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    files = tracked_files(root)
    problems = []
    for path in files:
        problems += check_hygiene(root, path)
        if path.startswith("src/") and path.endswith((".h", ".cpp")):
            code = (root / path).read_text(encoding="utf-8")
            problems += check_layers(path, code)
            problems += check_lengths(path, code)
            problems += check_banned(path, code)
        if path.endswith(".py"):
            problems += check_python(path, (root / path).read_text(encoding="utf-8"))
        if path.endswith(".md") and not path.startswith("examples/docs/"):
            problems += check_documents(root, path, (root / path).read_text(encoding="utf-8"))
    problems += check_headers(root, files, not arguments.no_compile)
    for problem in problems:
        print(problem)
    print(f"{len(files)} files checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
