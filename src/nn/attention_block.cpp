#include "nn/attention_block.h"

namespace longhaul {

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
  if (pass.plan.rotation.cos.defined()) qkv = rotate_heads_(qkv, w.heads + w.kv_heads, w.head_dim, pass.plan.rotation);
  Tensor heads = qkv.view({qkv.size(0), w.heads + 2 * w.kv_heads, w.head_dim});
  call.q = heads.narrow(1, 0, w.heads);
  call.k = heads.narrow(1, w.heads, w.kv_heads);
  call.v = heads.narrow(1, w.heads + w.kv_heads, w.kv_heads);
  call.key_positions = pass.plan.seq.positions;
  AttentionSpans spans;
  if (pass.cache) {
    spans = pass.cache->append(call.k, call.v, pass.plan.seq);
    call.k = pass.cache->k;
    call.v = pass.cache->v;
    call.key_positions = pass.cache->key_positions(pass.plan.seq);
    call.channel = pass.cache->key_channel(pass.plan.seq);
  } else {
    spans = AttentionSpans::self(pass.plan.seq.offsets);
  }
  call.spans = &spans;
  call.options.scale = encoding.qk_scale(w.head_dim);
  call.options.row_scale = pass.plan.row_scale;
  call.options.skip_eps = pass.skip_eps;
  call.options.stats = pass.stats;
  if (pass.readings) *pass.readings = encoding.readings(layer, call);
  Tensor y = encoding.attend(layer, call);
  if (pass.cache) pass.cache->keep_channel(call.channel, spans, pass.plan.seq);
  return linear(y.reshape({y.size(0), w.heads * w.head_dim}), w.out, compute);
}

}  // namespace longhaul
