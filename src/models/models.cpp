#include "models/models.h"

#include <algorithm>
#include <cctype>

#include "base/files.h"
#include "base/log.h"
#include "io/hub_folder.h"
#include "models/hub_model.h"
#include "models/weights.h"
#include "ops/linear/packed_matrix.h"

namespace longhaul {

namespace {

constexpr const char* kModelTypePrefix = "longhaul-";

// "gpt:tiny" and "gpt:tiny,rope..." mean gpt:size=tiny.
std::string with_size_key(const std::string& arch) {
  size_t colon = arch.find(':');
  if (colon == std::string::npos) return arch;
  size_t end = arch.find(',', colon);
  std::string first = arch.substr(colon + 1, end == std::string::npos ? end : end - colon - 1);
  if (first.empty() || first.find('=') != std::string::npos) return arch;
  return arch.substr(0, colon + 1) + "size=" + arch.substr(colon + 1);
}

// "\"llama\", ... \"longhaul-gpt\"".
std::string known_types() {
  std::vector<std::string> known;
  for (const std::string& name : HubFamilies().names()) known.push_back("\"" + name + "\"");
  for (const std::string& name : ModelFamilies().names()) known.push_back("\"" + (kModelTypePrefix + name) + "\"");
  return join(known, ", ");
}

// The two spellings of rotary settings, transformers 4's and 5's: a change in the one that a config does not use would stand beside
// its own settings and leave them as they are.
void check_rope_spelling(const Json& config, const std::string& key, const std::string& change) {
  const auto is_set = [&](const char* name) { return config.contains(name) && !config[name].is_null(); };
  for (const auto& [asked, used] :
       {std::pair{"rope_scaling", "rope_parameters"}, std::pair{"rope_parameters", "rope_scaling"}}) {
    if (key != asked || is_set(asked) || !is_set(used)) continue;
    std::vector<std::string> settings;
    if (config[used].is_object())
      for (const auto& [name, value] : config[used].items()) settings.push_back(name);
    fail("--hf-overrides: ", change, ": config.json names these settings ", used, " (", join(settings, ", "), ")");
  }
}

// One change of a config: "a.b=value"; without a value, the key is taken out.
void apply_override(Json& config, const std::string& change) {
  const size_t equals = change.find('=');
  check(equals != std::string::npos && equals > 0, "--hf-overrides: wanted key=value, found '", change, "'");
  const std::vector<std::string> path = split(change.substr(0, equals), '.');
  const std::string text = change.substr(equals + 1);
  Json* object = &config;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    check_rope_spelling(*object, path[i], change);
    Json& inner = (*object)[path[i]];
    if (inner.is_null()) inner = Json::object();
    check(inner.is_object(), "--hf-overrides: ", change, ": config.json: ", path[i], " is no object");
    object = &inner;
  }
  check_rope_spelling(*object, path.back(), change);
  if (text.empty()) {
    check(object->erase(path.back()) > 0, "--hf-overrides: ", change, ": config.json has no such key");
    return;
  }
  try {
    (*object)[path.back()] = parse_python_json(text, change);
  } catch (const Error&) {
    (*object)[path.back()] = text;
  }
}

// The keys of the model's config that changes bear on ("rope_scaling.factor"), but for model_type, which says whose config it is;
// `within`: that config is the file's text_config.
std::vector<std::string> overridden_keys(const std::vector<std::string>& changes, bool within) {
  std::vector<std::string> keys;
  for (const std::string& change : changes) {
    const std::vector<std::string> path = split(change.substr(0, change.find('=')), '.');
    if (path.front() == "model_type") continue;
    const bool deeper = within && path.front() == "text_config" && path.size() > 1;
    check(deeper || !within, "--hf-overrides: ", change,
          ": what counts for this model_type is in text_config, text_config.", change, " changes it");
    const std::vector<std::string> own(path.begin() + (deeper ? 1 : 0), path.end());
    if (own.front() != "model_type") keys.push_back(join(own, "."));
  }
  return keys;
}

std::string text_of(const Json& config, const char* key) {
  const bool there = config.is_object() && config.contains(key) && config[key].is_string();
  return there ? config[key].get<std::string>() : "";
}

// The model_type of the text model within one of text and images (Gemma 3 from 4B on); "": there is none.
std::string text_part(const Json& config) {
  return config.is_object() && config.contains("text_config") ? text_of(config["text_config"], "model_type") : "";
}

// Where that is the model_type that was asked for, its config and its tensors stand for all, and this is true.
bool take_text_part(Json& config, TensorFiles& files) {
  if (text_part(config).empty() || text_part(config) != text_of(config, "model_type")) return false;
  config = Json(config["text_config"]);
  files.keep_part({"language_model.", "model.language_model."}, "lm_head.weight");
  return true;
}

// The family that a class of the library is of, by its name: "GPTNeoXForCausalLM" is gpt_neox's, "Gemma3ForCausalLM" gemma3_text's.
// "": none.
std::string family_of_class(const std::string& architecture) {
  const auto plain = [](std::string name) {
    std::erase(name, '_');
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name;
  };
  std::string body = plain(architecture);
  for (const std::string end : {"forcausallm", "lmheadmodel"})
    if (body.ends_with(end)) body.resize(body.size() - end.size());
  for (const std::string& family : HubFamilies().names())
    if (const std::string name = plain(family); name == body || name == body + "text") return family;
  return "";
}

// What config.json says, or, of files that name their class alone (written by hand, or before model_type was), that class's.
std::string model_type_of(const Json& config) {
  if (!config.is_object() || config.contains("model_type")) return text_of(config, "model_type");
  const Json classes = config.value("architectures", Json());
  const bool one = classes.is_array() && classes.size() == 1 && classes[0].is_string();
  return one ? family_of_class(classes[0].get<std::string>()) : "";
}

void complete_model_type(Json& config, const std::string& path) {
  const std::string type = model_type_of(config);
  if (type.empty() || config.contains("model_type")) return;
  log_info(path, ": no model_type; ", config["architectures"][0], " is of \"", type, "\"");
  config["model_type"] = type;
}

// The model that config.json describes, its parameters blank.
std::unique_ptr<Model> make_model(const Json& config, const std::string& path, const TensorFiles& files,
                                  const LoadOptions& options, const std::vector<std::string>& overridden) {
  JsonReader reader(config, path);
  const std::string type = reader.string("model_type");
  if (!type.starts_with(kModelTypePrefix)) {
    check(HubFamilies().has(type) || !HubFamilies().has(text_part(config)), path, ": model_type: \"", type,
          "\" is more than text; --hf-overrides model_type=", text_part(config), " takes its text part");
    if (!HubFamilies().has(type)) reader.refuse("model_type", "one of " + known_types());
    HubSource source{reader,        config,          path,           overridden,           files,
                     options.dtype, options.compute, options.method, options.held_bytes(), options.weights};
    return HubFamilies().find(type).make(source);
  }
  const std::string family = type.substr(std::string(kModelTypePrefix).size());
  if (!ModelFamilies().has(family)) reader.refuse("model_type", "one of " + known_types());
  ModelOptions blank;
  blank.dtype = options.dtype;
  blank.compute = options.compute;
  blank.blank = options.held_bytes();
  blank.method = options.method;
  auto model = ModelFamilies().find(family).make.restore(reader, blank);
  reader.finish();
  return model;
}

}  // namespace

Registry<ModelFamily>& ModelFamilies() {
  static Registry<ModelFamily> registry("architecture");
  return registry;
}

Registry<HubFamily>& HubFamilies() {
  static Registry<HubFamily> registry("model type");
  return registry;
}

double LoadOptions::held_bytes() const {
  if (!weights) return 0;
  return packed ? longhaul::held_bytes(*packed) : static_cast<double>(c10::elementSize(dtype));
}

bool is_known_model(const Json& config) {
  const std::string type = model_type_of(config);
  return HubFamilies().has(type) || type.starts_with(kModelTypePrefix);
}

at::ScalarType parameter_dtype(const std::string& dtype) {
  check(dtype == "f32" || dtype == "bf16" || dtype == "f64", "dtype: wanted f32, bf16 or f64, found '", dtype, "'");
  return dtype == "f64" ? at::kDouble : at::kFloat;
}

ComputeType compute_type(const std::string& dtype) { return dtype == "bf16" ? ComputeType::bf16 : ComputeType::f32; }

LoadOptions inference_options(const std::string& dtype, const std::string& weight_dtype) {
  LoadOptions options;
  options.dtype = parameter_dtype(dtype);
  options.compute = compute_type(dtype);
  if (dtype == "f64") {
    check(weight_dtype.empty(), "--weight-dtype ", weight_dtype, ": --dtype f64 takes weights as f64 only");
    return options;
  }
  const std::string name = weight_dtype.empty() ? dtype : weight_dtype;
  for (WeightType type : {WeightType::f32, WeightType::bf16, WeightType::int8})
    if (name == name_of(type)) options.packed = type;
  check(options.packed.has_value(), "--weight-dtype: wanted f32, bf16 or int8, found '", name, "'");
  check(dtype != "bf16" || options.packed != WeightType::f32,
        "--weight-dtype f32: --dtype bf16 multiplies weights of bf16 or int8");
  return options;
}

std::unique_ptr<Model> create_model(const std::string& arch, const ModelOptions& options) {
  Spec spec = Spec::parse(with_size_key(arch));
  auto model = ModelFamilies().find(spec.name()).make.create(spec, options);
  spec.finish();
  return model;
}

std::unique_ptr<Model> load_model(const std::string& name, const LoadOptions& options) {
  const std::string folder = model_folder(name), path = path_join(folder, "config.json");
  check(exists(path), folder, ": wanted a model directory with config.json, found none in it");
  Json config = read_python_json(path);
  if (config.is_object())
    for (const std::string& change : options.overrides) apply_override(config, change);
  TensorFiles files = TensorFiles::open(folder);
  complete_model_type(config, path);
  const std::vector<std::string> overridden = overridden_keys(options.overrides, take_text_part(config, files));
  auto model = make_model(config, path, files, options, overridden);
  options.weights ? read_weights(*model, files, options.packed) : check_weights(*model, files);
  return model;
}

std::unique_ptr<Model> load_model(const std::string& folder, at::ScalarType dtype, ComputeType compute) {
  LoadOptions options;
  options.dtype = dtype;
  options.compute = compute;
  return load_model(folder, options);
}

void save_model(const Model& model, const std::string& folder) {
  make_folders(folder);
  write_weights(model, path_join(folder, "model.safetensors"));
  Json config = model.config();
  if (!config.contains("model_type")) config["model_type"] = kModelTypePrefix + model.info().family;
  write_json(path_join(folder, "config.json"), config);
}

}  // namespace longhaul
