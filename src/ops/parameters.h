// The base of every model: an ordered name -> tensor table. Trainer, checkpoints and optimizer work on it; no nn::Module.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace longhaul {

// How a fresh tensor is filled. Random numbers depend on (seed, name, element) alone: models that share a name share its values.
struct Init {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  double a = 0, b = 1;  // constant: a. normal: mean a, deviation b. uniform: [a, b)
  static Init zeros() { return {}; }
  static Init constant(double value) { return {Kind::constant, value, 0}; }
  static Init normal(double deviation) { return {Kind::normal, 0, deviation}; }
  static Init uniform(double low, double high) { return {Kind::uniform, low, high}; }
};

struct Parameter {
  std::string name;
  Tensor tensor;          // a leaf; requires_grad when trainable
  bool trainable = true;  // false: saved, never updated (FIRE's init_L)
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();  // see bound()
};

class Parameters {
 public:
  explicit Parameters(uint64_t seed = 0, at::ScalarType dtype = at::kFloat) : seed_(seed), dtype_(dtype) {}
  // Tensors are left as memory comes, whatever their Init says: a checkpoint fills them. `held`: bytes that a number will take
  // then, packed or as it is; 0: nothing will be filled in.
  static Parameters blank(at::ScalarType dtype, double held);

  // Makes and registers a tensor. Error on a name in use, and before memory is taken that this machine has not got.
  Tensor add(const std::string& name, const std::vector<int64_t>& shape, const Init& init, bool trainable = true);
  // The optimizer brings every element into [low, high] before it steps (so a step may end outside, and users clamp what
  // they read); gradients are not masked. Kerple's in-place clamp, specs/cable.md section 2.
  void bound(const std::string& name, double low, double high = std::numeric_limits<double>::infinity());
  // `alias` names the same tensor as `name`: files may hold either, the table and our files hold `name` once.
  void tie(const std::string& alias, const std::string& name);

  const std::vector<Parameter>& all() const { return parameters_; }  // in order of add()
  const Tensor& at(const std::string& name) const;                   // aliases too; Error with the nearest name
  bool has(const std::string& name) const { return index_.count(name) != 0; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }
  int64_t count() const;  // elements, tied ones once
  at::ScalarType dtype() const { return dtype_; }

 private:
  void count_bytes(const std::string& name, const std::vector<int64_t>& shape);

  uint64_t seed_;
  at::ScalarType dtype_;
  bool blank_ = false;
  double held_ = static_cast<double>(c10::elementSize(dtype_)), bytes_ = 0;  // of a number, of all tensors
  std::vector<Parameter> parameters_;
  std::map<std::string, size_t> index_;
  std::map<std::string, std::string> aliases_;
};

}  // namespace longhaul
