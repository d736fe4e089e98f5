// An encoding that stands on another one and changes part of it.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "pos/encoding.h"

namespace longhaul {

class OverBase : public Encoding {
 public:
  explicit OverBase(std::unique_ptr<Encoding> base) : base_(std::move(base)) {}

  Plan prepare(const Sequences& seq, const Step& step) const override { return base_->prepare(seq, step); }
  double embedding_scale() const override { return base_->embedding_scale(); }
  Tensor embed(const Plan& plan) const override { return base_->embed(plan); }
  Bias bias(int64_t layer, const AttentionCall& call) const override { return base_->bias(layer, call); }
  Tensor attend(int64_t layer, const AttentionCall& call) const override { return base_->attend(layer, call); }
  double qk_scale(int64_t head_dim) const override { return base_->qk_scale(head_dim); }
  const Rotation& rotation(int64_t layer, const Plan& plan) const override { return base_->rotation(layer, plan); }
  bool moves_with_length() const override { return base_->moves_with_length(); }
  bool begins_anew(int64_t length, int64_t next) const override { return base_->begins_anew(length, next); }
  bool plans_request() const override { return base_->plans_request(); }
  Rotation key_rotation(int64_t layer, const Tensor& key_positions, const AttentionSpans& spans,
                        const Plan& plan) const override {
    return base_->key_rotation(layer, key_positions, spans, plan);
  }
  bool reads_input() const override { return base_->reads_input(); }
  bool key_channel() const override { return base_->key_channel(); }
  std::vector<Reading> readings(int64_t layer, const AttentionCall& call) const override {
    return base_->readings(layer, call);
  }
  Traits traits() const override { return base_->traits(); }
  std::vector<EncodingFact> facts() const override { return base_->facts(); }

 protected:
  std::unique_ptr<Encoding> base_;
};

}  // namespace longhaul
