#include "models/models.h"

#include <ATen/core/grad_mode.h>

#include "base/files.h"
#include "models/tensor_io.h"

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

// "\"longhaul-gpt\" or ...".
std::string known_types() {
  std::vector<std::string> known;
  for (const std::string& name : ModelFamilies().names()) known.push_back("\"" + (kModelTypePrefix + name) + "\"");
  return join(known, " or ");
}

// What is wrong with one file's tensors, or "".
std::string disagreement(const SafetensorsFile& file, const Parameters& parameters) {
  std::string wrong;
  for (const Parameter& p : parameters.all()) {
    std::string name = p.name;
    for (const auto& [alias, target] : parameters.aliases())
      if (target == p.name && !file.has(name)) name = alias;
    if (!file.has(name))
      wrong += longhaul::str("\n  missing ", p.name, " ", p.tensor.sizes());
    else if (at::IntArrayRef(file.at(name).shape) != p.tensor.sizes())
      wrong +=
          longhaul::str("\n  ", name, ": wanted ", p.tensor.sizes(), ", found ", at::IntArrayRef(file.at(name).shape));
  }
  for (const std::string& name : file.names())
    if (!parameters.has(name) && !parameters.aliases().count(name)) wrong += longhaul::str("\n  unknown ", name);
  return wrong;
}

void read_weights(const std::string& path, const Parameters& parameters) {
  SafetensorsFile file = SafetensorsFile::open(path);
  std::string wrong = disagreement(file, parameters);
  check(wrong.empty(), path, ": tensors do not fit config.json:", wrong);
  at::NoGradGuard off;
  for (const Parameter& p : parameters.all()) {
    std::string name = p.name;
    for (const auto& [alias, target] : parameters.aliases())
      if (target == p.name && !file.has(name)) name = alias;
    Tensor target = p.tensor;
    target.copy_(to_tensor(file.at(name)));
  }
}

}  // namespace

Registry<ModelFamily>& ModelFamilies() {
  static Registry<ModelFamily> registry("architecture");
  return registry;
}

at::ScalarType parameter_dtype(const std::string& dtype) {
  check(dtype == "f32" || dtype == "bf16" || dtype == "f64", "dtype: wanted f32, bf16 or f64, found '", dtype, "'");
  return dtype == "f64" ? at::kDouble : at::kFloat;
}

ComputeType compute_type(const std::string& dtype) { return dtype == "bf16" ? ComputeType::bf16 : ComputeType::f32; }

std::unique_ptr<Model> create_model(const std::string& arch, const ModelOptions& options) {
  Spec spec = Spec::parse(with_size_key(arch));
  auto model = ModelFamilies().find(spec.name()).make.create(spec, options);
  spec.finish();
  return model;
}

std::unique_ptr<Model> load_model(const std::string& folder, at::ScalarType dtype, ComputeType compute) {
  std::string config_path = path_join(folder, "config.json");
  check(exists(config_path), folder, ": wanted a model directory with config.json, found ",
        is_folder(folder) ? "none in it" : "no such directory");
  Json config = read_json(config_path);
  JsonReader reader(config, config_path);
  std::string type = reader.string("model_type");
  check(type.rfind(kModelTypePrefix, 0) == 0, config_path, ": model_type: wanted ", known_types(), ", found \"", type,
        "\"");
  ModelOptions options;
  options.dtype = dtype;
  options.compute = compute;
  auto model = ModelFamilies().find(type.substr(std::string(kModelTypePrefix).size())).make.restore(reader, options);
  reader.finish();
  read_weights(path_join(folder, "model.safetensors"), model->parameters());
  return model;
}

void save_model(const Model& model, const std::string& folder) {
  make_folders(folder);
  std::vector<NamedTensor> tensors;
  for (const Parameter& p : model.parameters().all()) tensors.push_back(to_named(p.name, p.tensor));
  write_safetensors(path_join(folder, "model.safetensors"), tensors, {{"format", "pt"}});
  Json config = model.config();
  config["model_type"] = kModelTypePrefix + model.info().family;
  write_json(path_join(folder, "config.json"), config);
}

}  // namespace longhaul
