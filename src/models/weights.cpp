#include "models/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "models/tensor_io.h"
#include "ops/linear/packed_weight.h"

namespace longhaul {

namespace {

// Buffers of the reference's modules: functions of the config, which old files hold beside the weights.
constexpr const char* kBuffers[] = {".rotary_emb.inv_freq", ".clex_layer.inv_freq", ".attn.bias",
                                    ".attn.masked_bias",    ".attention.bias",      ".attention.masked_bias"};

bool is_buffer(const std::string& name) {
  const std::string rooted = "." + name;
  return std::any_of(std::begin(kBuffers), std::end(kBuffers), [&](const char* end) { return rooted.ends_with(end); });
}

// What the model declares, and every parameter that no declaration shows, under its own name.
std::vector<StoredTensor> all_stored(const Model& model) {
  std::vector<StoredTensor> all = model.stored();
  std::set<const void*> shown;
  for (const StoredTensor& stored : all)
    for (const Tensor& part : stored.parts) shown.insert(part.storage().data());
  for (const Parameter& p : model.parameters().all())
    if (!shown.count(p.tensor.storage().data()))
      all.push_back({p.name, p.tensor.sizes().vec(), {p.tensor.detach()}, 0});
  return all;
}

// Where each stored tensor is in the files, and what is wrong with them.
class Matching {
 public:
  Matching(const Model& model, const TensorFiles& files) : aliases_(model.parameters().aliases()) {
    for (StoredTensor& stored : all_stored(model)) match(std::move(stored), files);
    for (const auto& [name, tensor] : files.tensors())
      if (!used_.count(name)) leave(name, files);
  }

  struct Pair {
    StoredTensor stored;
    std::string name;  // in the files
  };
  std::vector<Pair> pairs;
  std::vector<std::string> wrong;
  std::vector<std::string> left_out;  // known not to matter

 private:
  void match(StoredTensor stored, const TensorFiles& files) {
    std::string name = files.find(stored.name);
    for (const auto& [alias, target] : aliases_)
      if (name.empty() && target == stored.name) name = files.find(alias);
    if (name.empty()) {
      wrong.push_back(longhaul::str("missing ", stored.name, " ", at::IntArrayRef(stored.shape)));
      return;
    }
    used_.insert(name);
    const TensorView& found = files.tensors().at(name);
    if (found.shape != stored.shape)
      wrong.push_back(
          longhaul::str(name, ": wanted ", at::IntArrayRef(stored.shape), ", found ", at::IntArrayRef(found.shape)));
    else if (!at::isFloatingType(scalar_type_of(found.dtype)))
      wrong.push_back(longhaul::str(name, ": wanted floating point, found ", name_of(found.dtype)));
    pairs.push_back({std::move(stored), name});
  }

  void leave(const std::string& name, const TensorFiles& files) {
    bool known = is_buffer(name);
    for (const auto& [alias, target] : aliases_) known |= files.find(alias) == name;
    if (known)
      left_out.push_back(name);
    else
      wrong.push_back("unknown " + name);
  }

  const std::map<std::string, std::string>& aliases_;
  std::set<std::string> used_;
};

Matching checked_matching(const Model& model, const TensorFiles& files) {
  Matching matching(model, files);
  check(matching.wrong.empty(), files.where(), ": tensors do not fit config.json: ", join(matching.wrong, "; "));
  return matching;
}

// Packs each matrix when the last of the tensors that it is made of has been read.
class Packing {
 public:
  Packing(const Model& model, const std::vector<Matching::Pair>& pairs, WeightType type) : type_(type) {
    for (const Model::Matrix& matrix : model.matrices()) waiting_[memory_of(matrix.weight)] = {matrix, 0};
    for (const Matching::Pair& pair : pairs)
      if (Waiting* matrix = find(pair.stored)) ++matrix->tensors;
  }
  void read(const StoredTensor& stored) {
    Waiting* matrix = find(stored);
    if (!matrix || --matrix->tensors > 0) return;
    pack_weight(matrix->matrix.weight, matrix->matrix.exact ? WeightType::f32 : type_);
  }

 private:
  struct Waiting {
    Model::Matrix matrix;
    int64_t tensors;  // of the files, that are still to be read
  };
  static const void* memory_of(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }
  Waiting* find(const StoredTensor& stored) {
    const auto found = waiting_.find(memory_of(stored.parts.front()));
    return found == waiting_.end() ? nullptr : &found->second;
  }
  WeightType type_;
  std::map<const void*, Waiting> waiting_;  // by their memory, of which the stored tensors' parts are views
};

}  // namespace

void check_weights(const Model& model, const TensorFiles& files) { checked_matching(model, files); }

void read_weights(const Model& model, const TensorFiles& files, std::optional<WeightType> packed) {
  const Matching matching = checked_matching(model, files);
  std::optional<Packing> packing;
  if (packed) packing.emplace(model, matching.pairs, *packed);
  for (const auto& [stored, name] : matching.pairs) {
    const TensorView& tensor = files.tensors().at(name);
    take_stored(stored, borrow_tensor(tensor));
    files.forget(tensor);
    if (packing) packing->read(stored);
  }
  if (!matching.left_out.empty())
    log_info(files.where(), ": ", matching.left_out.size(), " tensors that are no weights of this model left out (",
             matching.left_out.front(), matching.left_out.size() > 1 ? ", ...)" : ")");
}

void write_weights(const Model& model, const std::string& path) {
  for (const Model::Matrix& matrix : model.matrices())
    check(packed_bytes(matrix.weight) == 0, path, ": a model whose weights are packed for inference cannot be saved");
  std::vector<Tensor> kept;
  std::vector<NamedTensor> tensors;
  for (const StoredTensor& stored : all_stored(model)) {
    kept.push_back(give_stored(stored));
    tensors.push_back(to_named(stored.name, kept.back()));
  }
  write_safetensors(path, tensors, {{"format", "pt"}});
}

}  // namespace longhaul
