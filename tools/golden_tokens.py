"""Makes what the tokenizers' tests compare with, by running Hugging Face's tokenizers and Google's sentencepiece.

    tools/golden_tokens.py [OUTPUT_DIRECTORY]

Writes, by default to tests/data/tokenizer/:
    wordpiece/, unigram/, byte_level_bpe/     tokenizer.json of three small vocabularies, trained on the corpus below
    xlm_roberta/sentencepiece.bpe.model       the unigram vocabulary as SentencePiece wrote it
    roberta/vocab.json, merges.txt            the byte-level vocabulary in its older form
    golden.jsonl                              a few hundred lines: the text (or two), then the ids per directory

The corpus, which tests/functional/tokenizer_parity_test.py draws too, is every document and query of the text sets in
../shared/data (or $RAGTIME_DATA) and generated lines: all of Unicode's first two planes, scripts, emoji, controls,
combining marks, very long words. None of the data is committed: golden.jsonl has generated lines only.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
    /tmp/golden/bin/python tools/golden_tokens.py
"""

import gzip
import json
import os
import pathlib
import random
import sys
import tempfile
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("RAGTIME_DATA", ROOT.parent / "shared/data"))
SETS = ["squad-dev", "xquad-en", "xquad-zh", "cmrc2018", "cranfield", "nfcorpus", "vaswani"]
SEED = 20240229
SEPARATOR = "\u2581"

SENTENCES = [
    "Où est passé l'élève qui rêvait d'être ingénieur à Besançon ?", "Größere Flüsse führen Eisschollen über die Brücke.",
    "El pingüino comió jalapeños en la mañana; ¡qué frío!", "Żółta łódź płynie przez źródła.", "Příliš žluťoučký kůň úpěl ódy.",
    "İstanbul'da ışık ığdır IĞDIR çağrı.", "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΣΊΣΥΦΟΣ", "いろはにほへと ちりぬるを。カタカナとｶﾀｶﾅ。", "한국어 문장은 음절로 나뉩니다.",
    "النص العربي يُكتب من اليمين إلى اليسار.", "שָׁלוֹם עֲלֵיכֶם, מה נשמע?", "हिन्दी में लिखा गया एक वाक्य क़लम।", "ภาษาไทยเขียนติดกันโดยไม่เว้นวรรค",
    "Tiếng Việt có rất nhiều dấu thanh.", "ჩვენ ვწერთ ქართულად.", "我们今天去图书馆看书，明天再去医院。", "他們說繁體中文也要支援。",
    "The quick brown fox can't jump over 1,234 lazy dogs; we'll see what they've done, I'm told she'd 'said' so.",
]
NASTY = [
    "", " ", "  ", "   a", "a   ", " a  b   c ", "\t", "\n", "a\n\nb", " \n ", "a \n b", "\r\n", "a\r\nb", "\u00a0\u3000\u2003x\u2003", "\x85y",
    "'s 't 're 've 'm 'll 'd 'S 'LL it's we're I'll he'd 'x", "a's b'm''s '", "1st 2nd 3½ ²³ ⅷ Ⅻ ①②", "a1b2c3 12 34,56",
    "👨‍👩‍👧‍👦 family 👍🏽! 🇨🇳🇫🇷🇩🇪🇨 5️⃣ *️⃣ ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 text\ufe0e", "e\u0301 \u00e9 A\u030a \u1e69 s\u0323\u0307 \u0301 \u0301\u0301", "ﬁne ﬂour ½ cup № 5 ™ ㎏ ｱﾞ ｶﾞ",
    "Ｆｕｌｌ ｗｉｄｔｈ　１２３", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯", "\u202eright to left\u202c \u200fمرحبا\u200e", "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", "\x00", "a\x00b\x01\x02\x7f\x80\x9f",
    "\ufffd \ue000 \U000f0000 \U0010ffff \ufdd0", "\u1100\u1161\u11a8 \u1100\u1161\u11a8\u11a8 가각", "\u0e01\u0e33 \u0e40\u0e01", "क्षि ক্ষ க்ஷ", "\u0600\u0661 \u06dd1", "ਖ਼ क़ \u0958\u0301",
    "<s>", "</s>", "<unk> <pad>", "a <mask> b", "a<mask>b   <mask>", "[CLS] x [SEP] [MASK] [mask]", "<s>a</s></s>b</s>", "< s > <mask", "<<mask>>", "\u2581", "a\u2581b", "\u2581\u2581 a", " \u2581a",
    "x" * 300, "ab" * 3000, "é" * 500, "字" * 700, "👍" * 300, "1" * 400, " " * 500, "." * 500, "a " * 500, "\u0301" * 300, "ſ K Å ß ẞ ŉ ǰ ΐ İ ı", "<0x41> \U00020000\U0002f800 豈",
    "int main() { return 0; }\n\treturn x->y[3] != 0x1F;", "C:\\Users\\me\\file_v2.3-rc1.tar.gz", "https://example.org/a?b=c&d=%20#e", "¯\\_(ツ)_/¯ (╯°□°)╯︵ ┻━┻",
]


def read_texts(name):
    for file in ("corpus", "queries"):
        with gzip.open(DATA / name / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield " ".join(filter(None, (record.get("title", ""), record["text"])))


def data_lines():
    """Every text of the sets, duplicates dropped; empty when the data is absent."""
    return list(dict.fromkeys(text for name in SETS if (DATA / name).exists() for text in read_texts(name)))


def code_point_lines(step=8):
    """Every code point of the planes 0, 1 and 14, with neighbours, some to a line; ideographs and syllables thinned out."""
    points = [c for c in (*range(0x20000), *range(0xE0000, 0xE0200)) if not 0xD800 <= c < 0xE000
              and not ((0x3400 <= c < 0x9FFF or 0xAC00 <= c < 0xD7A3 or 0x17000 <= c < 0x18D00 or 0x1B170 <= c < 0x1B2FC
                        or 0xE000 <= c < 0xF8FF) and c % 23)]
    for begin in range(0, len(points), step):
        yield " ".join(f"a{chr(c)}b {chr(c)} 1{chr(c)}" for c in points[begin:begin + step])


def random_lines(rng, count):
    """Words of one script each, with marks, spaces and punctuation of all kinds between them."""
    blocks = [(0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F), (0x5D0, 0x5EA), (0x600, 0x6FF),
              (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF),
              (0x1200, 0x137F), (0x1E00, 0x1EFF), (0x3040, 0x30FF), (0x3100, 0x312F), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
              (0xFB50, 0xFDFF), (0xFF01, 0xFFDC), (0x1F300, 0x1F64F), (0x300, 0x36F), (0x2100, 0x214F), (0x30, 0x39)]
    glue = [" ", " ", " ", "  ", "\n", "\t", ", ", ". ", "-", "'", "", "\u3000", "\u200d", "\u0301", "\ufe0f", "\u00a0", "…", "'s ", "(", ") "]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 12)):
            low, high = rng.choice(blocks)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 7))) + rng.choice(glue))
        yield "".join(parts)


def nasty_lines():
    rng = random.Random(SEED)
    return SENTENCES + NASTY + list(random_lines(rng, 4000)) + list(code_point_lines())


def corpus():
    return data_lines() + nasty_lines()


def pairs(lines, count):
    rng = random.Random(SEED + 1)
    return [(rng.choice(lines), rng.choice(lines)) for _ in range(count)]


def training_lines():
    lines = data_lines()
    random.Random(SEED + 2).shuffle(lines)
    return [line.replace("\n", " ")[:2000] for line in lines[:6000]] + SENTENCES * 20


def normalization_rules(path):
    """A part of NFKC, so that the compiled rules stay small."""
    ranges = [(0xA0, 0xFF), (0x132, 0x133), (0x1C4, 0x1CC), (0x958, 0x95F), (0xE33, 0xE33), (0x1E00, 0x1E99), (0x2000, 0x200A),
              (0x2070, 0x209C), (0x2100, 0x2128), (0x2150, 0x217F), (0x2460, 0x24EA), (0x3131, 0x3163), (0x3380, 0x33DF),
              (0xF900, 0xF940), (0xFB00, 0xFB06), (0xFE70, 0xFEFC), (0xFF01, 0xFF9F), (0x1D400, 0x1D433)]
    rules = {"\t": " ", "\n": " ", "\r": " ", "\u3000": " ", "\u200b": "", "\ufeff": "", "\x01": "", "\x7f": "", "\u0951": ""}
    for low, high in ranges:
        for code in range(low, high + 1):
            rules[chr(code)] = unicodedata.normalize("NFKC", chr(code))
            rules[unicodedata.normalize("NFD", chr(code))] = unicodedata.normalize("NFKC", chr(code))
    hexadecimal = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{hexadecimal(k)}\t{hexadecimal(v)}\n" for k, v in rules.items() if k != v))


def train_sentencepiece(directory, vocabulary_size, **options):
    """Returns the file of a unigram model trained on the corpus."""
    import sentencepiece

    texts = directory / "train.txt"
    texts.write_text("\n".join(training_lines()), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(input=str(texts), model_prefix=str(directory / "trained"), model_type="unigram",
                                             vocab_size=vocabulary_size, character_coverage=0.98, num_threads=1,
                                             minloglevel=2, **options)
    return directory / "trained.model"


def xlm_roberta_from(model_file):
    """The tokenizer that transformers makes of XLM-RoBERTa's sentencepiece.bpe.model."""
    from sentencepiece import sentencepiece_model_pb2 as format_
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    model = format_.ModelProto.FromString(model_file.read_bytes())
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(piece.piece, piece.score) for piece in model.pieces[3:]] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 3))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), SEPARATOR)])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SEPARATOR, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def train_byte_level_bpe(vocabulary_size):
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(training_lines(), trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def train_wordpiece(vocabulary_size):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(training_lines(), trainers.WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=special, show_progress=False, limit_alphabet=700))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def save(tokenizer, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")


def golden_lines():
    rng = random.Random(SEED + 3)
    lines = SENTENCES + [line for line in NASTY if len(line) < 600] + list(random_lines(rng, 120))
    every = list(code_point_lines())
    return lines + rng.sample(every[:200], 20) + rng.sample(every, 40)


def write_golden(output, tokenizers):
    lines = golden_lines()
    with open(output / "golden.jsonl", "w", encoding="ascii") as file:
        for texts in [(line,) for line in lines] + pairs(lines, 40):
            ids = {name: [e.ids, e.type_ids] if len(texts) == 2 else e.ids
                   for name, e in ((name, t.encode(*texts)) for name, t in tokenizers.items())}
            file.write(json.dumps({"texts": texts, "ids": ids}, separators=(",", ":")) + "\n")
    print(f"{len(lines)} lines and 40 pairs -> {output / 'golden.jsonl'}")


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    if not data_lines():
        sys.exit(f"{DATA} has no texts; RAGTIME_DATA names another place")
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT / "tests/data/tokenizer"
    with tempfile.TemporaryDirectory() as work:
        rules = pathlib.Path(work) / "rules.tsv"
        normalization_rules(rules)
        model = train_sentencepiece(pathlib.Path(work), 3000, normalization_rule_tsv=str(rules))
        (output / "xlm_roberta").mkdir(parents=True, exist_ok=True)
        (output / "xlm_roberta/sentencepiece.bpe.model").write_bytes(model.read_bytes())
    tokenizers = {"wordpiece": train_wordpiece(3000), "byte_level_bpe": train_byte_level_bpe(3000),
                  "unigram": xlm_roberta_from(output / "xlm_roberta/sentencepiece.bpe.model")}
    for name, tokenizer in tokenizers.items():
        save(tokenizer, output / name)
    (output / "roberta").mkdir(exist_ok=True)
    tokenizers["byte_level_bpe"].model.save(str(output / "roberta"))
    write_golden(output, tokenizers)


if __name__ == "__main__":
    main()
