"""Unigram models with 32,000 pieces, trained on a text by the two libraries that read such models.

    python make_unigram.py --text FILE --dir DIR

Writes DIR/unigram-sentencepiece.model and DIR/unigram-tokenizers/tokenizer.json; what is there already stays.
"""
import argparse
import os

PIECES = 32000


def train_sentencepiece(text, path):
    import sentencepiece
    sentencepiece.SentencePieceTrainer.train(
        input=text, model_prefix=path.removesuffix(".model"), model_type="unigram", vocab_size=PIECES, hard_vocab_limit=False,
        byte_fallback=True, minloglevel=1)


def train_tokenizers(text, path):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.train([text], trainers.UnigramTrainer(vocab_size=PIECES, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tokenizer.save(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--text", required=True)
    p.add_argument("--dir", required=True)
    args = p.parse_args()
    for name, train in (("unigram-sentencepiece.model", train_sentencepiece), ("unigram-tokenizers/tokenizer.json", train_tokenizers)):
        path = os.path.join(args.dir, name)
        if not os.path.exists(path):
            print(f"training {path}", flush=True)
            train(args.text, path)


if __name__ == "__main__":
    main()
