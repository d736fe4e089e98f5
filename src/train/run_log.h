// log.jsonl of a run: one JSON object a line, in the order things happened. Kinds (field "kind"):
//   start      time, command, machine, build, threads, data_hash, parameters, from_step, gemm_gflop_per_s
//   step       step (steps finished), loss (mean per token), norm (before clipping), lr, ms, tok_per_s, tokens (seen so far)
//   val        step, val_loss, val_perplexity, tokens
//   lengths    step, tokens, lengths, losses, perplexities
//   attention  step, layer, skip_rate [H], and what the encoding reports of itself, such as zero_increments [H]
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"
#include "io/event_file.h"

namespace longhaul {

class RunLog {
 public:
  // Opens for appending and cuts the file back to its first `bytes` bytes: what followed the checkpoint is done again.
  // A file that is shorter than that (somebody edited it) stays as it is, with a warning.
  RunLog(std::string path, int64_t bytes);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  // One write(2) of the whole line. Error on a full disk.
  void append(const Json& object);
  // To the disk: before a checkpoint that remembers bytes().
  void sync();
  int64_t bytes() const { return bytes_; }

 private:
  std::string path_;
  int file_ = -1;
  int64_t bytes_ = 0;
};

// The scalars of a line of the log, for TensorBoard: train/loss, train/gradient_norm, train/learning_rate,
// train/tokens_per_second; val/loss, val/perplexity; perplexity/<length>. Lines of other kinds have none.
void add_scalars(EventFile& events, const Json& object);

}  // namespace longhaul
