// Randomised positions (Ruoss et al. 2023, arXiv 2305.16843): a sequence of T tokens gets T distinct integers below `max`, sorted, as
// its positions, in training anew at every step. Over any base encoding that has positions.
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>

#include "base/rng.h"
#include "pos/over_base.h"

namespace longhaul {

namespace {

class RandomPositions : public OverBase {
 public:
  RandomPositions(Spec& spec, const EncodingContext& context)
      : OverBase(make_encoding(spec.nested("base", "rope"), context)) {
    max_ = spec.length("max", 16 * 1024);
    int64_t longest = base_->traits().longest;
    check(max_ >= 1, "random: max must be at least 1, got ", max_);
    check(!dynamic_cast<const RandomPositions*>(base_.get()), "random: its base must take the positions drawn for it, ",
          "random itself draws others");
    check(base_->traits().reads_positions,
          "random: its base reads no positions, so drawing them would change nothing; ",
          "wanted one that does: rope, alibi, kerple, t5, fire ...");
    check(longest == 0 || longest >= max_, "random: its base has positions up to ", longest, ", wanted max = ", max_);
  }

  Plan prepare(const Sequences& seq, const Step& step) const override {
    std::map<int64_t, Tensor> drawn;  // by length: neighbours in the batch must not matter
    std::vector<Tensor> positions;
    for (int64_t b = 0; b < seq.count(); ++b) {
      int64_t total = seq.total[static_cast<size_t>(b)];
      check(total <= max_, "random: a sequence of ", total, " tokens needs as many positions below max = ", max_);
      Tensor& all = drawn[total];
      if (!all.defined()) all = draw(total, step);
      positions.push_back(all.narrow(0, seq.past[static_cast<size_t>(b)], seq.length(b)));
    }
    Sequences stretched = seq;
    stretched.positions = at::cat(positions);
    return base_->prepare(stretched, step);
  }

  Traits traits() const override {
    Traits traits = base_->traits();
    traits.longest = max_;
    traits.limit = str("positions are drawn below max = ", max_);
    traits.needs_total = true;
    traits.note = "positions are drawn for the whole length at once";
    return traits;
  }

 private:
  // [count] double, ascending.
  Tensor draw(int64_t count, const Step& step) const {
    uint64_t stream = stream_of("random positions") + (step.training ? static_cast<uint64_t>(step.number) + 1 : 0);
    std::vector<double> chosen;
    for (int64_t i = 0; i < count; ++i)
      chosen.push_back(
          static_cast<double>(permuted(static_cast<uint64_t>(i), static_cast<uint64_t>(max_), step.seed, stream)));
    std::sort(chosen.begin(), chosen.end());
    return at::tensor(chosen, at::TensorOptions(at::kDouble));
  }

  int64_t max_;
};

}  // namespace

LH_REGISTER(Encodings, "random", "sorted random positions below max=16k for any base=(rope)",
            [](Spec& spec, const EncodingContext& context) {
              return std::make_unique<RandomPositions>(spec, context);
            });

}  // namespace longhaul
