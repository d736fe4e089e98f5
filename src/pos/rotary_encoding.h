// Rotary position embedding under any policy, with the same or with other frequencies for some layers.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "pos/encoding.h"
#include "pos/kept_tables.h"
#include "pos/rope_policy.h"

namespace longhaul {

class RotaryEncoding : public Encoding {
 public:
  RotaryEncoding(Rope rope, at::ScalarType dtype);
  // Layers i with is_local[i] turn by `local`.
  RotaryEncoding(Rope rope, Rope local, std::vector<bool> is_local, at::ScalarType dtype);
  // The same layers under another policy; local ones keep theirs.
  std::unique_ptr<RotaryEncoding> with(Rope rope) const;

  Plan prepare(const Sequences& seq, const Step& step) const override;
  const Rotation& rotation(int64_t layer, const Plan& plan) const override;
  bool moves_with_length() const override;
  bool begins_anew(int64_t length, int64_t next) const override;
  bool plans_request() const override { return rope_.policy->by_request(); }
  Rotation key_rotation(int64_t layer, const Tensor& key_positions, const AttentionSpans& spans,
                        const Plan& plan) const override;
  Traits traits() const override;
  std::vector<EncodingFact> facts() const override;
  const Rope& rope() const { return rope_; }
  const Rope& rope_of(int64_t layer) const { return is_local(layer) ? *local_ : rope_; }
  at::ScalarType dtype() const { return dtype_; }
  // The length that decides the frequencies of sequence b.
  static int64_t length_of(const Rope& rope, const Sequences& seq, int64_t b);

 private:
  bool is_local(int64_t layer) const { return local_ && is_local_[static_cast<size_t>(layer)]; }
  // Tables for rows [begin[b], end[b]) of positions [S].
  Rotation tables(const Rope& rope, const KeptTables& kept, const Tensor& positions, const int64_t* begin,
                  const int64_t* end, const Sequences& seq) const;

  Rope rope_;
  std::optional<Rope> local_;
  std::vector<bool> is_local_;
  at::ScalarType dtype_;
  KeptTables kept_, kept_local_;
};

}  // namespace longhaul
