// An encoding with a length plan in force over it: far pairs stand elsewhere or are not seen, logits are scaled.
#pragma once
#include <memory>
#include <vector>

#include "methods/length_plan.h"
#include "pos/kept_tables.h"
#include "pos/over_base.h"
#include "pos/rotary_encoding.h"

namespace longhaul {

class PlannedEncoding : public OverBase {
 public:
  // `base` must be a RotaryEncoding when the plan has far pairs. The plan's rope is not looked at: `base` has it.
  PlannedEncoding(std::unique_ptr<Encoding> base, LengthPlan plan);

  Plan prepare(const Sequences& seq, const Step& step) const override;
  Tensor attend(int64_t layer, const AttentionCall& call) const override;
  Traits traits() const override;
  std::vector<EncodingFact> facts() const override;
  const LengthPlan& plan() const { return plan_; }
  const Encoding& base() const { return *base_; }
  // Gives the base up; nothing else may be asked of it afterwards.
  std::unique_ptr<Encoding> release_base() { return std::move(base_); }

 private:
  // The call's queries and keys, which stand where they are, moved on to where they are in far pairs.
  Tensor far_queries(int64_t layer, const AttentionCall& call) const;
  Tensor far_keys(int64_t layer, const KeyRows& rows, const Sequences& seq) const;

  LengthPlan plan_;
  const RotaryEncoding* rotary_;  // the base, when it is one
  KeptTables query_shifts_, key_shifts_;
};

// The rotary encoding that is in force, under a plan or not; null: none is.
const RotaryEncoding* rotary_of(const Encoding& encoding);

}  // namespace longhaul
