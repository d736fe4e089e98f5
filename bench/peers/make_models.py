"""Writes randomly initialised checkpoints, once, for every peer: Hugging Face folders, GGUF (f32, f16) and CTranslate2.

    python make_models.py --dir DIR [--shapes gpt2-124m,llama-160m] [--skip gguf,ct2]

Speed does not depend on the weights' values; all three formats hold the same ones.
"""
import argparse
import os

import torch

from common import SHAPES

CONTEXT = {"gpt2-124m": 8192 + 256}


def hf_config(name):
    import transformers as tf
    s = SHAPES[name]
    if s["kind"] == "gpt2":
        return tf.GPT2Config(vocab_size=s["vocab"], n_positions=CONTEXT[name], n_embd=s["width"], n_layer=s["layers"],
                             n_head=s["heads"])
    return tf.LlamaConfig(vocab_size=s["vocab"], hidden_size=s["width"], intermediate_size=s["ff"],
                          num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                          num_key_value_heads=s["kv"], max_position_embeddings=65536, tie_word_embeddings=False)


def write_hf(name, path):
    import transformers as tf
    torch.manual_seed(1)
    model = tf.AutoModelForCausalLM.from_config(hf_config(name))
    model.save_pretrained(path)
    # A stand-in vocabulary (one entry per id): converters insist on a tokenizer, the benchmarks pass ids.
    from tokenizers import Tokenizer, models
    words = {f"<{i}>": i for i in range(SHAPES[name]["vocab"])}
    tok = tf.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<0>")),
                                     bos_token="<1>", eos_token="<2>", unk_token="<0>")
    tok.save_pretrained(path)


def write_gguf(name, source, path, half):
    import gguf
    import numpy as np
    from safetensors.torch import load_file
    s = SHAPES[name]
    arch = {"gpt2": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA}[s["kind"]]
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    w.add_tokenizer_model("none")
    w.add_vocab_size(s["vocab"])
    w.add_block_count(s["layers"])
    w.add_embedding_length(s["width"])
    w.add_context_length(CONTEXT.get(name, 65536))
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    w.add_feed_forward_length(s["ff"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv"])
    w.add_layer_norm_eps(1e-5)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_dimension_count(s["width"] // s["heads"])
    names = gguf.get_tensor_name_map(arch, s["layers"])
    for key, t in load_file(os.path.join(source, "model.safetensors")).items():
        if key.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        t = t.float()
        if s["kind"] == "gpt2" and key.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            t = t.t()                                    # Conv1D stores [in, out]
        if s["kind"] == "llama" and key.endswith(("q_proj.weight", "k_proj.weight")):
            heads = s["heads"] if "q_proj" in key else s["kv"]
            t = t.reshape(heads, 2, -1, t.shape[1]).swapaxes(1, 2).reshape(t.shape)   # half rotation -> pairs
        new = names.get_name(key, try_suffixes=(".weight", ".bias"))
        assert new, f"no GGUF name for {key}"
        keep = t.ndim < 2 or "norm" in new
        w.add_tensor(new, np.ascontiguousarray(t.numpy().astype(np.float16 if half and not keep else np.float32)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_ct2(source, path):
    import ctranslate2
    ctranslate2.converters.TransformersConverter(source).convert(path, force=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dir", required=True)
    p.add_argument("--shapes", default=",".join(SHAPES))
    p.add_argument("--skip", default="")
    a = p.parse_args()
    for name in a.shapes.split(","):
        base = os.path.join(a.dir, name)
        if not os.path.exists(os.path.join(base, "model.safetensors")):
            write_hf(name, base)
        for half in (False, True):
            out = f"{base}.{'f16' if half else 'f32'}.gguf"
            if "gguf" not in a.skip and not os.path.exists(out):
                write_gguf(name, base, out, half)
        if "ct2" not in a.skip and not os.path.exists(base + ".ct2"):
            try:
                write_ct2(base, base + ".ct2")
            except Exception as error:
                print(f"CTranslate2 could not convert {name}: {type(error).__name__}: {error}")
        print("ready", base)


if __name__ == "__main__":
    main()
