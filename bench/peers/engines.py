"""The inference peers behind two calls: prefill(tokens), and generate(tokens, n) -> (clock, processor) stamp of each
new token."""
import ctypes
import os
import time

import numpy as np

from common import SHAPES


def now():
    return time.perf_counter(), time.process_time()


def tokens_for(shape_vocab, n):
    return np.random.default_rng(7).integers(10, shape_vocab - 10, n).tolist()


class HuggingFace:
    """transformers' own modelling code: eval, inference_mode; variant is the attention ('sdpa' unless said)."""

    def __init__(self, path, dtype, threads, variant=""):
        import torch
        import transformers
        torch.set_num_threads(threads)
        self.torch, self.version = torch, f"transformers {transformers.__version__}, torch {torch.__version__}"
        kw = {"attn_implementation": variant or "sdpa"}
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype), **kw).eval()
        import inspect
        known = inspect.signature(type(self.model).forward).parameters
        self.last = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    def prefill(self, tokens):
        with self.torch.inference_mode():
            out = self.model(input_ids=self.torch.tensor([tokens]), use_cache=True, **self.last)
            return out.logits[0, -1]

    def generate(self, tokens, n):
        stamps = []

        class Clock:
            def put(self, _):
                stamps.append(now())

            def end(self):
                pass
        with self.torch.inference_mode():
            ids = self.torch.tensor([tokens])
            self.model.generate(ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n,
                                do_sample=False, streamer=Clock(), pad_token_id=0)
        return stamps[1:]                                 # the first put() is the prompt


class CTranslate2:
    def __init__(self, path, dtype, threads, variant=""):
        import ctranslate2
        self.version = f"ctranslate2 {ctranslate2.__version__}"
        self.g = ctranslate2.Generator(path + ".ct2", device="cpu", compute_type=dtype, inter_threads=1,
                                       intra_threads=threads)

    def run(self, tokens, n, stamps):
        words = [[f"<{t}>" for t in tokens]]
        self.g.generate_batch(words, max_length=n, min_length=n, beam_size=1, include_prompt_in_result=False,
                              callback=lambda step: stamps.append(now()) and False)

    def prefill(self, tokens):
        self.run(tokens, 1, [])

    def generate(self, tokens, n):
        stamps = []
        self.run(tokens, n, stamps)
        return stamps


class LlamaCpp:
    """llama.cpp through its C interface (llama-cpp-python's ctypes declarations), as llama-bench drives it:
    n_batch 2048, n_ubatch 512, f16 cache. variant: 'fa' or 'nofa', plus '-kv32' for an f32 cache."""

    def __init__(self, path, dtype, threads, variant="fa", context=0):
        import llama_cpp as L
        self.L, self.n_batch, self.quiet = L, 2048, L.llama_log_callback(lambda *a: None)
        L.llama_log_set(self.quiet, ctypes.c_void_p(0))
        L.llama_backend_init()
        mp = L.llama_model_default_params()
        kind = {"float32": "f32", "float16": "f16"}[dtype]
        self.model = L.llama_model_load_from_file(f"{path}.{kind}.gguf".encode(), mp)
        assert self.model, "llama.cpp could not load the model"
        cp = L.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = (context + 255) // 256 * 256, self.n_batch, 512
        cp.n_threads = cp.n_threads_batch = threads
        cp.flash_attn_type = 1 if variant.startswith("fa") else 0
        cp.no_perf = True
        if variant.endswith("kv32"):
            cp.type_k = cp.type_v = 0
        self.ctx = L.llama_init_from_model(self.model, cp)
        assert self.ctx, "llama.cpp could not make a context"
        self.vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(self.model))
        self.version = f"llama.cpp via llama-cpp-python {L.__version__}"

    def feed(self, tokens):
        for i in range(0, len(tokens), self.n_batch):
            part = tokens[i:i + self.n_batch]
            array = (ctypes.c_int32 * len(part))(*part)
            assert self.L.llama_decode(self.ctx, self.L.llama_batch_get_one(array, len(part))) == 0
        return np.ctypeslib.as_array(self.L.llama_get_logits_ith(self.ctx, -1), shape=(self.vocab,))

    def prefill(self, tokens):
        self.L.llama_memory_clear(self.L.llama_get_memory(self.ctx), True)
        return self.feed(tokens)

    def generate(self, tokens, n):
        logits, stamps = self.prefill(tokens), []
        for _ in range(n):
            token = int(logits.argmax())
            stamps.append(now())
            logits = self.feed([token])
        return stamps


ENGINES = {"hf": HuggingFace, "ctranslate2": CTranslate2, "llama.cpp": LlamaCpp}


def open_engine(cell, folder, context):
    kind, shape = ENGINES[cell["peer"]], cell["shape"]
    extra = {"context": context} if kind is LlamaCpp else {}
    return kind(os.path.join(folder, shape["model"]), shape["dtype"], cell["threads"], shape["variant"], **extra)


def variants(peer, low):
    """(dtype, variant) pairs of a peer; `low` adds the reduced-precision ones."""
    if peer == "hf":
        return [("float32", "")] + ([("bfloat16", "")] if low else [])
    if peer == "ctranslate2":
        return [("float32", "")] + ([("int8_float32", ""), ("bfloat16", "")] if low else [])
    return [("float32", "fa"), ("float32", "nofa")] + ([("float16", "fa")] if low else [])


def cells(bench, args, lengths, test):
    return [dict(bench=bench, peer=peer, length=length, shape=dict(model=model, dtype=dtype, variant=variant, test=test(length)))
            for length in lengths for model in args.models.split(",") for peer in args.peers.split(",")
            for dtype, variant in variants(peer, args.low)]


def add_options(p):
    p.add_argument("--dir", required=True, type=os.path.abspath, help="folder that make_models.py filled")
    p.add_argument("--models", default=",".join(SHAPES))
    p.add_argument("--peers", default=",".join(ENGINES))
    p.add_argument("--low", action="store_true", help="add bf16, f16 and int8 where a peer has them")
