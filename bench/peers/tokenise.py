"""Tokenizer speed on a text. (Not named tokenize.py: that would hide Python's own module.)

    python tokenise.py --tokenizer tokenizer.json|tokenizer.model --text FILE [--threads 1 2]

A tokenizer.json is Hugging Face's `tokenizers`' and, when it cuts text as GPT-2 does (ByteLevel), tiktoken's too, which gets the
same merges and the same expression, without the added tokens and the normal form, which it does not have. A tokenizer.model is
`sentencepiece`'s. `text` is one call on each 1 MB of the text, one after the other (no peer encodes one text on several
threads); `documents` is one call on all documents of 4 kB.
"""
import json
import os

from common import drive, emit, parser, timed

SPLIT = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def tiktoken_from(path):
    """The same byte-level BPE as a tiktoken encoding: its ranks are the order in which the merges make the tokens."""
    import tiktoken
    model = json.load(open(path))["model"]
    plain = [b for b in range(256) if chr(b).isprintable() and b not in (32, 0xAD) and not 127 <= b <= 160]
    byte_of = {chr(b): b for b in plain}
    byte_of.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in plain)})
    ranks = {bytes([b]): b for b in range(256)}
    for merge in model["merges"]:
        word = "".join(merge.split(" ") if isinstance(merge, str) else merge)
        ranks.setdefault(bytes(byte_of[ch] for ch in word), len(ranks))
    return tiktoken.Encoding("local", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})


def peers_of(path):
    if path.endswith(".model"):
        return ["sentencepiece"]
    cuts = json.dumps(json.load(open(path)).get("pre_tokenizer"))
    return ["tiktoken", "tokenizers"] if '"ByteLevel"' in cuts else ["tokenizers"]


def name_of(path):
    """What a row calls a tokenizer: its folder, or the file's stem when its name says more than what kind of file it is."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return os.path.basename(os.path.dirname(path)) if stem == "tokenizer" else stem


def run_cell(cell, args):
    text = open(args.text, encoding="utf-8", newline="").read()
    one, threads = cell["shape"]["mode"] == "text", cell["threads"]
    step = 1 << 20 if one else 4096
    docs = [text[i:i + step] for i in range(0, len(text), step)]
    mb = len(text.encode()) / 1e6
    if cell["peer"] == "tokenizers":
        import tokenizers
        version, tok = f"tokenizers {tokenizers.__version__}", tokenizers.Tokenizer.from_file(args.tokenizer)
        tok_one, tok_all = lambda d: len(tok.encode(d).ids), lambda: sum(len(e.ids) for e in tok.encode_batch_fast(docs))
    elif cell["peer"] == "sentencepiece":
        import sentencepiece
        version, model = f"sentencepiece {sentencepiece.__version__}", sentencepiece.SentencePieceProcessor(args.tokenizer)
        tok_one = lambda d: len(model.encode(d))
        tok_all = lambda: sum(map(len, model.encode(docs, num_threads=threads)))
    else:
        import tiktoken
        version, enc = f"tiktoken {tiktoken.__version__}", tiktoken_from(args.tokenizer)
        tok_one = lambda d: len(enc.encode_ordinary(d))
        tok_all = lambda: sum(map(len, enc.encode_ordinary_batch(docs, num_threads=threads)))
    count = []
    run = (lambda: count.append(sum(map(tok_one, docs)))) if one else (lambda: count.append(tok_all()))
    times = timed(run, args.repeats, 1, args.timeout * 0.5)
    emit(cell, version, count[-1], times, mb=round(mb, 3), mb_per_s=round(mb / min(times), 2),
         bytes_per_token=round(mb * 1e6 / count[-1], 3))


def main():
    p = parser(__doc__)
    p.add_argument("--tokenizer", required=True, type=os.path.abspath)
    p.add_argument("--text", required=True, type=os.path.abspath)
    args = p.parse_args()
    cells = [dict(bench="tokenize", peer=peer, shape=dict(mode=mode, tokenizer=name_of(args.tokenizer))) for peer in peers_of(args.tokenizer)
             for mode in ("text", "documents")]
    drive(__file__, args, cells, run_cell)


if __name__ == "__main__":
    main()
