#include "pos/encoding.h"

#include <cmath>

namespace longhaul {

Plan Encoding::prepare(const Sequences& seq, const Step&) const {
  Plan plan;
  plan.seq = seq;
  plan.consecutive = seq.consecutive();
  return plan;
}

Tensor Encoding::embed(const Plan&) const { return {}; }

Bias Encoding::bias(int64_t, const AttentionCall&) const { return {}; }

Tensor Encoding::attend(int64_t layer, const AttentionCall& call) const {
  return attention(call.q, call.k, call.v, *call.spans, bias(layer, call), call.options);
}

std::vector<Reading> Encoding::readings(int64_t, const AttentionCall&) const { return {}; }

double Encoding::qk_scale(int64_t head_dim) const { return 1.0 / std::sqrt(static_cast<double>(head_dim)); }

const Rotation& Encoding::rotation(int64_t, const Plan& plan) const { return plan.rotation; }

bool Encoding::begins_anew(int64_t, int64_t) const { return false; }

Rotation Encoding::key_rotation(int64_t, const Tensor&, const AttentionSpans&, const Plan&) const {
  fail("this encoding does not turn keys by the length of the text");
}

Tensor forgotten_by_softmax(const Tensor& x) { return x.detach() + 0 * x; }

Registry<EncodingFactory>& Encodings() {
  static Registry<EncodingFactory> registry("encoding");
  return registry;
}

std::unique_ptr<Encoding> make_encoding(const std::string& text, const EncodingContext& context) {
  return make_encoding(Spec::parse(text), context);
}

std::unique_ptr<Encoding> make_encoding(Spec spec, const EncodingContext& context) {
  auto encoding = Encodings().find(spec.name()).make(spec, context);
  spec.finish();
  return encoding;
}

}  // namespace longhaul
