"""Makes the golden values that the encoder's test compares with, by running sentence-transformers.

    tools/golden_embeddings.py MODEL_DIRECTORY [OUTPUT_DIRECTORY]

Writes, by default to tests/data/encoder/:
    texts.jsonl      200 varied texts, one object each: kind, text, token ids (special tokens included, truncated)
    embeddings.f16   their embeddings, 200 rows of little-endian float16, in the same order

The committed files come from all-MiniLM-L6-v2 (scripts/fetch_model.sh) in f32 on the CPU with torch 1.13.1,
sentence-transformers 2.2.2, transformers 4.30.2 and tokenizers 0.13.3. On Debian 12:

    apt install python3-torch python3-venv
    /usr/bin/python3 -m venv --system-site-packages /tmp/golden
    /tmp/golden/bin/pip install --no-deps sentence-transformers==2.2.2 transformers==4.30.2 tokenizers==0.13.3 \
        huggingface_hub==0.16.4 safetensors==0.3.1 'numpy<2'
    /tmp/golden/bin/pip install tqdm filelock packaging regex requests scikit-learn nltk sentencepiece pillow
    HF_HUB_OFFLINE=1 /tmp/golden/bin/python tools/golden_embeddings.py build/models/all-MiniLM-L6-v2
"""

import json
import pathlib
import random
import sys

ENGLISH = {
    "subject": ["The server", "A second replica", "Our oldest customer", "The compiler", "Nobody", "The harbour pilot",
                "An index of postings", "The committee", "Her grandmother", "The third experiment"],
    "verb": ["rejected", "quietly rebuilds", "has measured", "could not explain", "postponed", "will replace",
             "remembers", "translated", "underestimated", "photographs"],
    "object": ["the broken bridge", "every request after the deadline", "a list of 1,024 names", "the tax report of 1997",
               "twelve vectors per document", "the recipe for rye bread", "an unpublished theorem",
               "its own configuration file", "the timetable", "a shipment of bicycles"],
    "rest": ["before sunrise.", "because the cache was cold.", "without asking anyone!", "in less than 3.5 milliseconds.",
             "- or so the minutes say.", "and then went home.", "for the second time this week?", "near the river.",
             "while the pump was running (again).", "at $4.20 a piece."],
}
CHINESE = {
    "subject": ["向量数据库", "这家医院的急诊科", "第三季度的财务报告", "他的祖父", "检索服务", "新的编译器", "图书馆管理员", "北京的冬天"],
    "verb": ["重新建立了", "很少提到", "每天处理", "无法解释", "终于发布了", "取代了", "仔细记录着", "需要"],
    "object": ["全部的索引文件", "三千多个请求", "一份很长的名单", "旧的配置", "几种常见的药物", "混合检索的权重", "下一代系统", "两座桥梁"],
    "rest": ["。", ",因为缓存已经失效。", "!", ",而且没有通知任何人。", "吗?", ";随后就回家了。", "(见附录)。", ",耗时3.5毫秒。"],
}
WORLD = [
    "Où est passé l'élève qui rêvait d'être ingénieur à Besançon ?", "Größere Flüsse führen Eisschollen über die Öresundbrücke.",
    "El pingüino comió jalapeños en la mañana; ¡qué frío!", "Żółta łódź płynie przez źródła.", "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "İstanbul'da ışık ığdır IĞDIR çağrı.", "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΣΊΣΥΦΟΣ", "いろはにほへと ちりぬるを。カタカナとｶﾀｶﾅ。", "한국어 문장은 음절로 나뉩니다.",
    "النص العربي يُكتب من اليمين إلى اليسار.", "שָׁלוֹם עֲלֵיכֶם, מה נשמע?", "हिन्दी में लिखा गया एक वाक्य।",
    "ภาษาไทยเขียนติดกันโดยไม่เว้นวรรค", "Tiếng Việt có rất nhiều dấu thanh.", "ჩვენ ვწერთ ქართულად.",
    "e\u0301 versus \u00e9, A\u030a versus \u00c5, \u1e69 versus s\u0323\u0307", "ﬁne ﬂour ½ cup № 5 ™ © ⅷ ㎏", "Ｆｕｌｌ ｗｉｄｔｈ　ｌｅｔｔｅｒｓ １２３",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 and 𝒮𝒸𝓇𝒾𝓅𝓉 letters",
]
EMOJI = [
    "😀", "🎉🎉🎉", "Great job 👍🏽!", "I ❤️ hybrid search", "👨‍👩‍👧‍👦 family", "🇨🇳🇫🇷🇩🇪", "天气很好☀️出去玩🏖️", "🤣 🥰 🫠 new and old ☺ ☹",
    "5️⃣ keycaps *️⃣ #️⃣", "¯\\_(ツ)_/¯", "(╯°□°)╯︵ ┻━┻", "→ ⇒ ∀x∈ℝ: ⌈x⌉ ≥ x", "★☆✓✗ ♠♣♥♦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 tag sequence", "text\ufe0e vs emoji\ufe0f",
]
CODE = [
    "int main() { return 0; }", "for (auto&& [key, value] : map) total += value->size();", "SELECT COUNT(*) FROM t WHERE a <> 'b';",
    "def f(x: int = 3) -> list[str]:\n    return [str(i) for i in range(x)]", "curl -s http://127.0.0.1:8000/v1/models | jq '.data[0].id'",
    "<div class=\"a b\">Tom &amp; Jerry</div>", "ef_construction=200, M=16, max_num_seqs:32", "C:\\Users\\me\\file_v2.3-rc1.tar.gz",
]
PUNCTUATION = ["!!!", "a.b,c;d:e!f?g", "«Quoted» ‘text’ “here” … – —", "、。《书名》「引用」【注】", "$€£¥ ^ ` ~ + = < > |", "don't can't it's o'clock"]
WHITESPACE = ["", " ", "\n\t \r\n", "\u00a0\u3000\u2003", "  padded \n text\t"]
CONTROL = ["a\u0000b", "bell\u0007 and\u001b[31m red", "zero\u200bwidth\u200djoin\ufeff", "soft\u00adhyphen \u2028line\u2029paragraph\u0085next",
           "repl\ufffdaced \ue000private \U000f0000", "\u0001\u0002\u0003"]
SPECIAL = ["[CLS] first [SEP] second [MASK]", "[cls][Sep] [PAD][UNK]x", "[[MASK]]##ing ##"]
ODD = ["a\u061db a\u166db a\u1734b a\u0890b", "x\u1885y x\ua9bdy \U000111c9", "\u2b820 \U0002b820\U0002b920\U00020000 \uf900\U0002f800",
       "\u3007\u3400\u9fff\ua000", "\u0378 unassigned \U0001fae8 \u20c0"]


def sentence(rng, parts, separator):
    return separator.join(rng.choice(parts[part]) for part in ("subject", "verb", "object", "rest"))


def english(rng):
    return sentence(rng, ENGLISH, " ")


def chinese(rng):
    return sentence(rng, CHINESE, "")


def repeat(make, rng, count, separator=" "):
    return separator.join(make(rng) for _ in range(count))


def long_words(rng):
    letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(99))
    return [letters, letters + "z", letters + "zz", "Donaudampfschifffahrtsgesellschaftskapitän",
            "x" * 5000 + " tail", "pneumonoultramicroscopicsilicovolcanoconiosis is a word", "é" * 100 + " " + "é" * 101]


def make_texts():
    rng = random.Random(20240229)
    texts = [("whitespace", text) for text in WHITESPACE]
    for kind, items in (("control", CONTROL), ("special", SPECIAL), ("odd", ODD), ("world", WORLD), ("emoji", EMOJI),
                        ("code", CODE), ("punctuation", PUNCTUATION), ("long_word", long_words(rng))):
        texts += [(kind, text) for text in items]
    texts += [("english", repeat(english, rng, rng.choice((1, 1, 2, 3, 8)))) for _ in range(50)]
    texts += [("chinese", repeat(chinese, rng, rng.choice((1, 1, 2, 4)), "")) for _ in range(40)]
    texts += [("mixed", repeat(rng.choice((english, chinese)), rng, rng.choice((2, 3, 5)))) for _ in range(20)]
    # Around the limit of 256 tokens, and far beyond it.
    texts += [("limit", "word " * count) for count in (253, 254, 255, 256, 257)]
    texts += [("2000_tokens", repeat(english, rng, 130)), ("2000_tokens", repeat(chinese, rng, 90, "")),
              ("2000_tokens", repeat(chinese, rng, 40) + " " + repeat(english, rng, 60))]
    while len(texts) < 200:
        texts.append(("short", " ".join(rng.choice(english(rng).split()) for _ in range(rng.randint(1, 6)))))
    assert len(texts) == 200, len(texts)
    return texts


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    import numpy
    from sentence_transformers import SentenceTransformer

    default = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "encoder"
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else default
    output.mkdir(parents=True, exist_ok=True)
    model = SentenceTransformer(sys.argv[1], device="cpu")
    texts = make_texts()
    # One text at a time: no padding, so that nothing but the text decides its vector.
    vectors = model.encode([text for _, text in texts], batch_size=1, convert_to_numpy=True)
    with open(output / "texts.jsonl", "w", encoding="ascii") as file:
        for kind, text in texts:
            tokens = model.tokenize([text])["input_ids"][0].tolist()
            file.write(json.dumps({"kind": kind, "text": text, "tokens": tokens}, separators=(",", ":")) + "\n")
    (output / "embeddings.f16").write_bytes(vectors.astype("<f2").tobytes())
    print(f"{len(texts)} texts, {vectors.shape[1]} dimensions -> {output}")


if __name__ == "__main__":
    main()
