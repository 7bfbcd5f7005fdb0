"""Each rule of check_repository.py is broken once in a throw-away tree; each must be reported."""

import pathlib
import subprocess
import sys

import pytest

CHECK = pathlib.Path(__file__).with_name("check_repository.py")
GOOD_HEADER = "// Says what it is for.\n#pragma once\n"


def run(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    done = subprocess.run([sys.executable, CHECK, tmp_path], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_clean_tree_passes(tmp_path):
    code, out = run(tmp_path, {
        "src/base/a.h": GOOD_HEADER + "int a();\n",
        "src/http/b.cpp": '#include "base/a.h"\nint b() { return a(); }\n',
        "README.md": "See `src/base/a.h` and [the header](src/base/a.h).\n",
    })
    assert code == 0, out


LONG_FUNCTION = "int f() {\n" + "  g();\n" * 71 + "}\n"

VIOLATIONS = {
    "upward include": ({"src/base/a.cpp": '#include "http/b.h"\n', "src/http/b.h": GOOD_HEADER}, "point down only"),
    "same layer": ({"src/http/a.cpp": '#include "index/b.h"\n', "src/index/b.h": GOOD_HEADER}, "point down only"),
    "unknown module": ({"src/helpers/a.cpp": "int a;\n"}, "not in the layer table"),
    "header needs others": ({"src/base/a.h": GOOD_HEADER + "std::string a();\n"}, "does not compile alone"),
    "header without purpose": ({"src/base/a.h": "#pragma once\n"}, "what it is for"),
    "long function": ({"src/base/a.cpp": LONG_FUNCTION}, "a function of 73 lines"),
    "long method": ({"src/base/a.cpp": "namespace n {\nclass A {\n" + LONG_FUNCTION + "};\n}\n"}, "a function of 73 lines"),
    "long file": ({"src/base/a.cpp": "int a;\n" * 1001}, "split it"),
    "detached": ({"src/base/a.cpp": "void f() { spawn(asio::detached); }\n"}, "banned"),
    "sleeping test": ({"src/base/a_test.cpp": "void f() { usleep(5); }\n"}, "banned"),
    "environment": ({"src/rag/a.cpp": 'auto x = getenv("X");\n'}, "only src/server"),
    "second fetcher": ({"src/llm/a.cpp": "tcp::resolver r;\n"}, "only src/http"),
    "dead path": ({"README.md": "See `src/base/gone.h`.\n"}, "does not exist"),
    "dead link": ({"README.md": "See [this](docs/gone.md).\n"}, "does not exist"),
    "machine path": ({"a.sh": "cd /" + "root/x\n"}, "a path of one machine"),
    "machine path of figures": ({"docs/a.json": '{"encoder": "/' + 'work/copy/model"}\n'}, "a path of one machine"),
    "conflict": ({"src/base/a.cpp": "<" * 7 + " HEAD\nint a;\n"}, "merge conflict"),
    "second definition": ({"a.py": "def f():\n    return 1\n\n\ndef f():\n    return 2\n"}, "a second time"),
    "weights": ({"model.safetensors": "x"}, "weights"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_reported(tmp_path, name):
    files, message = VIOLATIONS[name]
    code, out = run(tmp_path, files)
    assert code == 1 and message in out, out


def test_words_in_comments_and_strings_are_not_code(tmp_path):
    code, out = run(tmp_path, {"src/base/a.cpp": '// asio::detached\nconst char* s = "getenv(";\n'})
    assert code == 0, out
