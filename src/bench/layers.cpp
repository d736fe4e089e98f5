// The light operations of a layer and of the optimizer: bound by memory.
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "bench/bench.h"
#include "bench/inputs.h"
#include "ops/adamw/adamw.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace longhaul {

namespace {

struct Settings {
  std::vector<int64_t> lengths{4096};
  int64_t width = 768;
};

std::function<BenchCells(CLI::App&)> activations(std::vector<std::string> peers) {
  return [peers](CLI::App& app) -> BenchCells {
    auto settings = std::make_shared<Settings>();
    add_lengths_option(app, "--lengths", settings->lengths, "tokens (default: 4k)");
    app.add_option("--width", settings->width, "numbers of one token, a multiple of 64")
        ->capture_default_str()
        ->check(CLI::Range(64, 1 << 20));
    return [settings, peers] {
      check(settings->width % 64 == 0, "--width: wanted a multiple of 64, found ", settings->width);
      std::vector<Json> all;
      for (int64_t length : settings->lengths) {
        for (const std::string& peer : peers) {
          all.push_back(
              {{"peer", peer}, {"case", str("T=", length)}, {"shape", {{"T", length}, {"C", settings->width}}}});
          if (peer == "aten") all.back()["baseline"] = "aten";
        }
      }
      return all;
    };
  };
}

Json finish(Measurement measured, const Json& cell, int64_t tokens, double bytes) {
  measured.tokens = tokens;
  measured.bytes = bytes;
  return measured.json(cell["threads"].get<int64_t>());
}

Json measure_norm(const Json& cell) {
  int64_t length = cell["shape"]["T"].get<int64_t>(), width = cell["shape"]["C"].get<int64_t>();
  at::ScalarType type = scalar_type_of(cell);
  Tensor x = random_tensor({length, width}, 1, type), weight = random_tensor({width}, 1, type),
         bias = random_tensor({width}, 1, type);
  bool ours = cell["peer"] == "longhaul";
  Norm norm{NormKind::layer, weight, bias, 1e-5};
  Measurement measured =
      measure_cell([&] { ours ? normalize(x, norm) : at::layer_norm(x, {width}, weight, bias, 1e-5); }, cell, 8);
  return finish(std::move(measured), cell, length, 2.0 * static_cast<double>(x.nbytes()));
}

Json measure_rotary(const Json& cell) {
  int64_t length = cell["shape"]["T"].get<int64_t>(), width = cell["shape"]["C"].get<int64_t>();
  at::ScalarType type = scalar_type_of(cell);
  Tensor x = random_tensor({length, width}, 1, type), angle = random_tensor({length, 32}, 1, at::kDouble);
  Rotation rotation{angle.cos().to(type), angle.sin().to(type), RotaryLayout::half};
  Measurement measured = measure_cell([&] { rotate_heads_(x, width / 64, 64, rotation); }, cell, 8);
  return finish(std::move(measured), cell, length, 2.0 * static_cast<double>(x.nbytes()));
}

std::function<BenchCells(CLI::App&)> parameters() {
  return [](CLI::App& app) -> BenchCells {
    auto count = std::make_shared<int64_t>(int64_t{1} << 25);
    app.add_option("--parameters", *count, "numbers updated")
        ->capture_default_str()
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 33));
    return [count] { return std::vector<Json>{{{"peer", "longhaul"}, {"shape", {{"parameters", *count}}}}}; };
  };
}

Json measure_adamw(const Json& cell) {
  int64_t count = cell["shape"]["parameters"].get<int64_t>();
  Tensor parameter = random_tensor({count}, 0.02, at::kFloat), gradient = random_tensor({count}, 0.01, at::kFloat);
  Tensor first = at::zeros_like(parameter), second = at::zeros_like(parameter);
  int64_t step = 0;
  Measurement measured =
      measure_cell([&] { adamw_step({parameter}, {gradient}, {first}, {second}, ++step, AdamWOptions{}, 0.5); }, cell);
  return finish(std::move(measured), cell, 0, 28.0 * static_cast<double>(count));  // reads four arrays, writes three
}

}  // namespace

LH_REGISTER(Benches, "norm", "layer normalisation, beside ATen's",
            {"memory", activations({"aten", "longhaul"}), measure_norm});
LH_REGISTER(Benches, "rotary", "rotation of queries or keys in place, 64 numbers a head",
            {"memory", activations({"longhaul"}), measure_rotary});
LH_REGISTER(Benches, "adamw", "one optimizer step over one tensor",
            {"memory", parameters(), measure_adamw, "", {"--dtype"}});

}  // namespace longhaul
