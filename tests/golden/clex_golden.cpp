// kinds clex_layer and clex_model: the ODE and its gradients, tables, and tiny models of the published families: whole texts, cached
// decoding across changes of t, chunks, a training step.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "golden/golden.h"
#include "methods/planned_encoding.h"
#include "models/models.h"
#include "nn/forward.h"
#include "ops/clex/clex.h"
#include "pos/rope_clex.h"
#include "pos/rotary_encoding.h"
#include "support.h"

namespace longhaul::golden {

namespace {

constexpr double kSolver32 = 3e-5;  // two f32 solvers of the ODE, relative (specs/clex.md 1.8)

Tensor row(const std::vector<double>& values) { return at::tensor(values, at::TensorOptions(at::kDouble)); }

// Every element by itself: theta spans five orders of magnitude.
void near_each(Report& report, const std::string& what, const Tensor& got, const Tensor& want, double tolerance) {
  const Tensor ratio = got.to(at::kDouble) / want.to(at::kDouble);
  report.near(what, ratio, at::ones_like(ratio), tolerance);
}

// ---- layer ------------------------------------------------------------------------------------------------------------

struct Layer {
  const Fixture& fixture;
  Report& report;
  ClexSettings settings;
  ClexWeights weights;
  std::vector<double> first;

  Layer(const Fixture& f, Report& r) : fixture(f), report(r) {
    const Json& config = f.info.at("config");
    const Json& scaling = config.at("rope_scaling");
    settings.ode.dim = config.at("dim");
    settings.ode.hidden = settings.ode.dim * scaling.at("param_factor").get<int64_t>();
    settings.ode.activation = scaling.at("act") == "tanh" ? ClexActivation::tanh : ClexActivation::silu;
    settings.ode.step = scaling.at("time_dt");
    settings.ode.base = config.at("ode_inner_base");
    settings.theta = config.at("rope_theta");
    settings.trained = config.at("max_position_embeddings");
    settings.max_factor = scaling.at("max_factor");
    weights = {numbers_of(f.at("ode_up_proj")), numbers_of(f.at("ode_down_proj"))};
    first = numbers_of(f.at("inv_freq"));
  }

  std::shared_ptr<ClexRope> policy(at::ScalarType dtype, bool trained = false) const {
    auto policy = std::make_shared<ClexRope>(settings);
    policy->set_weights(fixture.at("ode_up_proj", dtype).set_requires_grad(trained),
                        fixture.at("ode_down_proj", dtype).set_requires_grad(trained), fixture.at("inv_freq", dtype));
    return policy;
  }

  void compare_solver() const {
    const std::vector<double> times = numbers_of(fixture.at("f.t"));
    std::vector<Tensor> slopes, f64, f32;
    for (size_t i = 0; i < times.size(); ++i) {
      slopes.push_back(row(clex_slope(settings.ode, weights, times[i], numbers_of(fixture.at("f.z")[i]))));
      const bool begin = times[i] <= 1;
      for (auto [arithmetic, to] : {std::pair{ClexArithmetic::f64, &f64}, std::pair{ClexArithmetic::f32, &f32}})
        to->push_back(
            row(begin ? first : clex_frequencies(settings.ode, weights, first, {times[i]}, arithmetic).front()));
    }
    report.near("f(t, z)", at::stack(slopes), fixture.at("f.value"), 1e-6);  // an f32 run's
    near_each(report, "theta(t), f64", at::stack(f64), fixture.at("theta_at_t.f64"), 1e-12);
    near_each(report, "theta(t), f32", at::stack(f32), fixture.at("theta_at_t.f64"), kSolver32);
    near_each(report, "theta(t), f32, beside the authors'", at::stack(f32), fixture.at("theta_at_t.upstream"),
              kSolver32);
  }

  void compare_tables() const {
    const auto rope = policy(at::kFloat);
    std::vector<Tensor> rows;
    for (int64_t t = 1; t <= settings.max_factor; ++t) rows.push_back(row(rope->frequencies(t * settings.trained)));
    near_each(report, "table", at::stack(rows), fixture.at("eval.table.f64"), 1e-12);
    for (const auto& [length, t] : fixture.info.at("t_for_length").items())
      report.equal("t of " + length, rope->factor_of(std::stoll(length)), t);
    Rope whole;
    whole.base.dim = settings.ode.dim, whole.layout = RotaryLayout::half, whole.policy = rope;
    const RotaryEncoding encoding(whole, at::kFloat);
    for (const auto& [length, t] : fixture.info.at("t_for_length").items()) {
      const std::string key = "eval.len" + length;
      if (!fixture.has(key + ".cos_sin")) continue;
      const int64_t count = std::stoll(length);
      const Rotation tables = encoding.prepare(Sequences::equal(1, count), {}).rotation;
      const Tensor both = at::stack({at::cat({tables.cos, tables.cos}, 1), at::cat({tables.sin, tables.sin}, 1)});
      // The authors' angles are f32, and beyond t = 1 so is their theta.
      const std::vector<double> theta = rope->frequencies(count);
      const double fastest = *std::max_element(theta.begin(), theta.end()) * static_cast<double>(count);
      const double slack = 5e-6 + (t == 1 ? 0 : kSolver32) * fastest;
      report.near("cos, sin of " + length, at::index_select(both, 1, fixture.at(key + ".rows", at::kLong)),
                  fixture.at(key + ".cos_sin"), slack);
    }
  }

  void compare_training() const {
    for (const Json& record : fixture.info.at("train")) {
      const std::string p = longhaul::str("train", record.at("record").get<int64_t>(), ".");
      const int64_t length = record.at("len"), t = record.at("t");
      const Tensor positions = fixture.at(p + "positions", at::kDouble);
      const auto rope = policy(at::kDouble, true);
      const std::vector<double> drawn = rope->drawn_positions(length, t, {.training = true, .seed = 3});
      report.equal(p + "positions drawn", Json{drawn.size(), drawn.front(), drawn.back()},
                   Json{length, positions[0].item<double>(), positions[-1].item<double>()});
      if (!fixture.has(p + "loss_weights")) continue;
      const Tensor angle = at::outer(positions, rope->differentiable_frequencies(static_cast<double>(t)));
      const Tensor cos = at::cos(angle), sin = at::sin(angle);
      const Tensor both = at::stack({at::cat({cos, cos}, 1), at::cat({sin, sin}, 1)});
      const double slack = 5e-6 + kSolver32 * positions.abs().max().item<double>();
      if (fixture.has(p + "cos_sin.upstream"))
        report.near(p + "cos, sin", both, fixture.at(p + "cos_sin.upstream"), slack);
      const Tensor loss = (both * fixture.at(p + "loss_weights", at::kDouble)).sum();
      report.near(p + "loss", loss, row({record.at("loss_f64")})[0], 1e-10);
      torch::autograd::backward({loss}, {});
      compare_gradient(p + "grad.ode_up_proj", *rope, true);
      compare_gradient(p + "grad.ode_down_proj", *rope, false);
    }
  }

  void compare_gradient(const std::string& key, const ClexRope& rope, bool up) const {
    if (fixture.has(key)) report.near(key, (up ? rope.up() : rope.down()).grad(), fixture.at(key), 1e-6);
  }
};

bool handle_layer(const Fixture& fixture, Report& report) {
  const Layer layer(fixture, report);
  layer.compare_solver();
  layer.compare_tables();
  layer.compare_training();
  return true;
}

// ---- model ------------------------------------------------------------------------------------------------------------

struct Case {
  const Fixture& fixture;
  const Model& model;
  at::ScalarType dtype;
  Report& report;

  std::string mode() const { return dtype == at::kDouble ? "double " : "f32 "; }
  double tolerance() const { return dtype == at::kDouble ? 2e-7 : 1e-5; }
  Tensor tokens(int64_t begin, int64_t end) const {
    return fixture.at("tokens", at::kLong)[0].slice(0, begin, end).contiguous();
  }
};

const ClexRope& clex_of(const Model& model) {
  return dynamic_cast<const ClexRope&>(*rotary_of(model.encoding())->rope().policy);
}

Tensor logits_of(const Model& model, const Tensor& x) {
  const Head head = model.head();
  return logits(normalize(x, head.norm), head.logits);
}

void compare_whole(const Case& c, const std::string& name) {
  const int64_t length = std::stoll(name.substr(4));
  const Sequences seq = Sequences::equal(1, length);
  const Tensor all = logits_of(c.model, forward(c.model, c.tokens(0, length), seq, {}));
  c.report.near(c.mode() + name, at::index_select(all, 0, c.fixture.at(name + ".positions", at::kLong)),
                c.fixture.at(name + ".logits_f64"), c.tolerance());
  const Tensor inputs = c.tokens(0, length), targets = at::cat({inputs.slice(0, 1), at::tensor({int64_t{-100}})});
  for (int64_t chunk : {0, 13}) {  // chunks know the whole text's length
    ForwardOptions options;
    options.chunk = chunk;
    const TokenScores scores = score_tokens(c.model, inputs, targets, seq, options);
    c.report.near(longhaul::str(c.mode(), name, " nll, chunk ", chunk), -scores.log_prob.narrow(0, 0, length - 1),
                  c.fixture.at(name + ".nll_f64"), c.tolerance());
  }
}

// A text that grows: every call is read as if the text ended with it, as the authors' code does.
class Growing {
 public:
  Growing(const Case& c, int64_t room) : case_(c) {
    const ModelInfo& info = c.model.info();
    for (int64_t i = 0; i < info.layers; ++i)
      caches.push_back(
          LayerCache::make(Sequences::equal(1, room), info.kv_heads, info.head_dim, 0, at::TensorOptions(c.dtype)));
  }
  Tensor to(int64_t end) {  // the last row's logits
    ForwardOptions options;
    options.caches = &caches;
    const Tensor x = forward(case_.model, case_.tokens(past_, end), Sequences::chunk(past_, end - past_, end), options);
    past_ = end;
    return logits_of(case_.model, x.slice(0, -1))[0];
  }
  std::vector<LayerCache> caches;

 private:
  const Case& case_;
  int64_t past_ = 0;
};

void compare_decoding(const Case& c) {
  const int64_t prompt = c.fixture.info.at("/info/decode/prefill"_json_pointer),
                steps = c.fixture.at("decode.logits_f64").size(0), end = prompt + steps - 1;
  Growing text(c, end);
  std::vector<Tensor> rows;
  for (int64_t length = prompt; length <= end; ++length) rows.push_back(text.to(length));
  c.report.near(c.mode() + "decode", at::stack(rows), c.fixture.at("decode.logits_f64"), c.tolerance());
  const auto keys = [&](size_t layer, int64_t begin) {
    return text.caches[layer].k.slice(0, begin, begin + 4).transpose(0, 1);
  };
  c.report.near(c.mode() + "keys of layer 0", keys(0, end - 4), c.fixture.at("decode.cache_keys_layer0_last4"),
                c.tolerance());
  c.report.near(c.mode() + "keys of layer 1", keys(1, 0), c.fixture.at("decode.cache_keys_layer1_first4"),
                c.tolerance());
  std::vector<Tensor> fresh;
  for (double r : numbers_of(c.fixture.at("decode.fresh_rows")))
    fresh.push_back(Growing(c, end).to(prompt + static_cast<int64_t>(r)));
  c.report.near(c.mode() + "read anew", at::stack(fresh), c.fixture.at("decode.fresh_prefill_logits_f64"),
                c.tolerance());
}

void compare_chunks(const Case& c) {
  const int64_t chunk = c.fixture.info.at("/info/chunked/chunk"_json_pointer),
                total = c.fixture.info.at("/info/chunked/total"_json_pointer);
  Growing text(c, total);
  std::vector<Tensor> rows;
  for (int64_t end = chunk;; end += chunk) {
    rows.push_back(text.to(std::min(end, total)));
    if (end >= total) break;
  }
  c.report.near(c.mode() + "chunks", at::stack(rows), c.fixture.at("chunked.last_row_logits_f64"), c.tolerance());
}

// The gradient of a tensor as checkpoints hold it: of the part of a parameter that it is.
Tensor stored_gradient(const Model& model, const std::string& name) {
  for (const StoredTensor& stored : model.stored()) {
    if (stored.name != name || stored.parts.size() != 1) continue;
    const Tensor& part = stored.parts[0];
    for (const Parameter& p : model.parameters().all())
      if (p.tensor.storage().data() == part.storage().data())
        return p.tensor.grad().as_strided(part.sizes(), part.strides(), part.storage_offset());
  }
  return model.parameters().at(name).grad();
}

// The step's positions and factor are the fixture's.
void compare_training(const Case& c) {
  const Json& record = c.fixture.info.at("/info/train"_json_pointer);
  const int64_t length = record.at("len");
  at::AutoGradMode on(true);
  const Tensor inputs = c.tokens(0, length), targets = at::cat({inputs.slice(0, 1), at::tensor({int64_t{-100}})});
  Plan plan = c.model.encoding().prepare(Sequences::equal(1, length), {});
  const Tensor angle = at::outer(c.fixture.at("train.positions", at::kDouble),
                                 clex_of(c.model).differentiable_frequencies(record.at("t").get<double>()));
  plan.rotation.cos = at::cos(angle).to(c.dtype), plan.rotation.sin = at::sin(angle).to(c.dtype);
  Stream stream = c.model.embed(inputs, plan);
  Pass pass;
  pass.plan = plan;
  for (int64_t i = 0; i < c.model.info().layers; ++i) c.model.layer(i, stream, pass);
  const Head head = c.model.head();
  const Tensor loss = linear_cross_entropy(normalize(stream.x, head.norm), head.logits, targets, -100,
                                           1 / static_cast<double>(length - 1));
  // The reference's theta and angles are f32 here.
  c.report.near(c.mode() + "training loss", loss, row({record.at("loss")})[0], 1e-6);
  torch::autograd::backward({loss}, {});
  const std::string prefix = "train.grad.";
  for (const std::string& name : c.fixture.tensors.names()) {
    if (!name.starts_with(prefix)) continue;
    c.report.near(c.mode() + name, stored_gradient(c.model, name.substr(prefix.size())), c.fixture.at(name), 1e-4);
  }
}

void write_checkpoint(const Fixture& fixture, const std::string& folder) {
  const std::string prefix = "param.";
  std::vector<NamedTensor> tensors;
  for (const std::string& name : fixture.tensors.names()) {
    if (!name.starts_with(prefix)) continue;
    const TensorView& view = fixture.tensors.at(name);
    tensors.push_back({name.substr(prefix.size()), view.dtype, view.shape, view.bytes});
  }
  write_safetensors(path_join(folder, "model.safetensors"), tensors);
  write_json(path_join(folder, "config.json"), fixture.info.at("config"));
}

bool handle_model(const Fixture& fixture, Report& report) {
  at::NoGradGuard off;
  const TemporaryFolder folder;
  write_checkpoint(fixture, folder.path());
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto model = load_model(folder.path(), dtype);
    const Case c{fixture, *model, dtype, report};
    std::vector<Tensor> rows;
    const ClexRope& rope = clex_of(*model);
    for (int64_t t = 1; t <= rope.settings().max_factor; ++t)
      rows.push_back(row(rope.frequencies(t * rope.settings().trained)));
    near_each(report, c.mode() + "theta", at::stack(rows), fixture.at("theta_table_f64"), 1e-12);
    for (const std::string& name : fixture.tensors.names())
      if (name.starts_with("full") && name.ends_with(".logits_f64")) compare_whole(c, name.substr(0, name.find('.')));
    compare_decoding(c);
    compare_chunks(c);
    if (fixture.info.at("info").contains("train")) compare_training(c);
  }
  return true;
}

const bool claimed = claim("clex_layer", handle_layer) && claim("clex_model", handle_model);

}  // namespace

}  // namespace longhaul::golden
