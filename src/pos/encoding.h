// A positional encoding: what it adds to the embeddings, how it turns queries and keys, what bias it asks of attention.
// One object per model; the defaults do nothing, so NoPE is an empty class. A new one is one self-registering file
// (docs/adding-an-encoding.md).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/registry.h"
#include "base/spec.h"
#include "ops/attention/attention.h"
#include "ops/parameters.h"
#include "ops/rotary/rotary.h"
#include "ops/sequences.h"

namespace longhaul {

// Which pass this is; random choices of an encoding are functions of (seed, step) alone.
struct Step {
  bool training = false;
  uint64_t seed = 0;
  int64_t number = 0;
};

// What prepare() worked out once for the whole forward; every layer reads it.
struct Plan {
  Sequences seq;            // of this call; seq.positions may have been replaced by the encoding
  bool consecutive = true;  // what seq.consecutive() says
  Rotation rotation;        // tables for the [T] tokens of this call; undefined cos: none
  Rotation local_rotation;  // of layers that rotation() gives tables of their own (Gemma 3's layers with a window)
  Tensor row_scale;         // [T] double or undefined: log-n scaling of the logits
};

// What a layer's attention has in hand. S rows of keys: the call's own tokens in training, a cache's rows otherwise. The
// spans count those rows. When they have pages, k and v are pools (only attention() and its kin look into them; an attend()
// that reads keys itself asks without_pages(k, v, *spans)); everything else has its S rows as always.
struct AttentionCall {
  Tensor x;  // [T, C] the normalised input of the layer's attention, when reads_input()
  Tensor q;  // [T, H, D] rotated
  Tensor k;  // [S, G, D] rotated, all keys so far
  Tensor v;  // [S, G, D]
  // [S] double: what plan.seq.positions held when each key came. Gathered from the cache's pages when asked for, as few do.
  std::function<Tensor()> key_positions;
  Tensor channel;  // [S, H] double or undefined: one number per key and head that the encoding keeps beside a cache
                   // (Cable's running sums). It fills the rows of this call's tokens, the last of each span, in place
  const Plan* plan = nullptr;
  const AttentionSpans* spans = nullptr;
  AttentionOptions options;  // scale = qk_scale(), causal
};

// A figure that an encoding tells of itself at one layer, for each head: {"zero_increments", {0.5, 0.1}}.
struct Reading {
  std::string name;
  std::vector<double> per_head;  // [H]
};

// One setting that is in force, and who says so: {"factor", "4", "rope_scaling.factor"}.
struct EncodingFact {
  std::string name, value, source;
};

struct Traits {
  int64_t longest = 0;          // no position beyond this one exists (learned tables); 0: unlimited
  bool chunk_exact = true;      // chunked prefill equals one pass
  bool needs_total = false;     // results depend on the whole length (so chunks must be told it)
  bool by_chunk = false;        // not exact in chunks by design: each is read as if the text ended with it
  bool by_length = false;       // rows differ with the length of the text they are read for: no other text shares them
  bool causal_only = true;      // has no bidirectional form
  bool reads_positions = true;  // Plan::seq.positions matter to it; without: it tells tokens apart by other means
  std::string limit{};          // why there is a longest, in one line
  std::string note{};           // why the others, in one line

  bool chunks() const { return chunk_exact || by_chunk; }  // a text may be read in chunks
  // Kept keys stay right when the text grows: a cache can decode.
  bool grows() const { return chunks() && !needs_total; }
};

class Encoding {
 public:
  virtual ~Encoding() = default;
  virtual Plan prepare(const Sequences& seq, const Step& step) const;  // default: the sequences as they are
  virtual double embedding_scale() const { return 1; }                 // token embeddings are multiplied by it
  virtual Tensor embed(const Plan& plan) const;  // [T, C] added to the token embeddings, or undefined
  virtual Bias bias(int64_t layer, const AttentionCall& call) const;  // default: none
  virtual Tensor attend(int64_t layer,
                        const AttentionCall& call) const;  // default: attention(q, k, v, bias()); CoPE and DAPE
                                                           // replace it: who reads the logits pays for it
                                                           // (ops/attention/rewritten_attention.h)
  virtual double qk_scale(int64_t head_dim) const;         // default 1 / sqrt(head_dim)
  virtual const Rotation& rotation(int64_t layer, const Plan& plan) const;  // default: plan.rotation, for every layer
  // Its rotations are functions of the length of the text: a cache then keeps keys as they are before the rotation, and
  // every call turns all of them by key_rotation(), so that each rotation is exact at every step.
  virtual bool moves_with_length() const { return false; }
  // A text kept under the plan of `length` tokens is read anew before it becomes `next` tokens long: another plan begins
  // there, and the reference drops its cache (Phi 3). Default: never.
  virtual bool begins_anew(int64_t length, int64_t next) const;
  // Its plan is that of a whole request: the engine is told how long prompt and continuation may become together.
  virtual bool plans_request() const { return false; }
  // Tables [S, R/2] for the keys that the spans count, in texts as long as plan.seq.total says; zero rows where no span
  // is. Asked only of encodings that move with the length.
  virtual Rotation key_rotation(int64_t layer, const Tensor& key_positions, const AttentionSpans& spans,
                                const Plan& plan) const;
  virtual bool reads_input() const { return false; }  // wants AttentionCall::x
  virtual bool key_channel() const { return false; }  // wants AttentionCall::channel when there is a cache
  // What is worth watching while training, logged at validations. Default: nothing.
  virtual std::vector<Reading> readings(int64_t layer, const AttentionCall& call) const;
  virtual Traits traits() const { return {}; }
  virtual std::vector<EncodingFact> facts() const { return {}; }  // what `longhaul inspect` shows of its settings
};

// What an encoding may know of its model when it is made. Parameters are per layer, named by attention_prefix(layer) + ...
struct EncodingContext {
  int64_t layers = 0, width = 0, heads = 0, kv_heads = 0, head_dim = 0;
  int64_t trained_length = 0;                                  // the config's block_size
  std::string root = "transformer.";                           // for tables outside the layers: root + "wpe.weight"
  std::function<std::string(int64_t layer)> attention_prefix;  // "transformer.h.3.attn."
  Parameters* parameters = nullptr;
  double init_deviation = 0.02;  // the GPT init rule's
};

// x with a gradient of 0: for what adds the same number to all logits of a row. The softmax forgets it, so its true gradient is
// 0, where the sum over all pairs would be rounding noise that AdamW blows up to full steps.
Tensor forgotten_by_softmax(const Tensor& x);

using EncodingFactory = std::function<std::unique_ptr<Encoding>(Spec&, const EncodingContext&)>;
Registry<EncodingFactory>& Encodings();
// Parses, makes, and calls spec.finish().
std::unique_ptr<Encoding> make_encoding(const std::string& spec, const EncodingContext& context);
std::unique_ptr<Encoding> make_encoding(Spec spec, const EncodingContext& context);

}  // namespace longhaul
