#include "models/hub_model.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "methods/method.h"
#include "models/hub_config.h"
#include "ops/embedding/embedding.h"
#include "pos/rotary_encoding.h"

namespace longhaul {

namespace {

// Whether two tensors that are there hold the same numbers in the same type. With `begin`, what they begin with.
bool same_values(const TensorFiles& files, const std::string& name, const std::string& other, bool begin) {
  const TensorView &a = files.tensors().at(files.find(name)), &b = files.tensors().at(files.find(other));
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  if (a.bytes.data() == b.bytes.data()) return true;
  constexpr size_t kBlock = 16 << 20, kBegin = 64 << 10;
  const size_t size = begin ? std::min(kBegin, a.bytes.size()) : a.bytes.size();
  for (size_t at = 0; at < size; at += kBlock) {
    const size_t count = std::min(kBlock, size - at);
    if (std::memcmp(&a.bytes[at], &b.bytes[at], count) != 0) return false;
    for (const TensorView* view : {&a, &b}) files.forget({view->dtype, {}, view->bytes.subspan(at, count)});
  }
  return true;
}

}  // namespace

HubModel::HubModel(HubSource& source)
    : Model(Parameters::blank(source.dtype, source.held_bytes)),
      compute_(source.compute),
      files_(&source.files),
      config_(source.json),
      weights_(source.weights) {
  read_common_keys(source.config);
  for (const auto& [name, tensor] : files_->tensors()) stored_elements_ += static_cast<double>(tensor.numel());
}

void HubModel::finish(HubSource& source, const std::string& family) {
  info_.family = family;
  info_.label = family;
  info_.vocab = embedding_.size(0);
  info_.width = embedding_.size(1);
  info_.trained_length = source.config.integer_or("trained_length", info_.trained_length, 1);
  trained_as_read_ = info_.trained_length;
  encoding_ = encoding_under(source.method, std::move(encoding_), info_.trained_length, info_.windows);
  if (const std::string method = canonical_method(source.method); method != "none") info_.position += "+" + method;
  info_.traits = encoding_->traits();
  finish_config(source.config, source.json, source.path, source.overridden);
  files_ = nullptr;
}

Stream HubModel::embed(const Tensor& tokens, const Plan& plan) const {
  Tensor x = embedding_rows(embedding_, tokens);
  if (embedding_scale_ != 1) x = x * embedding_scale_;
  Tensor added = encoding_->embed(plan);
  return {added.defined() ? x + added : x, plan.seq, {}};
}

Json HubModel::config() const {
  Json config = config_;
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.contains(key)) config[key] = parameters_.dtype() == at::kDouble ? "float64" : "float32";
  if (own_head_) config["tie_word_embeddings"] = false;
  // Families do not agree on the key of the trained length, so a new one is beside it.
  if (info_.trained_length != trained_as_read_) config["trained_length"] = info_.trained_length;
  return config;
}

void HubModel::check_size(const std::string& name, const std::vector<int64_t>& shape) {
  double elements = 1;
  for (int64_t size : shape) elements *= static_cast<double>(size);
  elements_ += elements;
  // Tensors may be missing, and are then listed, but a config that asks for far more than there is lies.
  constexpr double kSlack = 1 << 24;
  check(elements_ <= 2 * stored_elements_ + kSlack, files_->where(), ": config.json asks for more than ", elements_,
        " elements (", name, " ", at::IntArrayRef(shape), " among them), found ", stored_elements_);
}

void HubModel::check_count(size_t count, const std::string& name) const {
  constexpr size_t kSlack = 1 << 16;
  const size_t held = files_->tensors().size();
  check(count < 2 * held + kSlack, files_->where(), ": config.json asks for more than ", count, " tensors (", name,
        " among them), found ", held);
}

void HubModel::store(StoredTensor stored) {
  check_count(stored_.size(), stored.name);
  stored_.push_back(std::move(stored));
}

Tensor HubModel::add(const std::string& name, const std::vector<int64_t>& shape, bool trainable) {
  check_size(name, shape);
  check_count(parameters_.all().size(), name);
  return parameters_.add(name, shape, Init::zeros(), trainable);
}

std::unique_ptr<Encoding> HubModel::rotary(Rope rope, at::ScalarType dtype) {
  const auto is_stored = [&](const std::string& name) {
    const std::string found = files_->find(name);
    if (found.empty()) return false;
    const DType stored = files_->tensors().at(found).dtype;
    const bool exact = stored == DType::f32 || stored == DType::f64;
    if (!exact)
      log_warning(files_->where(), ": ", found, " was rounded to ", name_of(stored), ", it is computed instead");
    return exact;
  };
  if (rope.declare)
    rope.declare(
        {is_stored, [&](const auto& name, const auto& shape, bool trainable) { return add(name, shape, trainable); }});
  return std::make_unique<RotaryEncoding>(std::move(rope), dtype);
}

Tensor HubModel::add_matrix(const std::string& name, const std::vector<int64_t>& shape) {
  matrices_.push_back({add(name, shape)});
  return matrices_.back().weight;
}

Linear HubModel::router(const std::string& name, int64_t experts, int64_t in) {
  matrices_.push_back({add(name + ".weight", {experts, in}), true});
  return {matrices_.back().weight, {}};
}

Linear HubModel::linear(const std::string& name, int64_t out, int64_t in, bool bias) {
  return {add_matrix(name + ".weight", {out, in}), bias ? add(name + ".bias", {out}) : Tensor()};
}

Linear HubModel::conv1d(const std::string& name, int64_t out, int64_t in) {
  Linear layer = linear(name, out, in, true);
  store({name + ".weight", {in, out}, {layer.weight.detach().t()}, 0});
  return layer;
}

Linear HubModel::stack(const std::string& own, const std::vector<Rows>& parts, int64_t in, bool bias) {
  int64_t out = 0;
  for (const Rows& part : parts) out += part.count;
  Linear layer = linear(own, out, in, bias);
  int64_t begin = 0;
  for (const Rows& part : parts) {
    store({part.name + ".weight", {part.count, in}, {layer.weight.detach().narrow(0, begin, part.count)}, 0});
    if (bias) store({part.name + ".bias", {part.count}, {layer.bias.detach().narrow(0, begin, part.count)}, 0});
    begin += part.count;
  }
  return layer;
}

Linear HubModel::grouped_qkv(const std::string& name, int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t in,
                             bool bias) {
  const int64_t h = heads, g = kv_heads, d = head_dim, rows = (h + 2 * g) * d;
  Linear layer = linear(name, rows, in, bias);
  // Ours: all queries, all keys, all values. Each as [G, how many of a group, D, ...], side by side along the second dimension.
  auto declare = [&](const std::string& stored, const Tensor& own, std::vector<int64_t> rest) {
    auto groups = [&](int64_t begin, int64_t of_group) {
      std::vector<int64_t> shape = {g, of_group, d};
      shape.insert(shape.end(), rest.begin(), rest.end());
      return own.narrow(0, begin * d, g * of_group * d).view(shape);
    };
    std::vector<int64_t> shape = {rows};
    shape.insert(shape.end(), rest.begin(), rest.end());
    store({stored, shape, {groups(0, h / g), groups(h, 1), groups(h + g, 1)}, 1});
  };
  declare(name + ".weight", layer.weight.detach(), {in});
  if (bias) declare(name + ".bias", layer.bias.detach(), {});
  return layer;
}

Norm HubModel::layer_norm(const std::string& name, int64_t size, double eps, bool bias) {
  return {NormKind::layer, add(name + ".weight", {size}), bias ? add(name + ".bias", {size}) : Tensor(), eps};
}

Norm HubModel::rms_norm(const std::string& name, int64_t size, double eps, double offset) {
  return {NormKind::rms, add(name + ".weight", {size}), {}, eps, offset};
}

Tensor HubModel::stack_experts(const std::string& own, const std::vector<std::string>& names,
                               const std::vector<int64_t>& shape, int64_t parts) {
  Tensor all = add_matrix(own, shape);
  if (files_->has(own)) return all;  // as newer libraries may save it: one tensor under its own name
  const int64_t rows = shape[1] / parts;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto expert = static_cast<int64_t>(i) / parts, part = static_cast<int64_t>(i) % parts;
    store({names[i], {rows, shape[2]}, {all.detach()[expert].narrow(0, part * rows, rows)}, 0});
  }
  return all;
}

void HubModel::set_head(const Norm& norm, const std::string& name, bool tied, bool bias) {
  const std::string weight = name + ".weight";
  if (!tied && !files_->has(weight)) {
    log_warning(files_->where(), ": no ", weight, ": the embedding is taken for the head");
    tied = true;
  }
  if (tied && files_->has(weight) && files_->has(embedding_name_) &&
      !same_values(*files_, embedding_name_, weight, !weights_)) {
    log_warning(files_->where(), ": ", weight, " is not the embedding, as tie_word_embeddings says: taken as it is");
    tied = false;
    own_head_ = true;
  }
  if (tied) parameters_.tie(weight, embedding_name_);
  const Tensor rows = tied ? embedding_ : add_matrix(weight, embedding_.sizes().vec());
  head_ = {norm, {rows, bias ? add(name + ".bias", {embedding_.size(0)}) : Tensor(), 1, 0}};
}

}  // namespace longhaul
