// The golden runner: walks a folder of fixtures, picks a handler by each fixture's `kind`, compares with the README's tolerances.
// No case is named in code. A handler is one self-registering file; kinds that nobody claims are counted, not failed.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "io/safetensors.h"
#include "ops/tensor.h"

namespace longhaul::golden {

struct Fixture {
  std::string path;  // of the JSON
  Json info;
  SafetensorsFile tensors;  // empty for a kind that has none

  std::string name() const { return info.value("case", path); }
  bool has(const std::string& key) const { return tensors.has(key); }
  Tensor at(const std::string& key) const;                        // as stored
  Tensor at(const std::string& key, at::ScalarType dtype) const;  // converted
};

// Collects comparisons of one fixture.
class Report {
 public:
  // max |a - b| / max |b| <= tolerance; shapes must agree and `got` be finite.
  void near(const std::string& what, const Tensor& got, const Tensor& want, double tolerance);
  // |a - b| <= tolerance * max(max |b|, floor): for gradients, some of which vanish by symmetry.
  void near_with_floor(const std::string& what, const Tensor& got, const Tensor& want, double tolerance, double floor);
  void equal(const std::string& what, const Json& got, const Json& want);
  void fail(const std::string& what) { failures_.push_back(what); }
  const std::vector<std::string>& failures() const { return failures_; }
  int comparisons() const { return comparisons_; }

 private:
  std::vector<std::string> failures_;
  int comparisons_ = 0;
};

// The README's table: how far a value and a gradient may be from what is stored, for our arithmetic.
struct Tolerance {
  double value, gradient;
};
Tolerance tolerance_for(at::ScalarType arithmetic, const Json& float32_deviation, at::ScalarType stored);

// false: the fixture's kind is known, but what it is about does not exist here (an encoding of a later release).
using Handler = std::function<bool(const Fixture&, Report&)>;
std::map<std::string, Handler>& handlers();
inline bool claim(const std::string& kind, Handler handler) {
  return handlers().emplace(kind, std::move(handler)).second;
}

// What the fixtures call a positional method -> our spec (docs/names.md), or "" when it does not exist here.
std::string encoding_for(const std::string& pos_method, int64_t head_dim);

}  // namespace longhaul::golden
