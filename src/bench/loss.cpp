// The language-model head with its cross entropy, forward and backward, beside the matrix product and loss of ATen.
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randint.h>

#include "bench/bench.h"
#include "bench/inputs.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"

namespace longhaul {

namespace {

struct Settings {
  std::vector<int64_t> lengths{4096};
  int64_t vocab = 50304, width = 768;
};

std::vector<Json> cells(const Settings& settings) {
  std::vector<Json> all;
  for (int64_t length : settings.lengths) {
    for (const char* peer : {"aten", "longhaul"}) {
      all.push_back({{"peer", peer},
                     {"case", str("T=", length)},
                     {"shape", {{"T", length}, {"C", settings.width}, {"V", settings.vocab}, {"pass", "both"}}}});
      if (all.back()["peer"] == "aten") all.back()["baseline"] = "aten";
    }
  }
  return all;
}

Json measure_loss(const Json& cell) {
  const Json& shape = cell["shape"];
  int64_t length = shape["T"].get<int64_t>(), width = shape["C"].get<int64_t>(), vocab = shape["V"].get<int64_t>();
  at::ScalarType type = scalar_type_of(cell);
  Tensor x = random_tensor({length, width}, 1, type).requires_grad_(true);
  Tensor weight = random_tensor({vocab, width}, 0.02, type).requires_grad_(true);
  Tensor targets = at::randint(vocab, {length}, at::kLong);
  LogitHead head;
  head.weight = weight;
  bool ours = cell["peer"] == "longhaul";
  PeakWatch watch;
  Measurement measured = measure_cell(
      [&] {
        x.mutable_grad() = weight.mutable_grad() = Tensor();
        Tensor loss =
            ours ? linear_cross_entropy(x, head, targets) : at::cross_entropy_loss(at::matmul(x, weight.t()), targets);
        loss.backward();
      },
      cell);
  int64_t gradients = static_cast<int64_t>(x.nbytes() + weight.nbytes());
  int64_t above = watch.above_start();
  measured.extra_bytes = above < 0 ? above : std::max<int64_t>(0, above - gradients);
  measured.tokens = length;
  measured.flops = 6.0 * static_cast<double>(length * width * vocab);
  return measured.json(cell["threads"].get<int64_t>());
}

BenchCells setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_lengths_option(app, "--lengths", settings->lengths, "tokens (default: 4k)");
  app.add_option("--vocab", settings->vocab, "tokens of the vocabulary")
      ->capture_default_str()
      ->check(CLI::Range(2, 1 << 24));
  app.add_option("--width", settings->width, "size of the hidden state")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  return [settings] { return cells(*settings); };
}

}  // namespace

LH_REGISTER(Benches, "ce", "language-model head and cross entropy, forward and backward, beside ATen's",
            {"gemm", setup, measure_loss});

}  // namespace longhaul
