#include "data/loader.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace longhaul {

namespace {

// Both orders are functions of the step alone: where each sequence of the batch begins. A loader's state is its step.
class Order {
 public:
  virtual ~Order() = default;
  // First tokens of the `sequences` sequences of this rank's batch number `step`.
  virtual std::vector<int64_t> starts(int64_t step) const = 0;
  virtual std::string describe(const std::vector<int64_t>& starts) const = 0;
};

class SequentialOrder : public Order {
 public:
  SequentialOrder(const TokenSplit& split, const LoaderOptions& options)
      : options_(options), split_name_(split.name()), shard_starts_(split.shard_starts()) {
    for (size_t i = 0; i + 1 < shard_starts_.size(); ++i) {
      // Batches of this rank: the largest n with r B T + (n - 1) B T world + B T + 1 <= tokens of the shard.
      int64_t behind_first = shard_starts_[i + 1] - shard_starts_[i] - (options.rank + 1) * batch() - 1;
      batches_.push_back(behind_first < 0 ? 0 : behind_first / (batch() * options.world) + 1);
    }
    per_cycle_ = std::accumulate(batches_.begin(), batches_.end(), int64_t{0});
    int64_t longest = 0;
    for (size_t i = 0; i + 1 < shard_starts_.size(); ++i) {
      longest = std::max(longest, shard_starts_[i + 1] - shard_starts_[i]);
    }
    check(per_cycle_ > 0, "loader: a batch of ", options.sequences, " x ", options.length, " for rank ", options.rank,
          " of ", options.world, " needs a shard of ", (options.rank + 1) * batch() + 1,
          " tokens, the longest of split '", split.name(), "' has ", longest);
  }

  std::vector<int64_t> starts(int64_t step) const override {
    int64_t index = step % per_cycle_;
    size_t shard = 0;
    while (index >= batches_[shard]) index -= batches_[shard++];
    int64_t first = shard_starts_[shard] + (options_.rank + index * options_.world) * batch();
    std::vector<int64_t> starts(options_.sequences);
    for (int64_t i = 0; i < options_.sequences; ++i) starts[i] = first + i * options_.length;
    return starts;
  }

  std::string describe(const std::vector<int64_t>& starts) const override {
    return str(split_name_, " tokens ", starts.front(), "..", starts.front() + batch());
  }

 private:
  int64_t batch() const { return options_.sequences * options_.length; }

  LoaderOptions options_;
  std::string split_name_;
  std::vector<int64_t> shard_starts_, batches_;  // batches of this rank in each shard
  int64_t per_cycle_ = 0;                        // and in all shards
};

class ShuffledOrder : public Order {
 public:
  ShuffledOrder(const TokenSplit& split, const LoaderOptions& options)
      : options_(options), split_name_(split.name()), windows_((split.tokens() - 1) / options.length) {
    check(windows_ >= options.sequences * options.world, "loader: a batch of ", options.world, " x ", options.sequences,
          " windows of ", options.length, " needs ", options.world * options.sequences * options.length + 1,
          " tokens, split '", split.name(), "' has ", split.tokens());
  }

  std::vector<int64_t> starts(int64_t step) const override {
    std::vector<int64_t> starts(options_.sequences);
    int64_t first = (step * options_.world + options_.rank) * options_.sequences;
    for (int64_t i = 0; i < options_.sequences; ++i) {
      int64_t epoch = (first + i) / windows_, index = (first + i) % windows_;
      starts[i] = static_cast<int64_t>(permuted(index, windows_, options_.seed, stream(epoch))) * options_.length;
    }
    return starts;
  }

  std::string describe(const std::vector<int64_t>& starts) const override {
    std::string list;
    for (int64_t start : starts) list += (list.empty() ? "" : ", ") + std::to_string(start);
    return str(split_name_, " windows of ", options_.length, " tokens at ", list);
  }

 private:
  static uint64_t stream(int64_t epoch) { return stream_of(str("loader:epoch:", epoch)); }

  LoaderOptions options_;
  std::string split_name_;
  int64_t windows_;
};

class OrderedLoader : public Loader {
 public:
  OrderedLoader(const TokenSplit& split, const LoaderOptions& options, std::unique_ptr<Order> order)
      : split_(split), options_(options), order_(std::move(order)) {}

  Batch next() override {
    int64_t length = options_.length;
    std::vector<int64_t> starts = order_->starts(step_);
    Batch batch{{}, {}, options_.sequences, length, {}, order_->describe(starts)};
    batch.inputs.resize(options_.sequences * length);
    batch.targets.resize(options_.sequences * length);
    std::vector<int64_t> window(length + 1);
    for (int64_t i = 0; i < options_.sequences; ++i) {
      split_.read(starts[i], window);
      std::copy(window.begin(), window.end() - 1, batch.inputs.begin() + i * length);
      std::copy(window.begin() + 1, window.end(), batch.targets.begin() + i * length);
      add_pieces(starts[i], batch.pieces);
    }
    ++step_;
    return batch;
  }

  // A piece ends where the next document or the window's end comes; the last token before a document predicts its first.
  void add_pieces(int64_t start, std::vector<int64_t>& pieces) const {
    int64_t begin = start, end = start + options_.length;
    if (options_.reset_at_documents) {
      for (int64_t document : split_.document_starts(start + 1, options_.length - 1)) {
        pieces.push_back(document - begin);
        begin = document;
      }
    }
    pieces.push_back(end - begin);
  }

  Json state() const override {
    Json state = identity();
    state["step"] = step_;
    return state;
  }

  void restore(const Json& state) override {
    JsonReader reader(state, "loader state");
    int64_t step = reader.integer("step", 0, (int64_t{1} << 62) / (options_.world * options_.sequences));
    const Json wanted = identity();  // items() does not keep a temporary alive
    for (const auto& [key, ours] : wanted.items()) {
      const Json& theirs = reader.value(key);
      check(theirs == ours, "loader state: ", key, ": this run reads ", ours.dump(), ", the state was saved with ",
            theirs.dump());
    }
    reader.finish();
    step_ = step;
  }

 private:
  // All that decides the order of the batches, but not the rank: ranks share one state.
  Json identity() const {
    return {{"order", options_.order},         {"split", split_.name()},          {"tokens", split_.tokens()},
            {"shards", split_.shard_starts()}, {"sequences", options_.sequences}, {"length", options_.length},
            {"seed", options_.seed},           {"world", options_.world}};
  }

  TokenSplit split_;
  LoaderOptions options_;
  std::unique_ptr<Order> order_;
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Loader> make_loader(const TokenSplit& split, const LoaderOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 31;  // keeps sequences x length x world in 64 bits
  check(options.sequences > 0 && options.sequences < kMost, "loader: sequences must be > 0, got ", options.sequences);
  check(options.length > 0 && options.length < kMost, "loader: length must be > 0, got ", options.length);
  check(options.world > 0 && options.world <= 65'536, "loader: world must be in [1, 65536], got ", options.world);
  check(options.rank >= 0 && options.rank < options.world, "loader: rank must be in [0, ", options.world, "), got ",
        options.rank);
  check(options.sequences <= (int64_t{1} << 44) / options.length / options.world, "loader: ", options.world, " x ",
        options.sequences, " x ", options.length, " tokens are too many for one step");
  std::unique_ptr<Order> order;
  if (options.order == "sequential") {
    order = std::make_unique<SequentialOrder>(split, options);
  } else if (options.order == "shuffled") {
    order = std::make_unique<ShuffledOrder>(split, options);
  } else {
    fail("loader: order must be sequential or shuffled, got '", options.order, "'");
  }
  return std::make_unique<OrderedLoader>(split, options, std::move(order));
}

}  // namespace longhaul
