#include "nn/forward.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"

namespace longhaul {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

Tensor run_layer(const Model& model, int64_t i, const Tensor& x, const Pass& pass) {
  Stream stream{x, pass.plan.seq, {}};
  model.layer(i, stream, pass);
  return stream.x;
}

// Keeps a layer's input alone and runs the layer again in backward (Chen et al. 2016, arXiv 1604.06174). The parameters'
// gradients are accumulated by the inner backward, as any backward accumulates them.
struct Recompute : Function<Recompute> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Model* model, int64_t i, Pass pass) {
    at::NoGradGuard off;
    ctx->save_for_backward({x});
    Tensor y = run_layer(*model, i, x, pass);
    pass.stats = nullptr;  // tiles are counted once
    pass.readings = nullptr;
    ctx->saved_data["layer"] = i;
    auto state = std::make_shared<std::pair<const Model*, Pass>>(model, std::move(pass));
    ctx->saved_data["state"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(std::move(state)));
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto holder = ctx->saved_data["state"].toCapsule();
    const auto& [model, pass] = *static_cast<Holder&>(*holder).state;
    at::AutoGradMode on(true);
    Tensor x = ctx->get_saved_variables()[0].detach();
    x.set_requires_grad(true);
    Tensor y = run_layer(*model, ctx->saved_data["layer"].toInt(), x, pass);
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), Tensor(), Tensor(), Tensor()};
  }

  struct Holder : torch::CustomClassHolder {
    explicit Holder(std::shared_ptr<std::pair<const Model*, Pass>> held) : state(std::move(held)) {}
    std::shared_ptr<std::pair<const Model*, Pass>> state;
  };
};

Tensor forward_whole(const Model& model, const Tensor& tokens, const Sequences& seq, const ForwardOptions& options) {
  Pass pass;
  pass.plan = model.encoding().prepare(seq, options.step);
  pass.step = options.step;
  pass.stats = options.stats;
  pass.skip_eps = options.skip_eps;
  Stream stream = model.embed(tokens, pass.plan);
  if (options.reports) options.reports->assign(model.info().layers, {});
  for (int64_t i = 0; i < model.info().layers; ++i) {
    if (options.reports) {
      pass.stats = &(*options.reports)[i].attention;
      pass.readings = &(*options.reports)[i].readings;
    }
    if (options.hidden) options.hidden->push_back(stream.x);
    if (options.caches) pass.cache = &(*options.caches)[i];
    if (options.recompute && at::GradMode::is_enabled())
      stream.x = Recompute::apply(stream.x, &model, i, pass);
    else
      model.layer(i, stream, pass);
  }
  if (options.hidden) options.hidden->push_back(stream.x);
  return stream.x;
}

// One sequence, layer by layer: only one layer's cache is alive at a time.
Tensor forward_chunks(const Model& model, const Tensor& tokens, const Tensor& positions,
                      const ForwardOptions& options) {
  const ModelInfo& info = model.info();
  const int64_t total = tokens.size(0);
  std::vector<Pass> chunks;
  std::vector<Tensor> parts;
  for (int64_t past = 0; past < total; past += options.chunk) {
    int64_t length = std::min(options.chunk, total - past);
    Sequences chunk = Sequences::chunk(past, length, total);
    chunk.positions = positions.narrow(0, past, length);
    Pass pass;
    pass.plan = model.encoding().prepare(chunk, options.step);
    pass.step = options.step;
    pass.stats = options.stats;
    pass.skip_eps = options.skip_eps;
    parts.push_back(model.embed(tokens.narrow(0, past, length), pass.plan).x);
    chunks.push_back(std::move(pass));
  }
  for (int64_t i = 0; i < info.layers; ++i) {
    if (options.hidden) options.hidden->push_back(at::cat(parts));
    LayerCache cache = LayerCache::make(chunks.front().plan.seq, info.kv_heads, info.head_dim,
                                        model.encoding().key_channel() ? info.heads : 0, parts.front().options());
    for (size_t c = 0; c < chunks.size(); ++c) {
      chunks[c].cache = &cache;
      parts[c] = run_layer(model, i, parts[c], chunks[c]);
    }
  }
  Tensor x = at::cat(parts);
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
  check(traits.chunk_exact, "encoding '", model.info().position, "' cannot run in chunks: ", traits.note);
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
  Head head = model.head();
  return score_targets(normalize(forward(model, tokens, seq, options), head.norm), head.logits, targets);
}

}  // namespace longhaul
