#include "models/weights.h"

#include <ATen/core/grad_mode.h>

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

// Reads tensors into the model, a block of rows at a time: what a file's pages and a conversion take stays small. Matrices that are
// packed are packed from the blocks, where these are their rows one behind the other.
class WeightReader {
 public:
  WeightReader(const Model& model, const TensorFiles& files, std::optional<WeightType> packed) : files_(files) {
    if (!packed) return;
    for (const Model::Matrix& matrix : model.matrices())
      matrices_.try_emplace(memory_of(matrix.weight), matrix.weight, matrix.exact ? WeightType::f32 : *packed);
  }

  void read(const StoredTensor& stored, const TensorView& view) {
    const Tensor& part = stored.parts.front();
    const auto found = matrices_.find(memory_of(part));
    Matrix* matrix = found == matrices_.end() ? nullptr : &found->second;
    const bool plain = stored.parts.size() == 1 && part.sizes() == stored.shape && part.dim() > 0 && part.numel() > 0;
    if (matrix && plain && is_transpose(part, matrix->weight)) {
      matrix->packer.add_transposed(borrow_tensor(view).to(at::kFloat).const_data_ptr<float>());
      files_.forget(view);
    } else if (plain) {
      read_blocks(part, view, matrix);
    } else {
      take_stored(stored, borrow_tensor(view));
      files_.forget(view);
    }
    if (matrix && (matrix->read += view.numel()) == matrix->weight.numel()) finish(*matrix);
  }

 private:
  struct Matrix {
    Matrix(const Tensor& of, WeightType type) : weight(of), packer(of, type) {}
    Tensor weight;
    WeightPacker packer;
    int64_t read = 0;  // numbers
  };
  static bool is_transpose(const Tensor& part, const Tensor& weight) {
    return weight.dim() == 2 && part.dim() == 2 && part.numel() == weight.numel() && part.t().is_contiguous() &&
           !part.is_contiguous();
  }
  static const void* memory_of(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

  void read_blocks(const Tensor& part, const TensorView& view, Matrix* matrix) const {
    constexpr int64_t kBlockBytes = 16 << 20;
    const Tensor values = borrow_tensor(view);
    const int64_t rows = part.size(0), width = part.numel() / rows, row_bytes = width * size_of(view.dtype);
    const int64_t block = std::max<int64_t>(kBlockBytes / row_bytes, 1);
    // Rows of the matrix itself, and those that come next: the plain tensor is left alone.
    const bool next = matrix && matrix->weight.size(-1) == width && part.is_contiguous() &&
                      part.storage_offset() == matrix->packer.rows() * width;
    for (int64_t begin = 0; begin < rows; begin += block) {
      const int64_t count = std::min(block, rows - begin);
      const Tensor some = values.narrow(0, begin, count);
      if (next)
        matrix->packer.add(some.to(at::kFloat).const_data_ptr<float>(), count);
      else
        part.narrow(0, begin, count).copy_(some);
      files_.forget({view.dtype, {}, view.bytes.subspan(begin * row_bytes, count * row_bytes)});
    }
  }

  // Rows that came another way lie in the plain tensor.
  static void finish(Matrix& matrix) {
    const int64_t width = matrix.weight.size(-1), rows = matrix.weight.numel() / width, done = matrix.packer.rows();
    if (done < rows) matrix.packer.add(matrix.weight.const_data_ptr<float>() + done * width, rows - done);
    matrix.packer.finish();
  }

  const TensorFiles& files_;
  std::map<const void*, Matrix> matrices_;  // by their memory, of which the stored tensors' parts are views
};

}  // namespace

void check_weights(const Model& model, const TensorFiles& files) { checked_matching(model, files); }

void read_weights(const Model& model, const TensorFiles& files, std::optional<WeightType> packed) {
  const Matching matching = checked_matching(model, files);
  const at::NoGradGuard off;
  WeightReader reader(model, files, packed);
  for (const auto& [stored, name] : matching.pairs) reader.read(stored, files.tensors().at(name));
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
