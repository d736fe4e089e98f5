"""One training step (forward, backward, AdamW) as researchers write it in PyTorch: tokens/s and memory.

    python train.py [--sizes mini,small] [--lengths 512,1024] [--peers torch-eager,torch-compile] [--pos ...]

GPT in nanoGPT's style (fused causal attention, tied head, AdamW) with an encoding: `learned`, `rope`, `alibi` (a dense
[H, T, T] bias handed to the fused call as its mask), `cable` (softmax bias g_i (S_i - S_j) from hidden states, materialised
[B, H, T, T], plain matmul-softmax: the published form), `cable-sdpa` (the same bias handed over as a mask). `fire` (an MLP
of every pair's distance), `cope` (positions counted in gates of the logits), `dape` (an MLP of every pair's logits and
Kerple biases): the published forms too, pairs materialised, plain matmul-softmax.
"""
import math

from common import PeakWatch, drive, emit, parser, timed

SIZES = {"mini": (6, 384, 6), "tiny": (6, 512, 8), "small": (12, 768, 12)}   # layers, width, heads
VOCAB = 50304


def pair_encodings(heads, size):
    """name -> module: (logits [B, H, T, T], q, distance [T, T]) to logits with the encoding in them."""
    import torch
    import torch.nn as nn

    class Fire(nn.Module):
        def __init__(self):
            super().__init__()
            self.c, self.multiplier = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(1.0))
            self.mlp = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, heads))

        def forward(self, logits, q, distance):
            query = torch.arange(len(distance))
            reach = torch.maximum(query, (self.multiplier * 512).abs())
            r = torch.log((self.c * distance).abs() + 1) / (torch.log((self.c * reach).abs() + 1) + 1e-6)[:, None]
            return logits + self.mlp(r[..., None]).permute(2, 0, 1)

    class Cope(nn.Module):
        def __init__(self, positions=64):
            super().__init__()
            self.table = nn.Parameter(torch.zeros(size, positions))

        def forward(self, logits, q, distance):
            position = torch.sigmoid(logits).flip(-1).cumsum(-1).flip(-1).clamp(max=self.table.shape[1] - 1)
            below, above = position.floor(), position.ceil()
            values = q @ self.table
            return logits + torch.lerp(values.gather(-1, below.long()), values.gather(-1, above.long()), position - below)

    class Dape(nn.Module):
        def __init__(self):
            super().__init__()
            self.p, self.a = nn.Parameter(2 * torch.rand(heads, 1, 1)), nn.Parameter(torch.rand(heads, 1, 1))
            self.mlp = nn.Sequential(nn.Linear(2 * heads, 32), nn.LeakyReLU(), nn.Linear(32, heads))

        def forward(self, logits, q, distance):
            bias = -self.p.clamp(min=0.01) * torch.log1p(self.a.clamp(min=0.01) * distance)
            pairs = torch.cat([logits, bias.expand_as(logits)], 1).permute(0, 2, 3, 1)
            return logits + bias + self.mlp(pairs).permute(0, 3, 1, 2)
    return {"fire": Fire, "cope": Cope, "dape": Dape}


def gpt(layers, width, heads, length, pos):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    size = width // heads
    pairs = pair_encodings(heads, size)

    def rotate(x, cos, sin):
        half = size // 2
        return torch.cat([x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], -1)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            if pos.startswith("cable"):
                self.step, self.gain = nn.Linear(width, heads), nn.Linear(width, heads)
            if pos in pairs:
                self.encoding = pairs[pos]()

        def forward(self, x, shared):
            b, t, _ = x.shape
            h = self.norm1(x)
            q, k, v = (z.view(b, t, heads, size).transpose(1, 2) for z in self.qkv(h).split(width, 2))
            if pos == "rope":
                q, k = rotate(q, *shared), rotate(k, *shared)
            if pos.startswith("cable"):
                s = -F.relu(self.step(h)).cumsum(1).transpose(1, 2)                         # [B, H, T]
                g = F.softplus(self.gain(h)).transpose(1, 2)
                bias = g[..., None] * (s[..., :, None] - s[..., None, :])
                bias = bias.masked_fill(shared, -math.inf)                                  # [B, H, T, T]
                if pos == "cable":
                    y = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(size) + bias, -1) @ v
                else:
                    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            elif pos in pairs:
                distance, later = shared
                logits = q @ k.transpose(-1, -2) / math.sqrt(size)
                if pos == "dape":                                                           # its network wants finite numbers
                    logits = self.encoding(logits, q, distance).masked_fill(later, -math.inf)
                else:
                    logits = self.encoding(logits.masked_fill(later, -math.inf), q, distance)
                y = torch.softmax(logits, -1) @ v
            elif pos == "alibi":
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=shared)
            else:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(VOCAB, width)
            self.places = nn.Embedding(length, width) if pos == "learned" else None
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCAB, bias=False)
            self.head.weight = self.words.weight
            nn.init.normal_(self.words.weight, std=0.02)
            i = torch.arange(length)
            self.shared = None
            if pos == "rope":
                angle = i[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
                self.shared = (angle.cos(), angle.sin())
            if pos == "alibi":
                slope = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
                bias = slope[:, None, None] * (i[None, :] - i[:, None])
                self.shared = bias.masked_fill(i[None, :] > i[:, None], -math.inf)[None]
            if pos.startswith("cable"):
                self.shared = i[None, :] > i[:, None]
            if pos in pairs:
                self.shared = ((i[:, None] - i[None, :]).clamp(min=0).float(), i[None, :] > i[:, None])

        def forward(self, ids, labels):
            x = self.words(ids)
            if self.places is not None:
                x = x + self.places.weight[:ids.shape[1]]
            for block in self.blocks:
                x = block(x, self.shared)
            return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), labels.flatten())
    mats = layers * 12 * width * width + width * VOCAB
    return Model(), 6 * mats * length + 3 * layers * 2 * 2 * width * length * (length + 1) // 2


def load_code():
    """A step of a tiny network, so that code loaded at first use is not counted as memory of the step."""
    import torch
    net = torch.nn.Linear(8, 8)
    opt = torch.optim.AdamW(net.parameters(), fused=True)
    torch.nn.functional.cross_entropy(net(torch.randn(4, 8)), torch.randint(0, 8, (4,))).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()


def run_cell(cell, args):
    import torch
    torch.set_num_threads(cell["threads"])
    torch.manual_seed(1)
    layers, width, heads = SIZES[cell["shape"]]
    length, batch = cell["length"], cell["batch"]
    load_code()
    watch = PeakWatch()
    net, flops = gpt(layers, width, heads, length, cell["pos"])
    loss = torch.compile(net) if cell["peer"] == "torch-compile" else net
    opt = torch.optim.AdamW(net.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids = torch.randint(0, VOCAB, (batch, length + 1))

    def step():
        opt.zero_grad(set_to_none=True)
        loss(ids[:, :-1], ids[:, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
    if cell["peer"] == "torch-compile":
        step()                                            # compiles; not a step to time
    times = timed(step, args.repeats, 1, args.timeout * 0.5)
    count = sum(p.numel() for p in net.parameters())
    extra = max(0, watch.above_start() - 16 * count)      # above weights, gradients and two moments
    emit(cell, f"torch {torch.__version__}", batch * length, times, flops * batch, parameters=count, extra_mb=round(extra / 1e6))


def main():
    p = parser(__doc__)
    p.add_argument("--sizes", default="mini,small")
    p.add_argument("--lengths", default="512,1024,2048,4096")
    p.add_argument("--peers", default="torch-eager,torch-compile")
    p.add_argument("--pos", default="learned,rope,alibi,cable,cable-sdpa,fire,cope,dape")
    a = p.parse_args()
    if a.quick:
        a.sizes, a.lengths, a.peers, a.repeats = "mini", "512", "torch-eager", 1
    cells = [dict(bench="train", peer=peer, shape=size, pos=pos, length=int(t), batch=1, dtype="f32") for size in a.sizes.split(",")
             for t in a.lengths.split(",") for pos in a.pos.split(",") for peer in a.peers.split(",")]
    drive(__file__, a, cells, run_cell)


if __name__ == "__main__":
    main()
