// The order in which training reads a split.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/shards.h"

namespace longhaul {

struct Batch {
  std::vector<int64_t> inputs, targets;  // [sequences * length], targets shifted by one
  int64_t sequences = 0, length = 0;
  std::string where;                     // which tokens these are, for messages: "train tokens 4096..8193"
};

class Loader {
 public:
  virtual ~Loader() = default;
  virtual Batch next() = 0;
  virtual Json state() const = 0;             // enough for restore() to give the same batches, bit for bit
  virtual void restore(const Json& state) = 0;
};

struct LoaderOptions {
  std::string order = "sequential";  // "sequential": specs/cable.md section 4; "shuffled": seeded windows without repetition, epoch by epoch
  int64_t sequences = 1, length = 1;
  uint64_t seed = 0;
  int64_t rank = 0, world = 1;
};
// Error when the split is too short for one batch.
std::unique_ptr<Loader> make_loader(const TokenSplit& split, const LoaderOptions& options);

}  // namespace longhaul
