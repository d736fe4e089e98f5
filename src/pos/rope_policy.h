// Rotary position embedding beyond the trained length: what the frequencies are for a text of a given length. The types of
// transformers' rope_scaling and our own register themselves, one file each; each is a length method too (methods/method.h).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/registry.h"
#include "pos/encoding.h"

namespace longhaul {

class RopePolicy {
 public:
  virtual ~RopePolicy() = default;
  // Radians per token of each rotated pair, [R/2], in a text of `length` tokens.
  virtual std::vector<double> frequencies(int64_t length) const = 0;
  // Multiplies cos and sin, and with them logits by its square, in a text of `length` tokens.
  virtual double attention_factor(int64_t /*length*/) const { return 1; }
  virtual bool moves_with_length() const { return false; }
  virtual int64_t longest() const { return 0; }     // tokens of the longest text; 0: any
  virtual std::string limit() const { return {}; }  // why there is one, in one line
  // The length is that of the text so far, also while a prompt is read in chunks, and not that of the whole prompt.
  virtual bool by_chunk() const { return false; }
  // The length is that of the whole request, prompt and continuation.
  virtual bool by_request() const { return false; }
  // Training under positions and frequencies of the step (CLEX). None: as in inference.
  struct Drawn {
    Tensor positions;    // [T] double
    Tensor frequencies;  // [R/2] double, differentiable
  };
  virtual std::optional<Drawn> draw(const Sequences& /*seq*/, const Step& /*step*/) const { return {}; }
};

// Where a policy that has weights finds and declares them, by the names of the checkpoint.
struct RopeWeights {
  std::function<bool(const std::string& name)> is_stored;  // in f32 or better
  std::function<Tensor(const std::string& name, const std::vector<int64_t>& shape, bool trainable)> add;
};
using DeclareWeights = std::function<void(const RopeWeights&)>;

// A policy whose frequencies are the same for every length.
std::shared_ptr<const RopePolicy> fixed_rope(std::vector<double> frequencies, double attention_factor = 1);

// What a policy is made over.
struct RopeBase {
  int64_t dim = 0;  // R: dimensions of a head that turn
  double theta = 10000;
  int64_t max_positions = 0;       // the config's max_position_embeddings
  int64_t original_positions = 0;  // original_max_position_embeddings outside of the settings (Phi-3); 0: not there
};

EncodingFact rope_fact(const std::string& name, double value, const std::string& source);

// Reads a policy's settings (rope_scaling, rope_parameters) and keeps note of what is in force and where it came from.
class RopeReader {
 public:
  // `settings` null: there are none, every key is missing. `current`: a model's policy that a length method takes the place
  // of; null while a config is read.
  RopeReader(JsonReader* settings, const RopeBase& base, const RopePolicy* current = nullptr)
      : base(base), current(current), settings_(settings) {}
  const RopeBase base;
  const RopePolicy* const current;

  bool is_set(const std::string& key) { return settings_ && settings_->is_set(key); }
  double factor();                                            // of the length, required; 1 changes nothing
  double factor_or(double fallback, const std::string& why);  // missing or null: the fallback
  double positive(const std::string& key, double fallback);   // missing, null or 0: the fallback
  double required(const std::string& key);                    // > 0
  std::optional<double> optional(const std::string& key);     // > 0; none when missing or null
  bool flag(const std::string& key, bool fallback);
  int64_t integer(const std::string& key, int64_t fallback, int64_t most);  // in [1, most]
  std::string choice(const std::string& key, const std::vector<std::string>& allowed, const std::string& fallback);
  std::vector<double> pairs(const std::string& key);  // dim / 2 numbers > 0
  // original_max_position_embeddings, beside the settings or in them, or max_positions. Where both have it: of a config,
  // as in the reference, the one beside them, with a warning when they differ; of a length method, its own.
  int64_t original_length();
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted) const;  // as JsonReader
  void note(const std::string& name, double value, const std::string& source);

  std::vector<EncodingFact> facts;
  DeclareWeights declare;  // set by a policy that has weights

 private:
  double checked(const std::string& key, double least);
  JsonReader* settings_;
};

using RopeFactory = std::function<std::shared_ptr<const RopePolicy>(RopeReader&)>;
Registry<RopeFactory>& RopeTypes();

// Rotary embedding as it is in force.
struct Rope {
  std::string type;  // of RopeTypes()
  RopeBase base;
  RotaryLayout layout = RotaryLayout::half;
  std::shared_ptr<const RopePolicy> policy;
  bool anew = false;  // where the policy moves, a text is read anew, so its keys need not be turned again (Phi 3)
  std::vector<EncodingFact> facts;         // of the base
  std::vector<EncodingFact> policy_facts;  // the type and its settings
  DeclareWeights declare;                  // of a policy that has weights: to be called once, when the model is made
};

}  // namespace longhaul
