#include "ops/parameters.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "base/error.h"
#include "base/machine.h"
#include "base/rng.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr int64_t kInitBlock = 4096;  // elements per counter stream; fixed, so values do not depend on threads

double draw(const Init& init, Rng& rng) {
  if (init.kind == Init::Kind::normal) return init.a + init.b * rng.normal();
  return init.a + (init.b - init.a) * rng.uniform();
}

void fill(Tensor& tensor, const Init& init, uint64_t seed, const std::string& name) {
  AT_DISPATCH_FLOATING_TYPES(tensor.scalar_type(), "init", [&] {
    scalar_t* out = tensor.mutable_data_ptr<scalar_t>();
    int64_t n = tensor.numel(), blocks = (n + kInitBlock - 1) / kInitBlock;
    uint64_t stream = stream_of("init:" + name);
    at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        Rng rng(seed, stream, static_cast<uint64_t>(block));
        int64_t end = std::min(n, (block + 1) * kInitBlock);
        for (int64_t i = block * kInitBlock; i < end; ++i)
          out[i] = static_cast<scalar_t>(init.kind == Init::Kind::constant ? init.a : draw(init, rng));
      }
    });
  });
}

}  // namespace

Parameters Parameters::blank(at::ScalarType dtype, double held) {
  Parameters parameters(0, dtype);
  parameters.blank_ = true;
  parameters.held_ = held;
  return parameters;
}

void Parameters::count_bytes(const std::string& name, const std::vector<int64_t>& shape) {
  double elements = 1;
  for (int64_t size : shape) elements *= static_cast<double>(size);
  bytes_ += elements * held_;
  const auto memory = static_cast<double>(physical_memory());
  check(bytes_ <= memory, "parameter '", name, "': the parameters up to it take ", human_bytes(bytes_),
        ", this machine has ", human_bytes(memory));
}

Tensor Parameters::add(const std::string& name, const std::vector<int64_t>& shape, const Init& init, bool trainable) {
  check(!has(name) && !aliases_.count(name), "parameter '", name, "' is made twice");
  count_bytes(name, shape);
  Tensor tensor = at::empty(shape, at::TensorOptions(dtype_));
  if (!blank_) fill(tensor, init, seed_, name);
  tensor.set_requires_grad(trainable);
  index_[name] = parameters_.size();
  parameters_.push_back({name, tensor, trainable});
  return tensor;
}

void Parameters::bound(const std::string& name, double low, double high) {
  check(has(name), "parameter '", name, "' does not exist and cannot be bounded");
  check(low < high, "parameter '", name, "': wanted bounds low < high, got ", low, " and ", high);
  Parameter& parameter = parameters_[index_.at(name)];
  parameter.low = low, parameter.high = high;
}

void Parameters::tie(const std::string& alias, const std::string& name) {
  check(has(name), "parameter '", alias, "' is tied to '", name, "', which does not exist");
  check(!has(alias) && !aliases_.count(alias), "parameter '", alias, "' is made twice");
  aliases_[alias] = name;
}

const Tensor& Parameters::at(const std::string& name) const {
  auto alias = aliases_.find(name);
  auto it = index_.find(alias == aliases_.end() ? name : alias->second);
  if (it == index_.end()) {
    std::vector<std::string> names;
    for (const Parameter& p : parameters_) names.push_back(p.name);
    fail("no parameter is named '", name, "'", did_you_mean(name, names));
  }
  return parameters_[it->second].tensor;
}

int64_t Parameters::count() const {
  int64_t total = 0;
  for (const Parameter& p : parameters_) total += p.tensor.numel();
  return total;
}

}  // namespace longhaul
