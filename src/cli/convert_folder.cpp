#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "cli/convert.h"
#include "data/output_folder.h"
#include "io/tensor_files.h"
#include "models/mamba_checkpoint.h"
#include "models/models.h"
#include "models/tensor_io.h"

namespace longhaul {

namespace {

constexpr const char* kEndings[] = {".json", ".txt", ".model", ".jinja", ".md"};  // of what is copied

// The tensors of a folder and its config, under the names that they came with.
struct SourceFolder {
  explicit SourceFolder(const std::string& folder) {
    const std::string params = path_join(folder, "params.json"), path = path_join(folder, "config.json");
    const bool native = !exists(path) && exists(params);  // Mistral's own layout
    check(native || exists(path), folder, ": wanted a model directory with config.json, found none in it");
    where = native ? params : path;
    config = read_python_json(where);
    check(
        !native || is_original_mamba(config), where,
        ": wanted a Mamba (dim, n_layers, n_groups), found another model in Mistral's own layout, of which the folder "
        "with config.json is what is read here");
    if (native)
      one = SafetensorsFile::open(path_join(folder, "consolidated.safetensors"));
    else
      files = TensorFiles::open(folder);
  }
  const std::map<std::string, TensorView>& tensors() const { return one ? one->tensors() : files->tensors(); }
  void forget(const TensorView& tensor) const { one ? one->file()->forget(tensor.bytes) : files->forget(tensor); }

  std::string where;
  Json config;
  std::optional<TensorFiles> files;
  std::optional<SafetensorsFile> one;
};

struct FolderPlan {
  Json config;
  std::vector<TensorHeader> headers;
  std::vector<const TensorView*> views;  // where each comes from
  std::vector<std::string> lines;
};

void make_mamba(const SourceFolder& source, FolderPlan& plan, std::map<std::string, std::string>& names) {
  const TensorView* embedding = nullptr;
  for (const auto& [name, view] : source.tensors())
    if (name.ends_with("backbone.embedding.weight") && view.shape.size() == 2) embedding = &view;
  check(embedding != nullptr, source.where, ": wanted the tensor backbone.embedding.weight [V, C], found none");
  plan.config = hugging_face_mamba(source.config, source.where, embedding->shape[0]);
  const bool tied = plan.config["tie_word_embeddings"].get<bool>();
  for (const auto& [name, view] : source.tensors()) {
    const std::string theirs = hugging_face_mamba_name(name, tied);
    if (!theirs.empty()) {
      names[theirs] = name;
      continue;
    }
    const bool same = std::ranges::equal(view.bytes, embedding->bytes);
    check(same, source.where, ": tie_embeddings: wanted false, found a head (", name, ") that is not the embedding");
    plan.lines.push_back(name + " is the embedding and left out");
  }
  plan.lines.push_back("Mamba's own names -> " + plan.config["architectures"][0].get<std::string>());
}

FolderPlan make_plan(const SourceFolder& source, std::optional<DType> dtype) {
  FolderPlan plan;
  std::map<std::string, std::string> names;  // new -> old
  if (is_original_mamba(source.config)) {
    make_mamba(source, plan, names);
  } else {
    plan.config = source.config;
    for (const auto& [name, view] : source.tensors()) names[name] = name;
  }
  std::map<std::string, int64_t> changes;
  for (const auto& [name, old] : names) {
    const TensorView& view = source.tensors().at(old);
    const bool is_floating = at::isFloatingType(scalar_type_of(view.dtype));
    const DType becomes = dtype && is_floating ? *dtype : view.dtype;
    if (becomes != view.dtype) ++changes[str(name_of(view.dtype), " -> ", name_of(becomes))];
    plan.headers.push_back({name, becomes, view.shape});
    plan.views.push_back(&view);
  }
  for (const auto& [change, count] : changes) plan.lines.push_back(str(change, ": ", count, " tensors"));
  if (!dtype) return plan;
  const at::ScalarType type = scalar_type_of(*dtype);
  for (const char* key : {"torch_dtype", "dtype"})
    if (plan.config.contains(key))
      plan.config[key] = type == at::kBFloat16 ? "bfloat16" : type == at::kDouble ? "float64" : "float32";
  return plan;
}

// Tokenizer, generation settings, templates: what lies beside the weights and is no index of them.
std::vector<std::string> small_files(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool wanted =
        std::any_of(std::begin(kEndings), std::end(kEndings), [&](const char* end) { return name.ends_with(end); });
    const bool made_anew = name == "config.json" || name == "params.json" || name.ends_with(".index.json");
    if (entry.is_regular_file() && wanted && !made_anew && name[0] != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void write(const SourceFolder& source, const FolderPlan& plan, const std::string& folder, const std::string& output,
           const std::function<void()>& before_each) {
  OutputFolder made(output);
  write_json(path_join(made.path(), "config.json"), plan.config);
  write_safetensors(path_join(made.path(), "model.safetensors"), plan.headers,
                    [&](size_t i, const WriteFn& bytes) {
                      before_each();
                      const Tensor tensor =
                          borrow_tensor(*plan.views[i]).to(scalar_type_of(plan.headers[i].dtype)).contiguous();
                      bytes({static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()});
                      source.forget(*plan.views[i]);
                    },
                    {{"format", "pt"}});
  for (const std::string& name : small_files(folder))
    write_file(path_join(made.path(), name), read_file(path_join(folder, name)));
  made.publish();
}

}  // namespace

Conversion convert_folder(const std::string& folder, const std::string& output, std::optional<DType> dtype, bool dry,
                          const std::function<void()>& before_each) {
  const SourceFolder source(folder);
  FolderPlan plan = make_plan(source, dtype);
  const std::vector<std::string> copied = small_files(folder);
  if (!copied.empty()) plan.lines.push_back("copied: " + join(copied, ", "));
  // Every tensor is one that config.json asks for, or this is an error that lists them.
  LoadOptions check_only;
  check_only.weights = false;
  if (is_known_model(source.config))
    load_model(folder, check_only);
  else
    plan.lines.push_back("no model that longhaul runs: its tensors are not checked against config.json");
  plan.lines.push_back(str(plan.headers.size(), " tensors of ", source.where));
  if (!dry) write(source, plan, folder, output, before_each);
  return {{{"config", plan.config}, {"tensors", plan.headers.size()}, {"copied", copied}, {"notes", plan.lines}},
          plan.lines};
}

}  // namespace longhaul
