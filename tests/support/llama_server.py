"""llama.cpp's own HTTP server, as the package xllamacpp brings it, over a model file. Ends with its standard input.

usage: llama_server.py MODEL_FILE    prints its address on the first line
"""

import sys

import xllamacpp


def parameters(model):
    out = xllamacpp.CommonParams()
    out.model.path = model
    out.model_alias = {"tiny"} if isinstance(out.model_alias, set) else "tiny"
    out.hostnames = ["127.0.0.1"]
    out.port = 0
    out.n_ctx = 4096
    out.n_parallel = 2
    out.ctx_shift = True  # So that an answer can go on for ever.
    out.cpuparams.n_threads = 1
    out.warmup = False
    out.endpoint_metrics = True
    return out


if __name__ == "__main__":
    server = xllamacpp.Server(parameters(sys.argv[1]))
    print(server.listening_address, flush=True)
    sys.stdin.read()
