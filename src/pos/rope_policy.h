// Rotary position embedding beyond the trained length: what the frequencies are for a text of a given length. The types of
// transformers' rope_scaling register themselves, one file each.
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
  // Multiplies cos and sin, and with them logits by its square, whatever the length.
  virtual double attention_factor() const { return 1; }
  virtual bool moves_with_length() const { return false; }
};

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
  // `settings` null: there are none, every key is missing.
  RopeReader(JsonReader* settings, const RopeBase& base) : base(base), settings_(settings) {}
  const RopeBase base;

  bool is_set(const std::string& key) { return settings_ && settings_->is_set(key); }
  double factor();                                            // of the length, required; 1 changes nothing
  double factor_or(double fallback, const std::string& why);  // missing or null: the fallback
  double positive(const std::string& key, double fallback);   // missing, null or 0: the fallback
  double required(const std::string& key);                    // > 0
  std::optional<double> optional(const std::string& key);     // > 0; none when missing or null
  bool flag(const std::string& key, bool fallback);
  std::vector<double> pairs(const std::string& key);  // dim / 2 numbers > 0
  int64_t original_length();  // original_max_position_embeddings, here or beside, or max_positions
  void note(const std::string& name, double value, const std::string& source);

  std::vector<EncodingFact> facts;

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
  std::vector<EncodingFact> facts;
};

}  // namespace longhaul
