#include "golden/golden.h"

#include <ATen/ops/isfinite.h>

#include <algorithm>

#include "base/error.h"
#include "models/tensor_io.h"
#include "pos/encoding.h"

namespace longhaul::golden {

Tensor Fixture::at(const std::string& key) const { return to_tensor(tensors.at(key)); }
Tensor Fixture::at(const std::string& key, at::ScalarType dtype) const { return to_tensor(tensors.at(key), dtype); }

void Report::near(const std::string& what, const Tensor& got, const Tensor& want, double tolerance) {
  near_with_floor(what, got, want, tolerance, 0);
}

void Report::near_with_floor(const std::string& what, const Tensor& got, const Tensor& want, double tolerance,
                             double floor) {
  ++comparisons_;
  if (got.sizes() != want.sizes())
    return fail(longhaul::str(what, ": wanted shape ", want.sizes(), ", got ", got.sizes()));
  Tensor a = got.detach().to(at::kDouble), b = want.detach().to(at::kDouble);
  if (!at::isfinite(a).all().item<bool>()) return fail(what + ": not finite");
  double difference = (a - b).abs().max().item<double>(), largest = std::max(b.abs().max().item<double>(), floor);
  if (difference > tolerance * largest)
    fail(longhaul::str(what, ": off by ", difference / largest, " of ", largest, ", allowed ", tolerance));
}

void Report::equal(const std::string& what, const Json& got, const Json& want) {
  ++comparisons_;
  if (got == want) return;
  auto shown = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 200);
  };
  fail(longhaul::str(what, ": wanted ", shown(want), ", got ", shown(got)));
}

Tolerance tolerance_for(at::ScalarType arithmetic, const Json& float32_deviation, at::ScalarType stored) {
  if (arithmetic == at::kDouble) return {stored == at::kDouble ? 1e-12 : 2e-7, 1e-6};
  double deviation = float32_deviation.is_object() ? float32_deviation.value("rel_to_max", 0.0) : 0.0;
  return {std::max(10 * deviation, 5e-6), 2e-5};
}

std::map<std::string, Handler>& handlers() {
  static std::map<std::string, Handler> all;
  return all;
}

std::string encoding_for(const std::string& pos_method, int64_t head_dim) {
  static const std::map<std::string, std::string> names = {
      {"nope", "nope"},
      {"learnable", "learned"},
      {"sinusoidal", "sinusoidal:variant=upstream"},
      {"sinusoidal_std", "sinusoidal"},
      {"alibi", "alibi:variant=upstream"},
      {"alibi_std", "alibi"},
      {"cable", "cable:variant=nw"},
      {"cable5", "cable:variant=5"},
      {"cable6", "cable"},
      {"cable7", "cable:variant=7"},
      {"cable_v1a", "cable:variant=v1a"},
      {"cable_v1b", "cable:variant=v1b"},
      {"kcable", "kcable:variant=nw"},
      {"kcable5", "kcable:variant=5"},
      {"kcable6", "kcable"},
      {"alibi2", "alibi2"},
      {"t5bias", "t5:variant=upstream"},
      {"t5_std", "t5"},
      {"kerple", "kerple"},
      {"kerple_power", "kerple:kind=power"},
      {"fire", "fire:variant=upstream"},
      {"xpos", "xpos"},
      {"cope", "cope:max={cope_max}"},
      {"dape_alibi", "dape:variant=upstream,base=(alibi:variant=upstream)"},
      {"dape_fire", "dape:variant=upstream,base=(fire:variant=upstream)"},
      {"dape_kerple", "dape:variant=upstream,base=(kerple)"},
      {"dape_cable", "dape:variant=upstream,base=(cable:variant=nw)"},
      {"dape_kcable", "dape:variant=upstream,base=(kcable:variant=dape-upstream)"},
      {"dape_std", "dape:base=(kerple)"},
      {"dapev2_std", "dape:version=2,base=(kerple)"},
      {"randompos_rope", "rope"},  // over the positions that the fixture lists
  };
  if (pos_method == "rope")
    return "rope:dim=" + std::to_string(std::min<int64_t>(64, head_dim));  // as coded: the first 64
  auto it = names.find(pos_method);
  return it == names.end() ? "" : it->second;
}

}  // namespace longhaul::golden
