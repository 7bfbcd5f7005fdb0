"""One peer of `bench/encoder.py` as a process: reads a JSON command per line, answers with a JSON object per line.

usage (by bench/encoder.py, with the peers' interpreter): encoder_peers.py ENGINE MODEL RERANK_MODEL CACHE
ENGINE: torch-f32, torch-bf16, onnx-f32, onnx-int8. "prepare" makes what the others load and ends.

Commands: {"do": "measure", "threads", "mode": "single"|"bulk"|"rerank", "ids" | "texts" | "pairs", "batch", "seconds"}
          "ids" are rows of token numbers, special tokens included: the forward pass and pooling alone, without a tokenizer
          {"do": "multiply", "threads"}: what the engine's library reaches in a plain matrix product, in GFLOP/s
          {"do": "embed", "texts", "threads"}: vectors, base64 of float32
"""

import base64
import json
import math
import os
import pathlib
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
EXPORT_NAMES = ["input_ids", "attention_mask", "token_type_ids"]


class TorchPeer:
    """sentence-transformers and its CrossEncoder, on the CPU."""

    def __init__(self, precision, model, rerank_model):
        import torch
        import sentence_transformers
        self.torch = torch
        self.dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
        options = {"device": "cpu", "model_kwargs": {"dtype": self.dtype}}
        self.model = sentence_transformers.SentenceTransformer(model, **options)
        self.rerank_path, self.rerank_options = rerank_model, options
        self.ranker = None
        self.tokenizer = self.model.tokenizer
        self.versions = {"torch": torch.__version__, "sentence-transformers": sentence_transformers.__version__}

    def set_threads(self, threads):
        self.torch.set_num_threads(threads)

    def embed(self, texts, batch):
        return self.model.encode(texts, batch_size=batch, show_progress_bar=False)

    def batches(self, ids, batch):
        rows = self.torch.tensor(ids)
        return [{"input_ids": part, "attention_mask": self.torch.ones_like(part), "token_type_ids": self.torch.zeros_like(part)}
                for part in rows.split(batch)]

    def forward(self, batch):
        with self.torch.inference_mode():
            return self.model(dict(batch))["sentence_embedding"]

    def rank(self, pairs, batch):
        if self.ranker is None:
            from sentence_transformers import CrossEncoder
            self.ranker = CrossEncoder(self.rerank_path, max_length=512, **self.rerank_options)
        return self.ranker.predict(pairs, batch_size=batch, show_progress_bar=False)

    def multiply(self):
        """A product of the model's shape: 2048 tokens by the 384 x 1536 weights of the feed-forward layer."""
        a = self.torch.randn(2048, 384).to(self.dtype)
        layer = self.torch.nn.Linear(384, 1536).to(self.dtype)
        with self.torch.inference_mode():
            best = min(timed(lambda: layer(a)) for _ in range(20))
        return 2 * 2048 * 384 * 1536 / best / 1e9


class OnnxPeer:
    """ONNX Runtime on the exported graph, with the `tokenizers` package; pooling is part of the graph."""

    def __init__(self, precision, model, cache):
        import onnxruntime
        import tokenizers
        self.ort = onnxruntime
        self.precision, self.cache = precision, pathlib.Path(cache)
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(512)
        self.threads, self.sessions = 1, {}
        self.versions = {"onnxruntime": onnxruntime.__version__, "tokenizers": tokenizers.__version__}

    def set_threads(self, threads):
        self.threads = threads

    def session(self, graph):
        key = (graph, self.threads)
        if key not in self.sessions:
            options = self.ort.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
            options.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_ALL
            self.sessions[key] = self.ort.InferenceSession(str(self.cache / f"{graph}-{self.precision}.onnx"), options,
                                                           providers=["CPUExecutionProvider"])
        return self.sessions[key]

    def embed(self, texts, batch):
        return self.run("embed", texts, batch)

    def batches(self, ids, batch):
        rows = np.array(ids, np.int64)
        return [dict(zip(EXPORT_NAMES, (rows[i:i + batch], np.ones_like(rows[i:i + batch]), np.zeros_like(rows[i:i + batch]))))
                for i in range(0, len(rows), batch)]

    def forward(self, batch):
        return self.session("embed").run(None, batch)

    def rank(self, pairs, batch):
        return self.run("rerank", [tuple(pair) for pair in pairs], batch)

    def run(self, graph, inputs, batch):
        """As sentence-transformers does it: sorted by length, padded to the longest of each batch."""
        encodings = self.tokenizer.encode_batch(inputs)
        order = sorted(range(len(inputs)), key=lambda i: -len(encodings[i]))
        session, rows = self.session(graph), [None] * len(inputs)
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            for index, row in zip(chosen, session.run(None, self.padded([encodings[i] for i in chosen]))[0]):
                rows[index] = row
        return np.stack(rows)

    @staticmethod
    def padded(encodings):
        shape = (len(encodings), max(map(len, encodings)))
        feeds = {name: np.zeros(shape, np.int64) for name in EXPORT_NAMES}
        for row, encoding in enumerate(encodings):
            for name, values in zip(EXPORT_NAMES, (encoding.ids, encoding.attention_mask, encoding.type_ids)):
                feeds[name][row, :len(values)] = values
        return feeds


def timed(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def calls_of(peer, command):
    """What warms up, and the things to time: one per query in turn, or the whole bulk at once."""
    batch = command.get("batch", 32)
    if "pairs" in command:
        return lambda: peer.rank(command["pairs"][:batch], batch), [lambda: peer.rank(command["pairs"], batch)]
    if "texts" in command:
        return lambda: peer.embed(command["texts"][:batch], batch), [lambda: peer.embed(command["texts"], batch)]
    single = command["mode"] == "single"
    batches = peer.batches(command["ids"], 1 if single else batch)
    warm = lambda: peer.forward(batches[0])
    if single:
        return warm, [lambda one=one: peer.forward(one) for one in batches]
    return warm, [lambda: [peer.forward(one) for one in batches]]


def measure(peer, command):
    """Repeats the case for `seconds`, after a warm-up; one query at least ten times."""
    warm, calls = calls_of(peer, command)
    warm()
    times, started = [], time.perf_counter()
    least = 10 if command["mode"] == "single" and command["seconds"] else 1
    while len(times) < least or (time.perf_counter() - started < command["seconds"] and len(times) < 1000):
        times.append(timed(calls[len(times) % len(calls)]))
    milliseconds = np.array(times) * 1e3
    return {"p50_ms": float(np.percentile(milliseconds, 50)), "p99_ms": float(np.percentile(milliseconds, 99)),
            "seconds_per_call": float(np.median(times)), "calls": len(times)}


def export(graph, example, path, outputs):
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    full, small = path.with_name(path.name + "-f32.onnx"), path.with_name(path.name + "-int8.onnx")
    axes = {name: {0: "batch", 1: "length"} for name in EXPORT_NAMES} | {name: {0: "batch"} for name in outputs}
    torch.onnx.export(graph, example, str(full), input_names=EXPORT_NAMES, output_names=outputs, dynamic_axes=axes,
                      dynamo=False, opset_version=17)
    quantize_dynamic(str(full), str(small), weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def plain_bert(model, head):
    """BERT written out so that the exporter keeps its shape free and the runtime finds its fusions; checked against
    the model before it is exported. `head` maps the last hidden states and the mask to the output."""
    import torch

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert, self.head = model, head

        def forward(self, ids, mask, types):
            embeddings, config = self.bert.embeddings, self.bert.config
            heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
            split = lambda t: t.view(t.shape[0], t.shape[1], heads, width).permute(0, 2, 1, 3)
            x = embeddings.word_embeddings(ids) + embeddings.position_embeddings(embeddings.position_ids[:, :ids.shape[1]])
            x = embeddings.LayerNorm(x + embeddings.token_type_embeddings(types))
            bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
            for layer in self.bert.encoder.layer:
                own = layer.attention.self
                q, k, v = split(own.query(x)), split(own.key(x)), split(own.value(x))
                weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(width) + bias, -1)
                mixed = (weights @ v).permute(0, 2, 1, 3).contiguous().view(x.shape[0], x.shape[1], heads * width)
                x = layer.attention.output.LayerNorm(layer.attention.output.dense(mixed) + x)
                inner = torch.nn.functional.gelu(layer.intermediate.dense(x))
                x = layer.output.LayerNorm(layer.output.dense(inner) + x)
            return self.head(x, mask)

    return Plain().eval()


def make_rerank_model(model, target):
    """A cross-encoder of MiniLM-L6 shape with random weights: speed does not depend on them."""
    import shutil
    import torch
    from transformers import AutoConfig, BertForSequenceClassification
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(model, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(target)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (pathlib.Path(model) / name).exists():
            shutil.copyfile(pathlib.Path(model) / name, pathlib.Path(target) / name)


def prepare(model, rerank_model, cache):
    import torch
    from transformers import AutoModel, BertForSequenceClassification
    cache = pathlib.Path(cache)
    make_rerank_model(model, rerank_model)
    ids = torch.randint(1000, 20000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    example = (ids, mask, torch.zeros_like(ids))

    def pooled(x, mask):
        weights = mask[:, :, None].to(x.dtype)
        return torch.nn.functional.normalize((x * weights).sum(1) / weights.sum(1))

    bert = AutoModel.from_pretrained(model).eval().requires_grad_(False)
    ranker = BertForSequenceClassification.from_pretrained(rerank_model).eval().requires_grad_(False)
    classified = lambda x, mask: ranker.classifier(torch.tanh(ranker.bert.pooler.dense(x[:, 0])))
    graphs = {"embed": plain_bert(bert, pooled), "rerank": plain_bert(ranker.bert, classified)}
    with torch.inference_mode():
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.allclose(graphs["embed"](*example), pooled(hidden, mask), atol=1e-5)
        assert torch.allclose(graphs["rerank"](*example), ranker(input_ids=ids, attention_mask=mask).logits, atol=1e-5)
    for name, graph in graphs.items():
        export(graph, example, cache / name, ["output"])


def answer(peer, command):
    threads = command["threads"]
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    peer.set_threads(threads)
    if command["do"] == "measure":
        return measure(peer, command)
    if command["do"] == "multiply":
        return {"gflops": peer.multiply()}
    rows = np.ascontiguousarray(peer.embed(command["texts"], 32), dtype=np.float32)
    return {"rows": len(rows), "values": base64.b64encode(rows.tobytes()).decode()}


def main():
    engine, model, rerank_model, cache = sys.argv[1:5]
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if engine == "prepare":
        return prepare(model, rerank_model, cache)
    library, precision = engine.split("-")
    peer = TorchPeer(precision, model, rerank_model) if library == "torch" else OnnxPeer(precision, model, cache)
    print(json.dumps({"ready": engine, "versions": peer.versions}), file=replies)
    for line in sys.stdin:
        print(json.dumps(answer(peer, json.loads(line))), file=replies)


if __name__ == "__main__":
    main()
