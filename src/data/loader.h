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
  // Tokens of each piece that is a context of its own, in order: `sequences` times `length`, or less where a document
  // begins inside a window (LoaderOptions::reset_at_documents).
  std::vector<int64_t> pieces;
  std::string where;  // which tokens these are, for messages: "train tokens 4096..8193"
};

class Loader {
 public:
  virtual ~Loader() = default;
  virtual Batch next() = 0;
  // Enough for restore() to give the same batches, bit for bit; the same on every rank. restore() is an Error when the
  // state comes from other data or other options.
  virtual Json state() const = 0;
  virtual void restore(const Json& state) = 0;
};

// "sequential": rank r begins at token r B T of a shard; a batch is B T + 1 tokens, and the rank moves on by B T world. When
//   its next batch would pass the shard's end, it goes to r B T of the next shard (after the last, the first); the shard's
//   tail is dropped, and so is the whole of a shard too short for one batch. (The published loader of Cable's experiments.)
// "shuffled": windows of T + 1 tokens at stride T over the whole split, in a seeded permutation per epoch: none twice
//   within an epoch. The global batch is world x B consecutive windows of that order; it may cross epochs.
struct LoaderOptions {
  std::string order = "sequential";
  int64_t sequences = 1, length = 1;
  uint64_t seed = 0;
  int64_t rank = 0, world = 1;
  bool reset_at_documents = false;  // cut windows where a document begins (intra-document masking)
};
// Keeps the split's maps alive by itself. Error when the split is too short for one batch, naming both figures.
std::unique_ptr<Loader> make_loader(const TokenSplit& split, const LoaderOptions& options);

}  // namespace longhaul
