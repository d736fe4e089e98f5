// kind separable_attention: attention with CABLE's bias alone, q, k, v, h, s -> out and all gradients.
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "golden/golden.h"
#include "ops/attention/attention.h"
#include "ops/running_sum/running_sum.h"
#include "ops/sequences.h"

namespace longhaul::golden {

namespace {

struct Form {
  bool relu, weighted, kernel;
};
const std::map<std::string, Form> kForms = {{"cable", {false, false, false}},
                                            {"cable6", {true, true, false}},
                                            {"kcable", {false, false, true}},
                                            {"kcable6", {true, true, true}}};

// [B, H, T, ...] -> packed [B T, H, ...]
Tensor pack(const Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }

void compare(const Fixture& fixture, const Form& form, at::ScalarType dtype, Report& report) {
  std::map<std::string, Tensor> in;
  for (const char* name : {"q", "k", "v", "h", "s"})
    if (fixture.has(std::string("in.") + name))
      in[name] = fixture.at(std::string("in.") + name, dtype).set_requires_grad(true);
  int64_t count = in["q"].size(0), length = in["q"].size(2);
  Sequences seq = Sequences::equal(count, length);
  Tensor h = pack(in["h"]), a = form.relu ? at::relu(h) : at::softplus(h), s = -running_sum(a, seq.offsets), g;
  if (form.weighted) g = at::softplus(pack(in["s"]));
  AttentionOptions options;
  options.scale = 1 / std::sqrt(static_cast<double>(in["q"].size(3)));
  Bias bias = form.kernel ? Bias(SeparableKernel{g, s}) : Bias(SeparableBias{g, s});
  Tensor out = attention(pack(in["q"]), pack(in["k"]), pack(in["v"]), AttentionSpans::self(seq.offsets), bias, options);
  Tensor loss = (out * pack(fixture.at("weight.out", dtype))).sum();
  torch::autograd::backward({loss}, {});

  std::string mode = dtype == at::kDouble ? "double " : "f32 ";
  const Json& deviation = fixture.info.at("float32_run_deviates_by");
  Tolerance tolerance = tolerance_for(dtype, deviation.value("out", Json()), at::kFloat);
  report.near(mode + "out", out, pack(fixture.at("out.out")), tolerance.value);
  double largest = 0;
  for (const auto& [name, tensor] : in)
    largest = std::max(largest, fixture.at("grad." + name, at::kDouble).abs().max().item<double>());
  for (const auto& [name, tensor] : in)
    report.near_with_floor(mode + "grad " + name, tensor.grad(), fixture.at("grad." + name), tolerance.gradient,
                           1e-4 * largest);
}

bool handle(const Fixture& fixture, Report& report) {
  auto form = kForms.find(fixture.info.at("variant").get<std::string>());
  if (form == kForms.end()) return false;
  compare(fixture, form->second, at::kDouble, report);
  compare(fixture, form->second, at::kFloat, report);
  return true;
}

const bool claimed = claim("separable_attention", handle);

}  // namespace

}  // namespace longhaul::golden
