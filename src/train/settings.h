// Everything that decides what a training run computes, and how it is watched. Stored as train.json in the run folder, so
// that resuming needs nothing but the folder. Keys of the JSON are the flags of `longhaul train` with '_' for '-'.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/loader.h"
#include "data/shards.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace longhaul {

struct TrainSettings {
  // The model: made from `arch` and `pos`, or loaded from `init_from` (then those two are empty).
  std::string arch = "gpt:tiny", pos = "rope", init_from;
  std::vector<std::string> hf_overrides;  // of init_from (LoadOptions::overrides)
  std::string dtype = "f32";              // f32; bf16: f32 parameters, products in bf16; f64: parameters and products
  int64_t vocab = 0;                      // 0: the data's
  // The data.
  std::string data;            // folder of a data set (data/shards.h)
  std::string tokenizer;       // of bare shards, when named; resolve() fills in that of a packed data set
  std::string data_hash;       // its content, filled in by resolve()
  std::string tokenizer_hash;  // filled in by resolve(); "": nobody named the tokenizer
  std::string order = "sequential";
  int64_t seq_len = 1024;                // tokens of one window
  int64_t batch = 8;                     // windows of one forward pass
  int64_t total_batch_tokens = 524'288;  // of one optimizer step; a multiple of batch * seq_len
  bool reset_at_documents = false;       // attention, sums and positions begin anew where a document does
  int64_t steps = 0;                     // 0: `epochs`, or the reference's 19,073 when that is 0 too
  int64_t epochs = 0;                    // of floor(train tokens / total_batch_tokens) steps each
  uint64_t seed = 0;                     // weights, shuffling, encodings' draws
  // The optimizer (the reference's values: specs of the Cable experiments).
  double lr = 6e-4, min_lr = -1;  // min_lr < 0: a tenth of lr
  int64_t warmup = 715;
  double weight_decay = 0.1, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, clip = 1.0;
  bool recompute = false;  // run each layer again in backward instead of keeping its activations
  // What is watched and kept.
  int64_t val_every = 250;  // steps; 0: no validation
  int64_t val_tokens = 0;   // 0: 163,840 (20 batches of 8 x 1,024) or as many as the split has, in whole windows
  std::vector<int64_t> eval_lengths;  // perplexity at these lengths at every validation, on the same tokens
  int64_t save_every = 250;           // steps between checkpoints
  int64_t keep = 2;                   // newest checkpoints kept; 0: all
  int64_t log_every = 1;              // steps between printed lines; log.jsonl has every step
  bool tensorboard = false;           // event files in the run folder

  // Fills in what was left to the data (hash, vocab, steps, min_lr, val_tokens) and checks everything against it.
  // Error, with the flag's name, for the first setting that cannot be.
  void resolve(const Dataset& dataset);

  int64_t accumulation() const { return total_batch_tokens / (batch * seq_len); }  // forward passes of one step
  int64_t windows(
      int64_t length) const;  // windows of `length` that one evaluation pass takes: about batch * seq_len tokens
  Schedule schedule() const { return {lr, min_lr, warmup, steps}; }
  OptimizerOptions optimizer() const { return {beta1, beta2, eps, weight_decay, clip}; }
  LoaderOptions loader() const;

  Json json() const;
  static TrainSettings from_json(const Json& json, const std::string& where);

 private:
  void resolve_steps(const Dataset& dataset);
  void resolve_validation(const Dataset& dataset);
};

}  // namespace longhaul
