// kind gpt: a whole model with one positional method: loss, logits, nll, all gradients, and the same at several times the length.
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "base/error.h"
#include "golden/golden.h"
#include "golden/gpt_fixture.h"
#include "nn/forward.h"

namespace longhaul::golden {

namespace {

struct Case {
  const Fixture& fixture;
  const GptFixtureConfig& config;
  Model& model;
  at::ScalarType dtype;
  Report& report;

  std::string mode() const { return dtype == at::kDouble ? "double " : "f32 "; }
  Tolerance tolerance(const std::string& tensor, at::ScalarType stored) const {
    return tolerance_for(dtype, fixture.info.at("float32_run_deviates_by").value(tensor, Json()), stored);
  }
};

// logits of all rows; fixtures are small.
Tensor all_logits(const Model& model, const Tensor& tokens, const Sequences& seq) {
  Head head = model.head();
  return logits(normalize(forward(model, tokens, seq, {}), head.norm), head.logits);
}

void compare_training_pass(const Case& c) {
  Tensor tokens = c.fixture.at("tokens", at::kLong), targets = c.fixture.at("targets", at::kLong);
  Sequences seq = c.config.sequences(tokens.size(0), tokens.size(1));
  Tensor loss = loss_sum(c.model, tokens.flatten(), targets.flatten(), seq, {}) / static_cast<double>(tokens.numel());
  torch::autograd::backward({loss}, {});
  c.report.near(c.mode() + "loss", loss, c.fixture.at("loss"), c.tolerance("loss", at::kDouble).value);
  Tensor nll = -score_tokens(c.model, tokens.flatten(), targets.flatten(), seq, {}).log_prob.view(tokens.sizes());
  c.report.near(c.mode() + "nll", nll, c.fixture.at("nll"), c.tolerance("nll", at::kFloat).value);
  at::NoGradGuard off;
  Tensor rows = all_logits(c.model, tokens.flatten(), seq).view({tokens.size(0), tokens.size(1), -1});
  Tensor want = c.fixture.at("logits");
  c.report.near(c.mode() + "logits", rows.narrow(0, 0, want.size(0)), want, c.tolerance("logits", at::kFloat).value);

  double largest = 0;
  for (const Parameter& p : c.model.parameters().all())
    if (p.trainable)
      largest = std::max(
          largest, c.fixture.at("grad." + fixture_name(c.fixture, p.name), at::kDouble).abs().max().item<double>());
  for (const Parameter& p : c.model.parameters().all())
    if (p.trainable)
      c.report.near_with_floor(c.mode() + "grad " + p.name, p.tensor.grad(),
                               c.fixture.at("grad." + fixture_name(c.fixture, p.name)),
                               c.tolerance("", at::kFloat).gradient, 1e-4 * largest);
}

// long<L>.tokens [B, L+1], .nll [B, L], .positions, .logits_at [B, n, V], for every L the fixture has; in one pass and in chunks.
void compare_long(const Case& c, const std::string& prefix) {
  Tensor all = c.fixture.at(prefix + ".tokens", at::kLong);
  int64_t count = all.size(0), length = all.size(1) - 1;
  Tensor tokens = all.narrow(1, 0, length).flatten(), targets = all.narrow(1, 1, length).flatten();
  Sequences seq = c.config.sequences(count, length);
  for (int64_t chunk : {0, 37}) {
    if (chunk && !c.model.info().traits.chunk_exact) continue;
    ForwardOptions options;
    options.chunk = chunk;
    Tensor nll = -score_tokens(c.model, tokens, targets, seq, options).log_prob.view({count, length});
    c.report.near(longhaul::str(c.mode(), prefix, ".nll chunk ", chunk), nll, c.fixture.at(prefix + ".nll"),
                  c.tolerance(prefix + ".logits", at::kFloat).value);
  }
  Tensor rows = all_logits(c.model, tokens, seq).view({count, length, -1});
  c.report.near(c.mode() + prefix + ".logits_at",
                at::index_select(rows, 1, c.fixture.at(prefix + ".positions", at::kLong)),
                c.fixture.at(prefix + ".logits_at"), c.tolerance(prefix + ".logits", at::kFloat).value);
}

// layer0.bias / layer0.scores [H, R, T]: read back from the attention weights; for the bias alone with queries and keys of zero.
// A softmax forgets a constant per row, so rows are compared relative to their diagonal.
void compare_layer0(const Case& c, const std::string& what) {
  at::NoGradGuard off;
  const Parameters& p = c.model.parameters();
  auto at = [&](const std::string& name) { return p.at("transformer.h.0." + name); };
  Tensor tokens = c.fixture.at("tokens", at::kLong)[0];
  int64_t length = tokens.size(0), heads = c.model.info().heads, size = c.model.info().head_dim;
  const Encoding& encoding = c.model.encoding();
  Plan plan = encoding.prepare(c.config.sequences(1, length), {});
  Tensor x = c.model.embed(tokens, plan).x;
  AttentionCall call;
  call.x = normalize(x, {NormKind::layer, at("ln_1.weight"), at("ln_1.bias"), 1e-5});
  call.plan = &plan;
  AttentionSpans spans = AttentionSpans::self(plan.seq.offsets);
  call.spans = &spans;
  call.key_positions = [&] { return plan.seq.positions; };
  call.options.scale = encoding.qk_scale(size);
  call.options.skip_eps = 0;
  Tensor qkv = linear(call.x, {at("attn.c_attn.weight"), at("attn.c_attn.bias")});
  if (plan.rotation.cos.defined()) qkv = rotate_heads_(qkv, 2 * heads, size, plan.rotation);
  call.q = qkv.view({length, 3 * heads, size}).narrow(1, 0, heads);
  call.k = qkv.view({length, 3 * heads, size}).narrow(1, heads, heads);
  bool alone = what == "layer0.bias";
  if (alone) call.q = call.k = at::zeros({length, heads, size}, x.options());
  std::vector<Tensor> columns;  // values that are columns of the unit matrix give the weights of `size` keys at a time
  Tensor unit = at::constant_pad_nd(at::eye(length, x.options()), {0, (size - length % size) % size});
  for (const Tensor& some : unit.split(size, 1)) {
    call.v = some.unsqueeze(1).expand({length, heads, size});
    columns.push_back(alone ? attention(call.q, call.k, call.v, spans, encoding.bias(0, call), call.options)
                            : encoding.attend(0, call));
  }
  Tensor weights = at::cat(columns, 2).narrow(2, 0, length).transpose(0, 1);  // [H, T, T]
  Tensor relative = at::tril(at::log(weights) - at::log(weights.diagonal(0, 1, 2)).unsqueeze(2));
  Tensor rows = c.fixture.at("layer0.rows", at::kLong), want = c.fixture.at(what, at::kDouble);
  Tensor diagonal = want.gather(2, rows.view({1, -1, 1}).expand({heads, rows.size(0), 1}));
  Tensor mask = at::index_select(at::tril(at::ones_like(weights)), 1, rows);
  c.report.near(c.mode() + what, at::where(mask > 0, at::index_select(relative, 1, rows), 0), (want - diagonal) * mask,
                c.tolerance(what, at::kFloat).value);
}

void compare_converted(const Fixture& fixture, const GptFixtureConfig& config, Report& report) {
  at::NoGradGuard off;
  auto model = converted_fixture_model(fixture, config, report);
  Case c{fixture, config, *model, at::kFloat, report};
  Tensor tokens = fixture.at("tokens", at::kLong), want = fixture.at("logits");
  Tensor rows = all_logits(*model, tokens.flatten(), config.sequences(tokens.size(0), tokens.size(1)));
  report.near("converted logits", rows.view({tokens.size(0), tokens.size(1), -1}).narrow(0, 0, want.size(0)), want,
              c.tolerance("logits", at::kFloat).value);
}

bool handle(const Fixture& fixture, Report& report) {
  GptFixtureConfig config = read_gpt_config(fixture.info.at("config"), fixture.path);
  if (config.position.empty()) return false;
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    auto model = make_fixture_model(fixture, config, dtype);
    Case c{fixture, config, *model, dtype, report};
    compare_training_pass(c);
    for (const std::string& name : fixture.tensors.names())
      if (name.starts_with("long") && name.ends_with(".tokens")) compare_long(c, name.substr(0, name.size() - 7));
    for (const char* what : {"layer0.bias", "layer0.scores"})
      if (fixture.has(what) && dtype == at::kDouble) compare_layer0(c, what);
  }
  if (is_authors(fixture)) compare_converted(fixture, config, report);
  return true;
}

const bool claimed = claim("gpt", handle);

}  // namespace

}  // namespace longhaul::golden
