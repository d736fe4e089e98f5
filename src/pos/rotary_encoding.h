// Rotary position embedding under any policy, with the same or with other frequencies for some layers.
#pragma once
#include <optional>
#include <vector>

#include "pos/encoding.h"
#include "pos/rope_policy.h"

namespace longhaul {

class RotaryEncoding : public Encoding {
 public:
  RotaryEncoding(Rope rope, at::ScalarType dtype);
  // Layers i with is_local[i] turn by `local`.
  RotaryEncoding(Rope rope, Rope local, std::vector<bool> is_local, at::ScalarType dtype);

  Plan prepare(const Sequences& seq, const Step& step) const override;
  const Rotation& rotation(int64_t layer, const Plan& plan) const override;
  bool moves_with_length() const override;
  bool begins_anew(int64_t length, int64_t next) const override;
  Rotation key_rotation(int64_t layer, const Tensor& key_positions, const AttentionSpans& spans,
                        const Plan& plan) const override;
  Traits traits() const override;
  std::vector<EncodingFact> facts() const override;
  const Rope& rope() const { return rope_; }

 private:
  bool is_local(int64_t layer) const { return local_ && is_local_[static_cast<size_t>(layer)]; }
  // Tables for rows [begin[b], end[b]) of positions [S], sequence b being total[b] tokens long.
  Rotation tables(const Rope& rope, const Tensor& positions, const int64_t* begin, const int64_t* end,
                  const std::vector<int64_t>& total) const;

  Rope rope_;
  std::optional<Rope> local_;
  std::vector<bool> is_local_;
  at::ScalarType dtype_;
};

}  // namespace longhaul
