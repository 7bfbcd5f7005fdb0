"""Writes a tiny random language model in GGUF format: two layers, a few hundred words, nothing learned.

It says words without sense, quickly and forever, which is all that a test of a real model server needs. Nothing of it
is kept. Needs the packages gguf and numpy.

usage: tiny_gguf.py FILE
"""

import sys

import gguf
import numpy as np

LAYERS, WIDTH, HEADS, HIDDEN, CONTEXT = 2, 64, 4, 128, 2048
SYLLABLES = ["ra", "ti", "mo", "ken", "lu", "sa", "vo", "del", "ni", "par"]
TEMPLATE = ("{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
            "{% if add_generation_prompt %}assistant:{% endif %}")


def vocabulary():
    """Tokens, scores and kinds of a sentencepiece vocabulary: bytes, so that any text can be read, and words."""
    words = [f"▁{a}{b}" for a in SYLLABLES for b in SYLLABLES]
    normal, byte, control, unknown = (int(kind) for kind in (gguf.TokenType.NORMAL, gguf.TokenType.BYTE,
                                                             gguf.TokenType.CONTROL, gguf.TokenType.UNKNOWN))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + words
    kinds = [unknown, control, control] + [byte] * 256 + [normal] * len(words)
    return tokens, [-float(i) for i in range(len(tokens))], kinds, len(words)


def write(path, seed=7):
    random = np.random.default_rng(seed)
    tokens, scores, kinds, words = vocabulary()

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    # The first dimension is the same everywhere; through it words are likely, bytes never, and the end seldom.
    embedding, output = matrix(len(tokens), WIDTH), matrix(len(tokens), WIDTH) * 4
    embedding[:, 0] = 3
    output[:, 0] = -8
    output[-words:, 0] = 1
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", embedding)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(WIDTH, WIDTH) * 0.5)
        for name, rows, columns in (("ffn_gate", HIDDEN, WIDTH), ("ffn_up", HIDDEN, WIDTH), ("ffn_down", WIDTH, HIDDEN)):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(rows, columns) * 0.5)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
