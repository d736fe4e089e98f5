"""Single operations as the peers run them, and what the machine can do at most.

    python ops.py [--bench gemm,sdpa,xent,norm] [--threads 1 2]

gemm is the limit the other rows are held against. sdpa: PyTorch's fused causal attention, and the same with a dense
[H, T, T] mask (what a biased encoding has to pass). xent: language-model head + cross-entropy over 50k words. norm: RMS
normalisation. `longhaul bench` measures the same calls through ATen (peer `aten`) without Python.
"""
from common import drive, emit, parser, timed


def run_cell(cell, args):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(cell["threads"])
    torch.manual_seed(1)
    kind, peer, shape = cell["bench"], cell["peer"], cell["shape"]
    t, grad, extra = shape.get("T", 0), shape.get("grad", False), {}
    rand = lambda *s: torch.randn(*s, requires_grad=grad)
    if kind == "gemm":
        n, dtype = shape["n"], getattr(torch, shape["dtype"])
        x, w = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        fn, flops, t = lambda: x @ w, 2 * n ** 3, n
    elif kind == "sdpa":
        q, k, v = rand(1, 12, t, 64), rand(1, 12, t, 64), rand(1, 12, t, 64)
        fn = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if peer == "torch-dense-mask":      # the bias is built outside the timed call; a Cable bias would be inside
            i = torch.arange(t)
            slope = 2.0 ** (-8 * torch.arange(1, 13) / 12)
            mask = (slope[:, None, None] * (i[None, :] - i[:, None])).masked_fill(i[None, :] > i[:, None], -1e30)
            mask = mask[None].requires_grad_(grad and shape.get("mask_grad", False))
            fn = lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        flops = 2 * 2 * 12 * 64 * t * (t + 1) // 2 * (3.5 if grad else 1)
    elif kind == "xent":
        x, w = torch.randn(t, 768, requires_grad=True), torch.randn(50304, 768, requires_grad=True)
        y = torch.randint(0, 50304, (t,))
        fn, flops, grad = lambda: F.cross_entropy(x @ w.t(), y), 6 * t * 768 * 50304, True
    else:
        x, w = torch.randn(t, 768), torch.randn(768)
        eager = lambda: w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))       # as modelling code does
        fn = eager if peer == "hf-style" else lambda: F.rms_norm(x, (768,), w, 1e-5)
        flops, extra = None, {"bytes": 8 * t * 768}
    run = (lambda: fn().sum().backward()) if grad else fn
    with torch.inference_mode(not grad):
        times = timed(run, args.repeats, 1, 40)
    emit(cell, f"torch {torch.__version__}", t, times, flops, **extra)


def all_cells():
    cell = lambda bench, peer, **shape: dict(bench=bench, peer=peer, shape=shape)
    yield from (cell("gemm", "torch", n=n, dtype=d) for n, d in ((1024, "float32"), (2048, "float32"), (1024, "bfloat16")))
    for t in (1024, 4096, 8192):
        for grad in (False, True):
            yield cell("sdpa", "torch-causal", T=t, grad=grad)
            yield cell("sdpa", "torch-dense-mask", T=t, grad=grad)
        yield cell("sdpa", "torch-dense-mask", T=t, grad=True, mask_grad=True)
    yield from (cell("xent", "torch", T=t) for t in (1024, 4096))
    yield from (cell("norm", peer, T=4096) for peer in ("hf-style", "torch"))


def main():
    p = parser(__doc__)
    p.add_argument("--bench", default="gemm,sdpa,xent,norm")
    p.set_defaults(repeats=5)
    a = p.parse_args()
    cells = [c for c in all_cells() if c["bench"] in a.bench.split(",")]
    if a.quick:
        cells, a.repeats = [c for c in cells if c["shape"].get("T", 0) <= 1024 and c["shape"].get("n", 0) <= 1024], 2
    drive(__file__, a, cells, run_cell)


if __name__ == "__main__":
    main()
