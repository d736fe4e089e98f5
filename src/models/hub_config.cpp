#include "models/hub_config.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// Attributes of PretrainedConfig and of generation and initialisation of all families, and what converters leave behind.
constexpr const char* kNeutral[] = {"model_type",
                                    "torch_dtype",
                                    "dtype",
                                    "use_cache",
                                    "transformers_version",
                                    "_name_or_path",
                                    "name_or_path",
                                    "auto_map",
                                    "_attn_implementation",
                                    "_attn_implementation_autoset",
                                    "attn_implementation",
                                    "bos_token_id",
                                    "eos_token_id",
                                    "pad_token_id",
                                    "sep_token_id",
                                    "unk_token_id",
                                    "decoder_start_token_id",
                                    "forced_bos_token_id",
                                    "forced_eos_token_id",
                                    "tokenizer_class",
                                    "prefix",
                                    "task_specific_params",
                                    "problem_type",
                                    "finetuning_task",
                                    "id2label",
                                    "label2id",
                                    "num_labels",
                                    "return_dict",
                                    "return_dict_in_generate",
                                    "output_hidden_states",
                                    "output_attentions",
                                    "output_scores",
                                    "torchscript",
                                    "use_bfloat16",
                                    "tf_legacy_loss",
                                    "pruned_heads",
                                    "chunk_size_feed_forward",
                                    "tie_encoder_decoder",
                                    "cross_attention_hidden_size",
                                    "max_length",
                                    "min_length",
                                    "do_sample",
                                    "early_stopping",
                                    "num_beams",
                                    "num_beam_groups",
                                    "diversity_penalty",
                                    "temperature",
                                    "top_k",
                                    "top_p",
                                    "typical_p",
                                    "repetition_penalty",
                                    "length_penalty",
                                    "no_repeat_ngram_size",
                                    "encoder_no_repeat_ngram_size",
                                    "bad_words_ids",
                                    "num_return_sequences",
                                    "remove_invalid_values",
                                    "exponential_decay_length_penalty",
                                    "suppress_tokens",
                                    "begin_suppress_tokens",
                                    "gradient_checkpointing",
                                    "initializer_range",
                                    "initializer_factor",
                                    "pretraining_tp",
                                    "layerdrop",
                                    "summary_activation",
                                    "summary_proj_to_labels",
                                    "summary_type",
                                    "summary_use_proj",
                                    "use_flash_attn",
                                    "use_flashattn",
                                    "data_length",
                                    "unsloth_version",
                                    "unsloth_fixed",
                                    "cache_implementation",
                                    "transformers.js_config",
                                    "is_llama_config",
                                    "is_decoder",
                                    "_num_labels",
                                    "custom_pipelines",
                                    "max_sequence_length",
                                    "model_max_length",
                                    "output_past"};

// Of an encoder, of what is no language model, of positions that are not rotated so: they may be there, switched off.
constexpr const char* kMustBeFalse[] = {"is_encoder_decoder", "add_cross_attention", "use_mrope", "rope_interleaved"};

bool is_neutral(const std::string& key) {
  const bool of_training = key.find("dropout") != std::string::npos || key.find("pdrop") != std::string::npos;
  return of_training || std::find(std::begin(kNeutral), std::end(kNeutral), key) != std::end(kNeutral);
}

bool is_causal_model(const std::string& architecture) {
  const bool other_head = architecture.find("For") != std::string::npos && !architecture.ends_with("ForCausalLM");
  return !other_head && architecture.find("DoubleHeads") == std::string::npos;
}

}  // namespace

void read_common_keys(JsonReader& config) {
  for (const char* key : kMustBeFalse) only_flag(config, key, false);
  if (config.is_set("architectures"))
    for (const std::string& name : config.strings("architectures"))
      if (!is_causal_model(name)) config.refuse("architectures", "a causal language model (...ForCausalLM)");
  if (config.is_set("quantization_config"))
    config.refuse("quantization_config", "weights as floating point (quantised checkpoints are not read)");
}

void finish_config(JsonReader& config, const Json& json, const std::string& where,
                   const std::vector<std::string>& overridden) {
  std::vector<std::string> unknown, idle;
  for (const std::string& path : overridden) {
    const std::string key = path.substr(0, path.find('.'));
    if (config.was_left_out(path))
      idle.push_back(path);
    else if (json.contains(key) && !config.was_read(key))
      idle.push_back(key);
  }
  for (const std::string& key : config.strangers()) {
    const bool said = !json[key].is_null();
    if (key == "layer_types" && said)
      for (const std::string& type : config.strings(key))
        if (type != "full_attention") config.refuse(key, "full_attention for each layer (the class has no windows)");
    if (said && !is_neutral(key)) unknown.push_back("'" + key + "'");
    config.ignore(key);
  }
  for (const auto& [key, value] : json.items())
    if (is_neutral(key)) config.ignore(key);
  config.finish();
  check(idle.empty(), "--hf-overrides: ", where, ": nothing reads '", join(idle, "', '"), "' for this model_type");
  if (!unknown.empty()) log_warning(where, ": not known here, and left out: ", join(unknown, ", "));
}

int64_t size_or(JsonReader& config, const std::string& key, int64_t fallback, int64_t most) {
  const int64_t size = config.is_set(key) ? config.integer(key, 1) : fallback;
  if (size > most) config.refuse(key, str("an integer up to ", most));
  return size;
}

const char* either_key(JsonReader& config, const char* key, const char* other) {
  const bool first = config.is_set(key), second = config.is_set(other);
  if (first && second && config.value(key) != config.value(other))
    config.refuse(other, str("what ", config.path(key), " says too, ", brief_text(config.value(key))));
  return second && !first ? other : key;
}

int64_t size_or_either(JsonReader& config, const char* key, const char* other, int64_t fallback, int64_t most) {
  return size_or(config, either_key(config, key, other), fallback, most);
}

int64_t heads_or_either(JsonReader& config, const char* key, const char* other, int64_t fallback, int64_t width) {
  const char* read = either_key(config, key, other);
  const int64_t heads = size_or(config, read, fallback);
  if (width % heads != 0) config.refuse(read, str("a divisor of the width ", width));
  return heads;
}

double positive_or(JsonReader& config, const std::string& key, double fallback) {
  const double value = config.number_or(key, fallback);
  if (!(value > 0)) config.refuse(key, "a number > 0");
  return value;
}

Activation activation_or(JsonReader& config, const std::string& key, const std::string& fallback) {
  static const std::map<std::string, Activation> known = {{"silu", Activation::silu},
                                                          {"swish", Activation::silu},
                                                          {"gelu", Activation::gelu},
                                                          {"gelu_new", Activation::gelu_tanh},
                                                          {"gelu_fast", Activation::gelu_tanh},
                                                          {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                          {"relu", Activation::relu}};
  auto found = known.find(config.string_or(key, fallback));
  if (found != known.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, activation] : known) names.push_back(name);
  config.refuse(key, "one of " + join(names, ", "));
}

void only_flag(JsonReader& config, const std::string& key, bool only) {
  if (config.is_set(key) && config.boolean_or(key, only) != only)
    config.refuse(key, only ? "true (nothing else is computed here)" : "false (nothing else is computed here)");
}

HeadSizes read_heads(JsonReader& config, int64_t width, int64_t heads, int64_t kv_fallback, int64_t dim_fallback) {
  HeadSizes sizes{};
  sizes.width = size_or(config, "hidden_size", width);
  sizes.heads = size_or(config, "num_attention_heads", heads);
  const bool says_kv = config.has("num_key_value_heads"), says_dim = config.has("head_dim");
  sizes.kv_heads = size_or(config, "num_key_value_heads", says_kv || !kv_fallback ? sizes.heads : kv_fallback);
  sizes.head_dim = size_or(config, "head_dim", says_dim || !dim_fallback ? sizes.width / sizes.heads : dim_fallback);
  if (sizes.heads % sizes.kv_heads != 0)
    config.refuse("num_key_value_heads", str("a divisor of the ", sizes.heads, " heads"));
  if (sizes.head_dim < 1 || (!config.is_set("head_dim") && !dim_fallback && sizes.width % sizes.heads != 0))
    config.refuse("num_attention_heads", str("a divisor of the width ", sizes.width));
  return sizes;
}

std::vector<bool> read_sliding_layers(JsonReader& config, int64_t layers,
                                      const std::function<bool(int64_t layer)>& slides) {
  std::vector<bool> sliding;
  if (!config.is_set("layer_types")) {
    for (int64_t i = 0; i < layers; ++i) sliding.push_back(slides(i));
    return sliding;
  }
  for (const std::string& type : config.strings("layer_types")) {
    sliding.push_back(type == "sliding_attention");
    if (!sliding.back() && type != "full_attention")
      config.refuse("layer_types", "full_attention or sliding_attention for each layer");
  }
  if (static_cast<int64_t>(sliding.size()) != layers)
    config.refuse("layer_types", str("one for each of ", layers, " layers"));
  return sliding;
}

int64_t window_or(JsonReader& config, int64_t fallback) {
  constexpr const char* kKey = "sliding_window";
  if (config.is_set(kKey) && config.value(kKey) == 0) config.refuse(kKey, "an integer > 0, or null for no window");
  return size_or(config, kKey, config.has(kKey) ? 0 : fallback);
}

int64_t read_switched_window(JsonReader& config) {
  if (config.boolean_or("use_sliding_window", false)) return window_or(config, 4096);
  for (const char* idle : {"sliding_window", "max_window_layers"}) config.ignore(idle);
  return 0;
}

std::vector<int64_t> read_windows(JsonReader& config, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides) {
  std::vector<int64_t> windows;
  for (bool sliding : read_sliding_layers(config, layers, slides)) windows.push_back(sliding ? window : 0);
  return windows;
}

std::vector<int64_t> read_one_window(JsonReader& config, const std::string& where, int64_t layers, int64_t window) {
  const std::vector<bool> sliding = read_sliding_layers(config, layers, [&](int64_t) { return window > 0; });
  if (std::count(sliding.begin(), sliding.end(), window > 0) != layers)
    log_warning(where, ": layer_types is left out: the class has ",
                window > 0 ? str("its window, ", window, ", in all layers") : "a window in no layer");
  return std::vector<int64_t>(static_cast<size_t>(layers), window);
}

}  // namespace longhaul
