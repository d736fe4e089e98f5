#include "pos/rope_config.h"

#include <optional>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr const char *kParameters = "rope_parameters", *kScaling = "rope_scaling", *kPartial = "partial_rotary_factor";

// What the old spelling says must be what the new one says too.
void check_old_settings(JsonReader& config, JsonReader& settings) {
  for (const auto& [key, value] : config.value(kScaling).items()) {
    const char* name = key == "type" ? "rope_type" : key.c_str();
    if (!settings.has(name) || settings.value(name) != value)
      config.refuse(kScaling, str("what ", settings.path(name), " says too"));
  }
}

// The settings in the new spelling, else in the old one, else none. Error where a config says two different things in them.
std::optional<JsonReader> settings_of(JsonReader& config, const RopeFamily& family) {
  std::optional<JsonReader> settings;
  if (config.is_set(kParameters)) {
    JsonReader all = config.object(kParameters);
    if (!family.part.empty() && all.has(family.part))
      settings = all.object(family.part);
    else if (family.scaled)
      settings = all;
  }
  if (!family.scaled || !config.is_set(kScaling)) return settings;
  if (!settings) return config.object(kScaling);
  config.object(kScaling);
  check_old_settings(config, *settings);
  return settings;
}

// A number > 0 under one of two roofs.
double number_of(JsonReader& config, std::optional<JsonReader>& settings, const std::string& name,
                 const std::string& old_name, double fallback, std::vector<EncodingFact>& facts) {
  double value = fallback;
  std::string source = "default";
  const bool inside = settings && settings->is_set(name), beside = config.is_set(old_name);
  if (inside && beside && settings->value(name) != config.value(old_name))
    config.refuse(old_name, str("what ", settings->path(name), " says too, ", brief_text(settings->value(name))));
  JsonReader* holder = inside ? &*settings : beside ? &config : nullptr;
  if (holder) {
    const std::string& key = inside ? name : old_name;
    value = holder->number(key);
    if (!(value > 0)) holder->refuse(key, "a number > 0");
    source = holder->path(key);
  }
  facts.push_back(rope_fact(name, value, source));
  return value;
}

// Most classes turn whole heads: of type default they do not look at a share, of other types they end in an error.
void leave_out_share(JsonReader& holder, const std::string& type) {
  if (holder.was_left_out(holder.path(kPartial)) || !holder.is_set(kPartial) || holder.number(kPartial) == 1) return;
  if (type != "default" && type != "clex") holder.refuse(kPartial, "1 with rope_type " + type);
  holder.leave_out(kPartial, "this class turns whole heads");
}

// Rotary dimensions: int(head_dim * share).
int64_t dimensions_of(JsonReader& config, std::optional<JsonReader>& settings, const RopeFamily& family,
                      const std::string& type, int64_t head_dim, std::vector<EncodingFact>& facts) {
  const bool inside = settings && settings->is_set(kPartial);
  double share = family.partial;
  if (family.partly) {
    share = number_of(config, settings, kPartial, family.partial_key, family.partial, facts);
  } else {
    if (settings) leave_out_share(*settings, type);
    leave_out_share(config, type);
  }
  const auto dim = static_cast<int64_t>(static_cast<double>(head_dim) * share);
  if (dim < 2 || dim % 2 != 0 || dim > head_dim) {
    if (!family.partly)
      config.refuse(config.has("head_dim") ? "head_dim" : "hidden_size",
                    str("heads of an even number of dimensions, not of ", head_dim));
    const std::string wanted = str("a share of the head size ", head_dim, " that is an even number of dimensions");
    inside ? settings->refuse(kPartial, wanted) : config.refuse(family.partial_key, wanted);
  }
  facts.push_back({"rotary dimensions", std::to_string(dim), str(share, " of the head's ", head_dim)});
  return dim;
}

std::string type_of(std::optional<JsonReader>& settings, const RopeFamily& family, std::vector<EncodingFact>& facts) {
  std::string type = "default", source = "default";
  if (settings) {
    auto named = [&](const char* key) {
      if (!settings->is_set(key)) return std::string();
      std::string name = settings->string(key);
      if (name == "su") name = "longrope";
      auto alias = family.types.find(name);
      if (alias != family.types.end()) name = alias->second;
      if (!RopeTypes().has(name)) settings->refuse(key, "one of " + join(RopeTypes().names(), ", "));
      return name;
    };
    const std::string name = named("rope_type"), old = named("type");
    if (!name.empty() && !old.empty() && name != old) settings->refuse("type", "\"" + name + "\", as rope_type says");
    if (!name.empty() || !old.empty()) {
      type = name.empty() ? old : name;
      source = settings->path(name.empty() ? "type" : "rope_type");
    }
  }
  facts.push_back({"rope_type", type, source});
  return type;
}

// Settings of other types, which the reference leaves out too. What resembles one that was read is finish()'s to refuse.
void leave_out_idle(JsonReader& settings, const std::string& type) {
  for (const char* key :
       {"factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
        "mscale_all_dim", "truncate", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor"}) {
    if (!settings.was_read(key) && settings.is_set(key))
      settings.leave_out(key, "it says nothing of rope_type " + type);
  }
}

}  // namespace

Rope read_rope(JsonReader& config, const RopeFamily& family, int64_t head_dim, int64_t max_positions) {
  std::optional<JsonReader> settings = settings_of(config, family);
  for (const char* other : {kParameters, kScaling}) config.ignore(other);
  Rope rope;
  rope.layout = family.layout;
  rope.anew = family.anew;
  rope.type = type_of(settings, family, rope.policy_facts);
  rope.base.theta = number_of(config, settings, "rope_theta", family.theta_key, family.theta, rope.facts);
  rope.base.dim = dimensions_of(config, settings, family, rope.type, head_dim, rope.facts);
  for (const std::string& read : {family.theta_key, family.partial_key}) config.ignore(read);
  rope.base.max_positions = max_positions;
  rope.base.original_positions = family.original_positions;
  if (config.is_set("original_max_position_embeddings"))
    rope.base.original_positions = config.integer("original_max_position_embeddings", 1);
  RopeReader reader(settings ? &*settings : nullptr, rope.base);
  rope.policy = RopeTypes().find(rope.type).make(reader);
  if (settings) {
    leave_out_idle(*settings, rope.type);
    settings->finish();
  }
  rope.policy_facts.insert(rope.policy_facts.end(), reader.facts.begin(), reader.facts.end());
  rope.declare = reader.declare;
  if (rope.type == "clex") config.ignore("log_scale");  // Llama reads it; elsewhere published files hold it for nothing
  return rope;
}

}  // namespace longhaul
