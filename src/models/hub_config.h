// Reading config.json of the Hugging Face layout: what its families share.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "ops/linear/linear.h"

namespace longhaul {

// `architectures` must name a causal language model; a quantised checkpoint is an Error.
void read_common_keys(JsonReader& config);
// To be called when the family has read its keys. Those that every config may hold and that do not bear on what a model
// computes (training, generation, bookkeeping) are known by name; so are nulls, which say nothing. Any other key that nobody
// read is an Error when it is nearly one that somebody did, else it is left out with a warning: published configs hold what
// the scripts around them wanted, and a key that asks for more than the class computes brings tensors that are not known.
void finish_config(JsonReader& config, const Json& json, const std::string& where);

// An integer > 0; missing or null: the fallback.
int64_t size_or(JsonReader& config, const std::string& key, int64_t fallback);
// The same under either of two names; the first one wins.
int64_t size_or_either(JsonReader& config, const std::string& key, const std::string& other, int64_t fallback);
// A number > 0; missing: the fallback.
double positive_or(JsonReader& config, const std::string& key, double fallback);
// "silu", "gelu_new", ... as transformers names them; missing: the fallback.
Activation activation_or(JsonReader& config, const std::string& key, const std::string& fallback);
// Error when a key holds anything but `only`: a setting of the reference that is not computed here.
void only_flag(JsonReader& config, const std::string& key, bool only);

struct HeadSizes {
  int64_t width, heads, kv_heads, head_dim;
};
// hidden_size, num_attention_heads, num_key_value_heads (missing or null: as many as heads; `kv_fallback` > 0: so many when
// missing), head_dim (missing or null: width / heads; `dim_fallback` > 0: that when missing). Errors where they do not divide.
HeadSizes read_heads(JsonReader& config, int64_t width, int64_t heads, int64_t kv_fallback = 0,
                     int64_t dim_fallback = 0);

// The window of each layer, 0: none. `layer_types` ("full_attention", "sliding_attention") decides where it is given, else
// `slides(layer)`.
std::vector<int64_t> read_windows(JsonReader& config, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides);

}  // namespace longhaul
