// The training log of a run folder, log.jsonl: one object a step. Read leniently: keys that are missing or unknown are
// no error.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

struct TrainingPoint {
  int64_t step = 0;  // steps finished
  double value = 0;
};

struct TrainingLog {
  std::string name;                       // the run folder's
  std::vector<TrainingPoint> loss;        // "loss", nats per token
  std::vector<TrainingPoint> validation;  // "val_loss"
  double tokens_per_second = 0;           // median of "tok_per_s"; 0 when not logged
  int64_t steps() const { return loss.empty() ? 0 : loss.back().step; }
};

// False when the folder has no log or the log no step. A torn last line is left out; Error for another line that is not
// JSON.
bool read_training_log(const std::string& folder, TrainingLog& log);

}  // namespace longhaul
