#!/usr/bin/env python3
"""Random checkpoints of every family, written by Hugging Face transformers, beside its own logits.

    bench/peers/.venv/bin/python3 tools/parity.py --program build/release/bin/longhaul --cases 200 [--seed 0] [--only falcon]

Each case draws a family, the sizes and switches of its config, a type of rope_scaling, one file or shards; writes the checkpoint and the
float64 logits of two texts, one beyond the trained length where the class allows that; and asks `longhaul verify` in f64 and in f32.
What differs is printed with its config and kept. The fixtures of `make golden` are recorded runs of the same library, with generation,
caches and other containers; this finds configs that they do not hold.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import save_file

TRAINED = 64  # max_position_embeddings of every case


class Draw:
    """A counter of choices: the same seed gives the same case."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *values):
        return self.random.choice(values)

    def sizes(self, head_sizes=(8, 16, 24)):
        heads, size = self.one(2, 4, 6), self.one(*head_sizes)
        return {
            "heads": heads,
            "kv": self.one(*[k for k in (1, 2, 3, heads) if heads % k == 0]),
            "size": size,
            "width": heads * size,
            "hidden": self.one(32, 56, 96),
            "layers": self.one(1, 2, 3),
            "vocab": self.one(97, 128, 160),
        }

    def scaling(self, rotary):
        """rope_scaling as the hub spells it, for `rotary` dimensions of a head."""
        kind = self.one(None, None, "default", "linear", "dynamic", "yarn", "longrope", "llama3")
        if kind in (None, "default"):
            return None
        scaling = {self.one("rope_type", "type") if kind not in ("llama3", "longrope") else "rope_type": kind}
        if kind != "longrope":
            scaling["factor"] = self.one(2.0, 4.0, 2.5)
        if kind in ("linear", "dynamic"):  # where it says nothing
            scaling.update(self.one({}, {"original_max_position_embeddings": 32}))
        if kind == "yarn":
            scaling.update(
                self.one(
                    {},
                    {"original_max_position_embeddings": 32},
                    {"beta_fast": 16, "beta_slow": 2},
                    {"attention_factor": 1.25},
                    {"mscale": 1.0, "mscale_all_dim": 0.5},
                    {"truncate": False},
                )
            )
        if kind == "llama3":
            scaling.update(low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
        if kind == "longrope":
            scaling.update(
                short_factor=[1 + 0.1 * i for i in range(rotary // 2)],
                long_factor=[2 + 0.5 * i for i in range(rotary // 2)],
                original_max_position_embeddings=32,
            )
            scaling["factor"] = self.one(1.0, 3.0)
            scaling.update(self.one({}, {"attention_factor": 1.1}))
        return scaling


def common(s, **more):
    return dict(
        vocab_size=s["vocab"],
        hidden_size=s["width"],
        num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"],
        max_position_embeddings=TRAINED,
        **more,
    )


def llama_like(d, s):
    return common(
        s,
        intermediate_size=s["hidden"],
        num_key_value_heads=s["kv"],
        rms_norm_eps=d.one(1e-6, 1e-5),
        rope_theta=d.one(10000.0, 500.0, 1e6),
        tie_word_embeddings=d.one(True, False),
    )


def with_scaling(d, config, rotary):
    scaling = d.scaling(rotary)
    return {**config, "rope_scaling": scaling} if scaling else config


def windows(d, s):
    return d.one({}, {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": d.one(0, 1)})


def llama(d):
    s = d.sizes()
    c = llama_like(d, s) | {
        "attention_bias": d.one(True, False),
        "mlp_bias": d.one(True, False),
        "hidden_act": d.one("silu", "gelu"),
    }
    if d.one(True, False):
        c["head_dim"] = s["size"] = d.one(8, 16, 32)
    return with_scaling(d, c, s["size"])


def mistral(d):
    s = d.sizes()
    c = llama_like(d, s) | {"sliding_window": d.one(None, 8, 33), "head_dim": d.one(None, s["size"], 32)}
    return with_scaling(d, c, c["head_dim"] or s["size"])


def mixtral(d):
    s = d.sizes()
    c = llama_like(d, s) | {
        "sliding_window": d.one(None, 20),
        "num_local_experts": d.one(2, 4, 5),
        "num_experts_per_tok": d.one(1, 2),
        "head_dim": s["size"],
    }
    return with_scaling(d, c, s["size"])


def qwen2(d):
    s = d.sizes()
    return with_scaling(d, llama_like(d, s) | windows(d, s), s["size"])


def qwen3(d):
    s = d.sizes()
    s["size"] = d.one(8, 16, 32)
    return with_scaling(
        d, llama_like(d, s) | windows(d, s) | {"head_dim": s["size"], "attention_bias": d.one(True, False)}, s["size"]
    )


def qwen3_moe(d):
    return qwen3(d) | {
        "num_experts": d.one(3, 4, 6),
        "num_experts_per_tok": d.one(1, 2, 3),
        "norm_topk_prob": d.one(True, False),
        "moe_intermediate_size": d.one(24, 40),
        "decoder_sparse_step": d.one(1, 2),
        "mlp_only_layers": d.one([], [0]),
    }


def phi(d):
    s = d.sizes((16, 32))
    part = d.one(0.5, 0.25, 1.0)
    c = common(
        s,
        intermediate_size=s["hidden"],
        num_key_value_heads=s["kv"],
        partial_rotary_factor=part,
        qk_layernorm=d.one(True, False),
        rope_theta=d.one(10000.0, 100.0),
        hidden_act=d.one("gelu_new", "gelu", "relu"),
    )
    return with_scaling(d, c, int(s["size"] * part))


def phi3(d):
    s = d.sizes((16, 32))
    part = d.one(1.0, 0.5)
    rotary = int(s["size"] * part)
    c = llama_like(d, s) | {
        "sliding_window": d.one(None, 24),
        "partial_rotary_factor": part,
        "original_max_position_embeddings": TRAINED,
        "pad_token_id": 0,
    }
    if d.one(True, False):
        c["rope_scaling"] = {
            "rope_type": "longrope",
            "short_factor": [1 + 0.1 * i for i in range(rotary // 2)],
            "long_factor": [2 + 0.5 * i for i in range(rotary // 2)],
        }
        c["original_max_position_embeddings"] = 32
    return c


def gpt2(d):
    s = d.sizes()
    return dict(
        vocab_size=s["vocab"],
        n_embd=s["width"],
        n_layer=s["layers"],
        n_head=s["heads"],
        n_positions=TRAINED,
        n_inner=d.one(None, s["hidden"]),
        activation_function=d.one("gelu_new", "relu", "gelu", "silu"),
        scale_attn_weights=d.one(True, False),
        scale_attn_by_inverse_layer_idx=d.one(True, False),
        tie_word_embeddings=d.one(True, False),
    )


def gpt_neox(d):
    s = d.sizes((16, 32))
    part = d.one(0.25, 0.5, 1.0)
    c = common(
        s,
        intermediate_size=s["hidden"],
        rotary_pct=part,
        rotary_emb_base=d.one(10000, 200),
        use_parallel_residual=d.one(True, False),
        attention_bias=d.one(True, False),
        hidden_act=d.one("gelu", "gelu_new", "gelu_fast"),
        tie_word_embeddings=d.one(True, False),
    )
    return with_scaling(d, c, int(s["size"] * part))


def gptj(d):
    s = d.sizes((16, 32))
    return dict(
        vocab_size=s["vocab"],
        n_embd=s["width"],
        n_layer=s["layers"],
        n_head=s["heads"],
        n_positions=TRAINED,
        n_inner=d.one(None, s["hidden"]),
        rotary_dim=d.one(4, 8, 16),
        activation_function=d.one("gelu_new", "relu"),
        tie_word_embeddings=False,
    )


def falcon(d):
    s = d.sizes()
    new = d.one(True, False)
    alibi = d.one(True, False)
    c = common(
        s,
        alibi=alibi,
        new_decoder_architecture=new,
        multi_query=d.one(True, False),
        parallel_attn=True if new else d.one(True, False),
        bias=d.one(True, False),
        apply_residual_connection_post_layernorm=d.one(True, False),  # a key of its files that the class does not read
        num_kv_heads=s["kv"] if new else None,
        ffn_hidden_size=d.one(None, s["hidden"]),
        activation=d.one("gelu", "relu"),
        tie_word_embeddings=d.one(True, False),
    )
    if new:
        c["num_ln_in_parallel_attn"] = d.one(None, 1, 2)
    return c if alibi else with_scaling(d, c | {"rope_theta": d.one(10000.0, 300.0)}, s["size"])


def bloom(d):
    s = d.sizes()
    return dict(
        vocab_size=s["vocab"],
        hidden_size=s["width"],
        n_layer=s["layers"],
        n_head=s["heads"],
        apply_residual_connection_post_layernorm=d.one(True, False),
        tie_word_embeddings=d.one(True, False),
    )


def mpt(d):
    s = d.sizes()
    attention = {
        "clip_qkv": d.one(None, 0.5),
        "softmax_scale": d.one(None, 0.2),
    }  # alibi_bias_max is not passed on by the library
    return dict(
        vocab_size=s["vocab"],
        d_model=s["width"],
        n_layers=s["layers"],
        n_heads=s["heads"],
        max_seq_len=TRAINED,
        attn_config=attention,
        tie_word_embeddings=d.one(True, False),
    )


def opt(d):
    s = d.sizes()
    before = d.one(True, False)
    return common(
        s,
        ffn_dim=s["hidden"],
        do_layer_norm_before=before,
        word_embed_proj_dim=d.one(s["width"], 24),
        enable_bias=d.one(True, False),
        layer_norm_elementwise_affine=d.one(True, True, False),
        activation_function=d.one("relu", "gelu"),
        tie_word_embeddings=d.one(True, False),
    ) | ({"_remove_final_layer_norm": d.one(True, False)} if before else {})


def gemma(d):
    s = d.sizes()
    return common(
        s,
        intermediate_size=s["hidden"],
        num_key_value_heads=s["kv"],
        head_dim=d.one(8, 16, 32),
        rope_theta=d.one(10000.0, 100.0),
        tie_word_embeddings=True,
        attention_bias=d.one(True, False),
        hidden_act=d.one("gelu_pytorch_tanh", "gelu", "relu"),
    )


def gemma2(d):
    return gemma(d) | {
        "hidden_activation": d.one("gelu_pytorch_tanh", "gelu"),
        "query_pre_attn_scalar": d.one(16, 100),
        "sliding_window": d.one(8, 20),
        "attn_logit_softcapping": d.one(None, 50.0, 2.0),
        "final_logit_softcapping": d.one(None, 30.0, 3.0),
    }


def gemma3_text(d):
    c = gemma(d) | {
        "hidden_activation": d.one("gelu_pytorch_tanh", "gelu"),
        "query_pre_attn_scalar": d.one(16, 100),
        "sliding_window": d.one(8, 20),
        "final_logit_softcapping": d.one(None, 30.0),
        "rope_local_base_freq": d.one(10000.0, 50.0),
        "sliding_window_pattern": d.one(2, 3, 6),
    }
    return c | d.one({}, {"rope_scaling": {"rope_type": "linear", "factor": 8.0}})


def olmo2(d):
    s = d.sizes()
    return with_scaling(d, llama_like(d, s) | {"attention_bias": d.one(True, False)}, s["size"])


FAMILIES = {
    f.__name__: f
    for f in (
        llama,
        mistral,
        mixtral,
        qwen2,
        qwen3,
        qwen3_moe,
        phi,
        phi3,
        gpt2,
        gpt_neox,
        gptj,
        falcon,
        bloom,
        mpt,
        opt,
        gemma,
        gemma2,
        gemma3_text,
        olmo2,
    )
}


def randomised(model, seed):
    """Every parameter random, so that a norm or a bias that is left out shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        scale, shift = (0.2, 1.0) if "norm" in name or "ln_" in name or ".ln" in name else (0.3, 0.0)
        if "gemma" in type(model).__name__.lower() and "norm" in name:
            shift = 0.0
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + shift)
    return model


def hub_config(config):
    """The config object from the keys as files of the hub spell them."""
    return transformers.AutoConfig.for_model(config["model_type"]).from_dict(config)


@contextlib.contextmanager
def doubles():
    """The library takes some steps in single precision on purpose (frequencies, angles, norms): here they are double too."""
    kept = torch.float, torch.float32, torch.Tensor.float
    torch.float = torch.float32 = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float, torch.float32, torch.Tensor.float = kept


def write(case, folder, draw):
    """The checkpoint, and the reference's logits beside it."""
    config = case["config"]
    model = randomised(transformers.AutoModelForCausalLM.from_config(hub_config(config)), case["seed"]).float().eval()
    model.tie_weights()
    model.save_pretrained(folder, max_shard_size=draw.one("1GB", "40KB"))
    with open(
        os.path.join(folder, "config.json"), "w"
    ) as file:  # as the hub spells it, not as this version of the library saves it
        json.dump(config, file, indent=1)
    reference, limited = {}, config["model_type"] in ("gpt2", "gptj", "opt", "mpt")
    torch.manual_seed(case["seed"])
    for name, length in (("short", 23), ("long", TRAINED if limited else 150)):
        ids = torch.randint(3, config["vocab_size"], (length,))
        with doubles(), torch.inference_mode():
            fresh = transformers.AutoModelForCausalLM.from_config(
                hub_config(config), dtype=torch.float64, experts_implementation="eager"
            ).eval()
            fresh.load_state_dict(model.state_dict())
            logits = fresh(input_ids=ids[None]).logits[0]
        reference[name + ".logits"] = logits.to(torch.float32).contiguous()
        reference[name + ".ids"] = ids
    save_file(reference, os.path.join(folder, "reference.safetensors"))


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def judge(program, folder):
    for dtype, tolerance in (("f64", 1e-6), ("f32", 1e-4)):
        code, out, err = run(
            program,
            "verify",
            folder,
            os.path.join(folder, "reference.safetensors"),
            "--dtype",
            dtype,
            "--tolerance",
            str(tolerance),
            "--json",
        )
        if code == 2 or not out:
            return f"{dtype}: {err.strip()}"
        rows = json.loads(out)
        if code != 0:
            return f"{dtype}: error {rows['error']:.3g} of the largest logit: " + "; ".join(
                f"{r['sequence']} {r['from']}..{r['to']} {r['error']:.2g}" for r in rows["rows"]
            )
    return ""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/release/bin/longhaul")
    p.add_argument("--cases", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--only", default="", help="families, by comma")
    arguments = p.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    names = arguments.only.split(",") if arguments.only else list(FAMILIES)
    failed = skipped = 0
    for number in range(arguments.seed, arguments.seed + arguments.cases):
        draw = Draw(number)
        name = names[number % len(names)]
        case = {"seed": number, "config": {"model_type": name, **FAMILIES[name](draw)}}
        folder = tempfile.mkdtemp(prefix="parity-")
        try:
            write(case, folder, draw)
        except Exception as error:  # the library refuses what was drawn
            print(f"skip {number} {name}: {type(error).__name__}: {str(error)[:150]}  {json.dumps(case['config'])}")
            skipped += 1
            shutil.rmtree(folder)
            continue
        why = judge(arguments.program, folder)
        if why:
            failed += 1
            print(f"DIFFERS {number} {name} in {folder}\n  {why}\n  {json.dumps(case['config'])}", flush=True)
        else:
            shutil.rmtree(folder)
    print(f"parity: {arguments.cases - failed - skipped} agree, {failed} differ, {skipped} not made")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
