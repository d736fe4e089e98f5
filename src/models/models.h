// Making, loading and saving models. A family registers itself (models/gpt.cpp).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/registry.h"
#include "base/spec.h"
#include "nn/model.h"
#include "ops/linear/weight_type.h"

namespace longhaul {

// What every family is told when a model is made from scratch.
struct ModelOptions {
  std::string position = "rope";  // encoding spec
  int64_t vocab = 50304;
  int64_t trained_length = 1024;
  uint64_t seed = 0;
  at::ScalarType dtype = at::kFloat;  // of the parameters
  ComputeType compute = ComputeType::f32;
  std::optional<double>
      blank;  // parameters are left as memory comes, a checkpoint fills them: Parameters::blank()'s `held`
  std::string method = "none";  // length methods in force (methods/method.h)
};

// What a --dtype means: f32; bf16 (f32 parameters, products in bf16); f64 (both). Error for another word.
at::ScalarType parameter_dtype(const std::string& dtype);
ComputeType compute_type(const std::string& dtype);

struct ModelFamily {
  std::function<std::unique_ptr<Model>(Spec&, const ModelOptions&)> create;         // --arch gpt:tiny
  std::function<std::unique_ptr<Model>(JsonReader&, const ModelOptions&)> restore;  // config.json of a run directory
};
Registry<ModelFamily>& ModelFamilies();

// --arch: "gpt:size=tiny", also "gpt:tiny"; "gpt:layers=4,width=128,heads=4".
std::unique_ptr<Model> create_model(const std::string& arch, const ModelOptions& options);

// A model of the Hugging Face layout, by the model_type of its config.json: models/hub_model.h.
struct HubSource;
using HubFamily = std::function<std::unique_ptr<Model>(HubSource&)>;
Registry<HubFamily>& HubFamilies();

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  // what the weights are converted to
  ComputeType compute = ComputeType::f32;
  // For inference: the matrices are packed, each when it has been read, and kept in this type (docs/inference.md). None:
  // all weights stay plain tensors, which training and conversion need.
  std::optional<WeightType> packed;
  // Changes of config.json: "rope_scaling.factor=8", "sliding_window=null"; the value is JSON, else a string; "key="
  // takes the key away.
  std::vector<std::string> overrides;
  std::string method = "none";  // length methods in force: "yarn:factor=4", "self-extend:group=8,window=512+log-n"
  bool weights = true;          // false: tensors are checked, not read, and parameters are whatever memory holds

  double held_bytes() const;  // that a number takes in memory
};

// Whether config.json is one of a family that is here.
bool is_known_model(const Json& config);

// How a model is opened to be run, by --dtype and --weight-dtype (f32, bf16, int8; "": as --dtype). Error for what does not go
// together: f64 has no packed weights, products in bf16 take no f32 weights.
LoadOptions inference_options(const std::string& dtype, const std::string& weight_dtype);

// A model directory: config.json and weights, of `longhaul train` (docs/run-directory.md) or in the Hugging Face layout
// (docs/checkpoints.md); or the id of a model in the local hub cache. Tensors missing, unknown or misshapen are one
// Error that lists them all.
std::unique_ptr<Model> load_model(const std::string& folder, const LoadOptions& options);
std::unique_ptr<Model> load_model(const std::string& folder, at::ScalarType dtype = at::kFloat,
                                  ComputeType compute = ComputeType::f32);
// config.json and model.safetensors, each atomically; a model of the hub under the hub's names.
void save_model(const Model& model, const std::string& folder);

}  // namespace longhaul
