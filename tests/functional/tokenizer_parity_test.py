"""Every tokenizer against Hugging Face's on at least 20,000 real lines, the nasty ones, and pairs: equal token by token."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import golden_tokens as golden  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")
PROGRAM = pathlib.Path(os.environ.get("ENCODER_TOKENIZE", ROOT / "build/release/tests/encoder_tokenize"))
FILES = ROOT / "tests/data/tokenizer"


def ours(directory, texts, tokens_max=None):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = [str(PROGRAM), str(directory)] + ([str(tokens_max)] if tokens_max else [])
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def theirs(tokenizer, texts):
    out = []
    for begin in range(0, len(texts), 1000):  # An encoding is large; few are alive at a time.
        part = texts[begin:begin + 1000]
        encoded = tokenizer.encode_batch([tuple(text) if isinstance(text, list) else text for text in part])
        out += [[e.ids, e.type_ids] if isinstance(text, list) else e.ids for text, e in zip(part, encoded)]
    return out


def compare(directory, tokenizer, texts, tokens_max=None):
    tokenizer.no_truncation()
    if tokens_max:
        tokenizer.enable_truncation(tokens_max)
    mine, expected = ours(directory, texts, tokens_max), theirs(tokenizer, texts)
    assert len(mine) == len(expected)
    different = [i for i in range(len(texts)) if mine[i] != expected[i]]
    print(f"{directory.name}: {len(texts)} texts, {len(different)} different")
    assert not different, [(texts[i], mine[i], expected[i]) for i in different[:3]]


def make_xlm_roberta_with_all_rules(directory):
    model = golden.train_sentencepiece(directory, 4000, normalization_rule_name="nmt_nfkc")
    return golden.xlm_roberta_from(model)


def make_old_xlm_roberta(directory):
    """White space first, as older files have it; bytes for what is unknown."""
    model = golden.train_sentencepiece(directory, 4000, normalization_rule_name="nmt_nfkc", byte_fallback=True)
    parts = json.loads(golden.xlm_roberta_from(model).to_str())
    parts["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {
        "type": "Metaspace", "replacement": golden.SEPARATOR, "prepend_scheme": "always", "split": True}]}
    parts["normalizer"] = parts["normalizer"]["normalizers"][0]
    parts["model"]["byte_fallback"] = True
    return tokenizers.Tokenizer.from_str(json.dumps(parts))


def change(name, **changes):
    parts = json.loads((FILES / name / "tokenizer.json").read_text())
    model = changes.pop("model", {})
    parts.update(changes)
    parts["model"].update(model)
    return tokenizers.Tokenizer.from_str(json.dumps(parts))


def make_unigram_first(directory):
    return change("unigram", pre_tokenizer={"type": "Metaspace", "replacement": golden.SEPARATOR, "prepend_scheme": "first",
                                            "split": False},
                  normalizer={"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}, {
                      "type": "Strip", "strip_left": True, "strip_right": True}]})


def make_unigram_accents(directory):
    return change("unigram", normalizer={"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {
        "type": "NFC"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "bb"}]})


def make_bpe_prefix(directory):
    return change("byte_level_bpe", normalizer={"type": "NFC"},
                  pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                  post_processor={"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}, model={"ignore_merges": True})


def make_bpe_whole(directory):
    return change("byte_level_bpe", post_processor=None, pre_tokenizer={
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False})


MADE = [make_xlm_roberta_with_all_rules, make_old_xlm_roberta, make_unigram_first, make_unigram_accents, make_bpe_prefix,
        make_bpe_whole]


@pytest.fixture(scope="module")
def lines():
    real = golden.data_lines()
    if not real:
        pytest.skip(f"{golden.DATA} has no texts; RAGTIME_DATA names another place")
    assert len(real) >= 20_000
    return real + golden.nasty_lines()


@pytest.mark.parametrize("files, reference", [("wordpiece", "wordpiece"), ("unigram", "unigram"), ("xlm_roberta", "unigram"),
                                              ("byte_level_bpe", "byte_level_bpe"), ("roberta", "byte_level_bpe")])
def test_committed_vocabularies(lines, files, reference):
    tokenizer = tokenizers.Tokenizer.from_file(str(FILES / reference / "tokenizer.json"))
    compare(FILES / files, tokenizer, lines)
    pairs = [list(pair) for pair in golden.pairs(lines, 3000)]
    compare(FILES / files, tokenizer, pairs)
    for tokens_max in (16, 63, 128):
        compare(FILES / files, tokenizer, lines[::20], tokens_max)
        compare(FILES / files, tokenizer, pairs, tokens_max)


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_other_pipelines(lines, make, tmp_path):
    pytest.importorskip("sentencepiece")
    if "xlm_roberta" in make.__name__ and not golden.data_lines():
        pytest.skip("there is nothing to train on")
    tokenizer = make(tmp_path)
    golden.save(tokenizer, tmp_path / "model")
    compare(tmp_path / "model", tokenizer, lines)
    compare(tmp_path / "model", tokenizer, [list(pair) for pair in golden.pairs(lines, 1000)])
