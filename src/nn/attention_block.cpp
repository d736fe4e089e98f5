#include "nn/attention_block.h"

#include <ATen/ops/clamp.h>

namespace longhaul {

namespace {

// x [T, n D] with each head normalised, or all of them as one row, as the norm's weight is long.
Tensor normalize_heads(const Tensor& x, const Norm& norm, int64_t head_dim) {
  const bool each = norm.weight.size(0) == head_dim;
  return each ? normalize(x.reshape({-1, head_dim}), norm).view(x.sizes()) : normalize(x, norm);
}

// Queries, keys and values of qkv [T, (H + 2 G) D] into the call; rotated, keys only when `turn_keys`.
void split_heads(Tensor qkv, const AttentionWeights& w, const Rotation& rotation, bool turn_keys, AttentionCall& call) {
  const int64_t h = w.heads, g = w.kv_heads, d = w.head_dim, tokens = qkv.size(0);
  if (!w.q_norm) {
    qkv = rotate_heads_(qkv, turn_keys ? h + g : h, d, rotation);
    const Tensor heads = qkv.view({tokens, h + 2 * g, d});
    call.q = heads.narrow(1, 0, h), call.k = heads.narrow(1, h, g), call.v = heads.narrow(1, h + g, g);
    return;
  }
  Tensor q = normalize_heads(qkv.narrow(1, 0, h * d), *w.q_norm, d);
  Tensor k = normalize_heads(qkv.narrow(1, h * d, g * d), *w.k_norm, d);
  q = rotate_heads_(q, h, d, rotation);
  if (turn_keys) k = rotate_heads_(k, g, d, rotation);
  call.q = q.view({tokens, h, d}), call.k = k.view({tokens, g, d});
  call.v = qkv.narrow(1, (h + g) * d, g * d).view({tokens, g, d});
}

// Keys that the cache holds as they were before the rotation, turned for this call.
void turn_keys(const Encoding& encoding, int64_t layer, const Plan& plan, AttentionSpans& spans, AttentionCall& call) {
  KeyRows rows = without_pages(call.k, call.v, spans);
  const int64_t width = rows.k.size(1) * rows.k.size(2);
  Tensor keys = spans.pages ? rows.k.reshape({-1, width}) : rows.k.clone().view({-1, width});
  keys = rotate_heads_(keys, rows.k.size(1), rows.k.size(2),
                       encoding.key_rotation(layer, call.key_positions(), rows.spans, plan));
  call.k = keys.view(rows.k.sizes()), call.v = rows.v;
  spans = rows.spans;
}

}  // namespace

Tensor attention_block(const Tensor& x, const AttentionWeights& w, const Encoding& encoding, int64_t layer,
                       const Pass& pass, ComputeType compute) {
  AttentionCall call;
  call.plan = &pass.plan;
  Tensor qkv;
  if (encoding.reads_input()) {
    call.x = normalize(x, w.norm);
    qkv = linear(call.x, w.qkv, compute);
  } else {
    qkv = norm_linear(x, w.norm, w.qkv, compute);
  }
  if (w.clip > 0) qkv = at::clamp(qkv, -w.clip, w.clip);
  const bool late = pass.cache && encoding.moves_with_length();  // keys are kept as they are
  split_heads(qkv, w, encoding.rotation(layer, pass.plan), !late, call);
  call.key_positions = [&] { return pass.cache ? pass.cache->key_positions(pass.plan.seq) : pass.plan.seq.positions; };
  AttentionSpans spans;
  if (pass.cache) {
    spans = pass.cache->append(call.k, call.v, pass.plan.seq);
    call.k = pass.cache->k;
    call.v = pass.cache->v;
    call.channel = pass.cache->key_channel(pass.plan.seq);
    if (late) turn_keys(encoding, layer, pass.plan, spans, call);
  } else {
    spans = AttentionSpans::self(pass.plan.seq.offsets);
  }
  call.spans = &spans;
  call.options.scale = w.scale.value_or(encoding.qk_scale(w.head_dim));
  call.options.window = w.window;
  call.options.soft_cap = w.soft_cap;
  call.options.row_scale = pass.plan.row_scale;
  call.options.skip_eps = pass.skip_eps;
  call.options.stats = pass.stats;
  if (pass.readings) *pass.readings = encoding.readings(layer, call);
  Tensor y = encoding.attend(layer, call);
  if (pass.cache) pass.cache->keep_channel(call.channel, spans, pass.plan.seq);
  return linear(y.reshape({y.size(0), w.heads * w.head_dim}), w.out, compute);
}

}  // namespace longhaul
