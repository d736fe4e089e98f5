#include "nn/forward.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/error.h"

namespace longhaul {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// What backward needs to run a layer again; the input's x is a saved variable of autograd's.
struct LayerRun : torch::CustomClassHolder {
  const Model* model;
  int64_t layer;
  Stream input;
  Pass pass;
};

// Keeps a layer's input alone and runs the layer again in backward (Chen et al. 2016, arXiv 1604.06174). The
// parameters' gradients are accumulated by the inner backward, as any backward accumulates them.
struct Recompute : Function<Recompute> {
  // `stream` holds the input when it is called and the output afterwards; its x is also what is returned.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Model* model, int64_t i, Stream* stream,
                        Pass pass) {
    at::NoGradGuard off;
    ctx->save_for_backward({x});
    auto run = c10::make_intrusive<LayerRun>();
    run->model = model;
    run->layer = i;
    run->input = {Tensor(), stream->seq, stream->origin};
    model->layer(i, *stream, pass);
    run->pass = std::move(pass);
    run->pass.stats = nullptr;  // tiles are counted once
    run->pass.readings = nullptr;
    ctx->saved_data["run"] = c10::IValue::make_capsule(std::move(run));
    return stream->x;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto held = ctx->saved_data["run"].toCapsule();
    const auto& run = static_cast<const LayerRun&>(*held);
    at::AutoGradMode on(true);
    Tensor x = ctx->get_saved_variables()[0].detach();
    x.set_requires_grad(true);
    Stream stream = run.input;
    stream.x = x;
    run.model->layer(run.layer, stream, run.pass);
    // Tables of a rotation that is trained are shared by all layers: the graph behind them stays.
    const bool shared = run.pass.plan.rotation.cos.defined() && run.pass.plan.rotation.cos.requires_grad();
    torch::autograd::backward({stream.x}, {grads[0]}, shared);
    return {x.grad(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

// The plan for the tokens that are left: they keep the positions and angles that they came with.
Plan plan_of_survivors(const Plan& whole, const Stream& stream) {
  auto rows = [&](const Tensor& table) {
    return table.defined() ? at::index_select(table, 0, stream.origin.to(table.device())) : table;
  };
  Plan plan = whole;
  plan.seq = stream.seq;
  plan.consecutive = stream.seq.consecutive();
  auto survivors = [&](const Rotation& all) { return Rotation{rows(all.cos), rows(all.sin), all.layout}; };
  plan.rotation = survivors(whole.rotation);
  plan.local_rotation = survivors(whole.local_rotation);
  plan.row_scale = rows(whole.row_scale);
  return plan;
}

// The tokens of one call on their way through the layers: the whole input, or a chunk of it.
struct Part {
  Plan plan;  // of all tokens that came in
  Stream stream;
  Pass pass;  // with the plan of the tokens that are still there
};

Part make_part(const Model& model, const Tensor& tokens, const Sequences& seq, const ForwardOptions& options) {
  Part part;
  part.plan = model.encoding().prepare(seq, options.step);
  part.stream = model.embed(tokens, part.plan);
  part.pass.plan = part.plan;
  part.pass.step = options.step;
  part.pass.stats = options.stats;
  part.pass.skip_eps = options.skip_eps;
  return part;
}

void run_layer(const Model& model, int64_t i, Part& part, bool recompute) {
  Stream& stream = part.stream;
  const int64_t tokens = stream.seq.tokens();
  if (recompute)
    stream.x = Recompute::apply(stream.x, &model, i, &stream, part.pass);
  else
    model.layer(i, stream, part.pass);
  if (stream.seq.tokens() != tokens) part.pass.plan = plan_of_survivors(part.plan, stream);
}

Tensor forward_whole(const Model& model, const Tensor& tokens, const Sequences& seq, const ForwardOptions& options) {
  Part part = make_part(model, tokens, seq, options);
  if (options.reports) options.reports->assign(model.info().layers, {});
  for (int64_t i = 0; i < model.info().layers; ++i) {
    if (options.reports) {
      part.pass.stats = &(*options.reports)[i].attention;
      part.pass.readings = &(*options.reports)[i].readings;
    }
    if (options.hidden) options.hidden->push_back(part.stream.x);
    if (options.caches) part.pass.cache = &(*options.caches)[i];
    run_layer(model, i, part, options.recompute && at::GradMode::is_enabled());
  }
  if (options.hidden) options.hidden->push_back(part.stream.x);
  return part.stream.x;
}

// A part's states into their place among those of the whole text, where they overwrite what the layer before left there.
void settle(Part& part, const Tensor& place) {
  if (part.stream.x.sizes() == place.sizes()) part.stream.x = place.copy_(part.stream.x);
}

// One sequence, layer by layer: only one layer's cache is alive at a time, and one copy of the states.
Tensor forward_chunks(const Model& model, const Tensor& tokens, const Tensor& positions,
                      const ForwardOptions& options) {
  const ModelInfo& info = model.info();
  const int64_t total = tokens.size(0);
  std::vector<Part> parts;
  std::vector<Tensor> places;
  Tensor all;  // [total, C]
  for (int64_t past = 0; past < total; past += options.chunk) {
    int64_t length = std::min(options.chunk, total - past);
    Sequences chunk = Sequences::chunk(past, length, total);
    chunk.positions = positions.narrow(0, past, length);
    parts.push_back(make_part(model, tokens.narrow(0, past, length), chunk, options));
    const Tensor& x = parts.back().stream.x;
    if (!all.defined()) all = at::empty({total, x.size(1)}, x.options());
    places.push_back(all.narrow(0, past, length));
    settle(parts.back(), places.back());
  }
  auto joined = [&] {
    std::vector<Tensor> rows;
    for (const Part& part : parts) rows.push_back(part.stream.x);
    return at::cat(rows);
  };
  for (int64_t i = 0; i < info.layers; ++i) {
    if (options.hidden) options.hidden->push_back(joined());
    LayerCache cache =
        LayerCache::make(parts.front().plan.seq, info.kv_heads, info.head_dim,
                         model.encoding().key_channel() ? info.heads : 0, parts.front().stream.x.options());
    for (size_t p = 0; p < parts.size(); ++p) {
      parts[p].pass.cache = &cache;
      run_layer(model, i, parts[p], false);
      settle(parts[p], places[p]);
    }
  }
  const auto settled = [&](const Part& part) { return part.stream.x.is_alias_of(all); };
  const Tensor x = std::all_of(parts.begin(), parts.end(), settled) ? all : joined();
  if (options.hidden) options.hidden->push_back(x);
  return x;
}

}  // namespace

Tensor forward(const Model& model, const Tensor& tokens, const Sequences& seq, const ForwardOptions& options) {
  check(tokens.dim() == 1 && tokens.scalar_type() == at::kLong && tokens.size(0) == seq.tokens(),
        "forward: tokens must be int64 [T] with T = ", seq.tokens(), ", got ", tokens.scalar_type(), " ",
        tokens.sizes());
  Traits traits = model.encoding().traits();
  for (int64_t b = 0; b < seq.count(); ++b)
    check(traits.longest == 0 || seq.total[b] <= traits.longest, "encoding '", model.info().position, "' ends at ",
          traits.longest, " tokens, asked for ", seq.total[b]);
  check(!options.caches || (options.chunk == 0 && !at::GradMode::is_enabled() &&
                            static_cast<int64_t>(options.caches->size()) == model.info().layers),
        "forward: caches are for calls without gradients or chunks, one for each of ", model.info().layers, " layers");
  if (options.chunk == 0) return forward_whole(model, tokens, seq, options);
  check(traits.chunks(), "encoding '", model.info().position, "' cannot run in chunks: ", traits.note);
  check(options.hidden == nullptr || seq.count() == 1,
        "forward: hidden states of chunked calls are captured for one sequence at a time");
  at::NoGradGuard off;
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < seq.count(); ++b) {
    check(seq.past[b] == 0 && seq.total[b] == seq.length(b), "forward: chunked calls take whole sequences");
    rows.push_back(forward_chunks(model, tokens.narrow(0, seq.offsets[b], seq.length(b)),
                                  seq.positions.narrow(0, seq.offsets[b], seq.length(b)), options));
  }
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

Tensor loss_sum(const Model& model, const Tensor& tokens, const Tensor& targets, const Sequences& seq,
                const ForwardOptions& options) {
  Head head = model.head();
  return linear_cross_entropy(normalize(forward(model, tokens, seq, options), head.norm), head.logits, targets, -100,
                              options.loss_factor);
}

TokenScores score_tokens(const Model& model, const Tensor& tokens, const Tensor& targets, const Sequences& seq,
                         const ForwardOptions& options) {
  at::NoGradGuard off;
  const Head head = model.head();
  return score_targets(forward(model, tokens, seq, options), head.norm, head.logits, targets);
}

}  // namespace longhaul
