#!/usr/bin/env python3
"""What `transformers` computes for tiny BERT and RoBERTa models, as tests/data/encoder/golden_models.json.

usage: tools/golden_models.py [OUTPUT]       needs torch and transformers (made with 1.13 and 4.30)

The weights follow from the tensors' names (weights_of here and in golden_models_test.cpp), so only shapes, inputs and
expected outputs are stored: of each sequence the first, last and mean hidden state, or the logit of a classifier.
"""

import json
import pathlib
import random
import sys

import numpy
import torch
import transformers

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, vocab_size=120)
ROBERTA = dict(SIZES, max_position_embeddings=42, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
BERT = dict(SIZES, max_position_embeddings=40, type_vocab_size=2, pad_token_id=0)
LENGTHS = (1, 2, 7, 16, 17, 33, 40)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def weights_of(name, shape):
    """splitmix64 of the name's hash and the index, as uniform numbers; norms' weights lie around 1."""
    count = int(numpy.prod(shape))
    z = numpy.uint64(fnv1a(name)) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z = z ^ (z >> numpy.uint64(31))
    uniform = (z >> numpy.uint64(40)).astype(numpy.float32) / numpy.float32(2**23) - numpy.float32(1)
    values = uniform * numpy.float32(0.5)
    if name.endswith("LayerNorm.weight"):
        values = values + numpy.float32(1)
    return values.reshape(shape)


def fill(model, prefix):
    state = {}
    shapes = {}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        shapes[prefix + name] = list(tensor.shape)
        state[name] = torch.from_numpy(weights_of(prefix + name, tuple(tensor.shape)))
    model.load_state_dict(state, strict=False)
    return model.eval(), shapes


def rounded(values):
    return [round(float(v), 6) for v in values]


def golden(name, model_class, config, prefix="", pairs=False):
    model, shapes = fill(model_class(config), prefix)
    numbers = random.Random(name)
    cases = []
    for length in LENGTHS:
        ids = [numbers.randrange(2, config.vocab_size) for _ in range(length)]
        types = [0] * length
        if pairs and config.type_vocab_size > 1:
            types[length // 2:] = [1] * (length - length // 2)
        inputs = dict(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, length, dtype=torch.long),
                      token_type_ids=torch.tensor([types]))
        with torch.no_grad():
            output = model(**inputs)
        case = dict(ids=ids, types=types)
        if "logits" in output:
            case["logit"] = round(float(output.logits[0, 0]), 6)
        else:
            hidden = output.last_hidden_state[0]
            case.update(first=rounded(hidden[0]), last=rounded(hidden[-1]), mean=rounded(hidden.mean(0)))
        cases.append(case)
    return dict(name=name, config=config.to_diff_dict(), tensors=shapes, cases=cases)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/data/encoder/golden_models.json"
    t = transformers
    tanh = dict(hidden_act="gelu_new")
    models = [
        golden("bert_tanh_with_prefix", t.BertModel, t.BertConfig(**BERT, **tanh), prefix="model."),
        golden("roberta", t.RobertaModel, t.RobertaConfig(**ROBERTA)),
        golden("xlm_roberta", t.XLMRobertaModel, t.XLMRobertaConfig(**ROBERTA), prefix="roberta."),
        golden("bert_cross_encoder", t.BertForSequenceClassification, t.BertConfig(**BERT, num_labels=1), pairs=True),
        golden("roberta_cross_encoder", t.XLMRobertaForSequenceClassification,
               t.XLMRobertaConfig(**ROBERTA, num_labels=1), pairs=True),
    ]
    text = ",\n".join(json.dumps(model, separators=(",", ":")) for model in models)
    output.write_text("[\n" + text + "\n]\n")


if __name__ == "__main__":
    main()
