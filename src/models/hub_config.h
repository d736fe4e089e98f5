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
// computes (training, generation, bookkeeping) are known by name. Any other key that nobody read is an Error when it is nearly
// one that somebody did, or one of `overridden`, which the user wants to count; else it is left out, with a warning unless it is
// null: published configs hold what the scripts around them wanted, and a key that asks for more than the class computes
// brings tensors that are not known.
void finish_config(JsonReader& config, const Json& json, const std::string& where,
                   const std::vector<std::string>& overridden);

constexpr int64_t kMostSize = int64_t{1} << 30;   // products of two sizes, three of them summed, stay below 2^63
constexpr int64_t kMostParts = int64_t{1} << 16;  // layers, experts: each is listed before any tensor is looked for

// An integer in [1, most]; missing or null: the fallback.
int64_t size_or(JsonReader& config, const std::string& key, int64_t fallback, int64_t most = kMostSize);
// That of two names of one setting which is set; `key` when none is. Error when both are and differ.
const char* either_key(JsonReader& config, const char* key, const char* other);
int64_t size_or_either(JsonReader& config, const char* key, const char* other, int64_t fallback,
                       int64_t most = kMostSize);
// A number of heads, likewise, which divides the width.
int64_t heads_or_either(JsonReader& config, const char* key, const char* other, int64_t fallback, int64_t width);
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

// Of each layer, whether it is of the kind that has a window: `layer_types` ("full_attention", "sliding_attention") decides where
// it is given, else `slides(layer)`.
std::vector<bool> read_sliding_layers(JsonReader& config, int64_t layers,
                                      const std::function<bool(int64_t layer)>& slides);
// sliding_window in tokens; null: none, which is 0; missing: the fallback. 0 itself is refused: the reference takes it and has
// every query see nothing (no number in eager attention, an error in generate).
int64_t window_or(JsonReader& config, int64_t fallback);
// Qwen's sliding_window, 0 where use_sliding_window (default: false) leaves it and max_window_layers idle.
int64_t read_switched_window(JsonReader& config);
// The window of each layer, 0: none.
std::vector<int64_t> read_windows(JsonReader& config, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides);
// Of classes that give all layers the same mask: layer_types may be there, and says nothing; a warning where it says otherwise.
std::vector<int64_t> read_one_window(JsonReader& config, const std::string& where, int64_t layers, int64_t window);

}  // namespace longhaul
