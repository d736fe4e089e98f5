// Attention beside ATen's: without bias, with ALiBi's and Cable's, tile skipping off and on, forward and with gradients.
#include <ATen/ops/arange.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "base/strings.h"
#include "bench/bench.h"
#include "bench/inputs.h"
#include "ops/attention/attention.h"

namespace longhaul {

namespace {

constexpr int64_t kHeads = 12, kHeadDim = 64;  // GPT small
// Entries of queries, keys and of the biases' pre-activations of a fresh GPT small: 0.02 sqrt(768) (specs: Cable 1.2).
constexpr double kInitialDeviation = 0.554;

struct Settings {
  std::vector<int64_t> lengths{1024, 4096, 16384};
  std::vector<std::string> bias{"none", "alibi", "cable"}, pass{"forward", "both"};
  std::vector<double> skip_eps{0, 1e-7};
  int64_t longest_mask = 4096;
};

Json cell(const std::string& peer, int64_t length, const std::string& pass, const std::string& bias) {
  return {{"peer", peer},
          {"case", str("T=", length, " ", pass)},
          {"shape", {{"T", length}, {"H", kHeads}, {"D", kHeadDim}, {"pass", pass}, {"bias", bias}}}};
}

std::vector<Json> cells(const Settings& settings) {
  std::vector<Json> all;
  for (const std::string& pass : settings.pass) {
    for (int64_t length : settings.lengths) {
      all.push_back(cell("aten", length, pass, "none"));
      all.back()["baseline"] = "aten";
      if (length <= settings.longest_mask) {
        all.push_back(cell("aten", length, pass, "mask"));
        all.back()["baseline"] = "aten mask";
      }
      for (const std::string& bias : settings.bias) {
        for (double eps : bias == "none" ? std::vector<double>{0} : settings.skip_eps) {
          all.push_back(cell("longhaul", length, pass, bias));
          all.back()["shape"]["skip_eps"] = eps;
          if (bias == "none") all.back()["baseline"] = "no bias";
        }
      }
    }
  }
  return all;
}

// The authors' slopes for 12 heads: those of 8 heads, then every second one of 16 heads.
Tensor alibi_slopes() {
  std::vector<double> slopes;
  for (int64_t n = 1; n <= 8; ++n) slopes.push_back(std::exp2(-static_cast<double>(n)));
  for (int64_t n = 0; n < 4; ++n) slopes.push_back(std::exp2(-0.5 - static_cast<double>(n)));
  return at::tensor(slopes, at::kDouble);
}

Bias make_bias(const std::string& kind, int64_t length, bool grad) {
  if (kind == "none") return std::monostate{};
  SeparableBias bias;
  if (kind == "alibi") {
    bias.g = alibi_slopes().to(at::kFloat).expand({length, kHeads});
    bias.s = -at::arange(length, at::kDouble).unsqueeze(1).expand({length, kHeads});
    return bias;
  }
  bias.g = at::softplus(random_tensor({length, kHeads}, kInitialDeviation, at::kFloat)).requires_grad_(grad);
  bias.s = (-at::relu(random_tensor({length, kHeads}, kInitialDeviation, at::kDouble)).cumsum(0)).requires_grad_(grad);
  return bias;
}

std::vector<Tensor> leaves_of(const Bias& bias) {
  const auto* separable = std::get_if<SeparableBias>(&bias);
  if (!separable || !separable->s.requires_grad()) return {};
  return {separable->g, separable->s};
}

// The dense bias that ATen has to be given, built outside the timed call: [1, H, T, T].
Tensor dense_alibi(int64_t length, at::ScalarType type) {
  Tensor i = at::arange(length, at::kFloat);
  Tensor distance = i.unsqueeze(0).sub(i.unsqueeze(1));  // j - i
  Tensor mask = alibi_slopes().to(at::kFloat).view({kHeads, 1, 1}).mul(distance);
  return mask.masked_fill_(distance.gt(0), -INFINITY).unsqueeze(0).to(type);
}

Json measure_attention(const Json& cell) {
  const Json& shape = cell["shape"];
  int64_t length = shape["T"].get<int64_t>();
  bool ours = cell["peer"] == "longhaul", grad = shape["pass"] == "both";
  std::string kind = shape["bias"].get<std::string>();
  at::ScalarType type = scalar_type_of(cell);
  double scale = 1 / std::sqrt(static_cast<double>(kHeadDim));
  auto make = [&] {
    std::vector<int64_t> sizes =
        ours ? std::vector<int64_t>{length, kHeads, kHeadDim} : std::vector<int64_t>{1, kHeads, length, kHeadDim};
    return random_tensor(sizes, kInitialDeviation, type).requires_grad_(grad);
  };
  Tensor q = make(), k = make(), v = make(), gradient = make().detach(), mask;
  Bias bias = ours ? make_bias(kind, length, grad) : Bias{};
  if (kind == "mask") mask = dense_alibi(length, type);
  std::vector<Tensor> leaves{q, k, v};
  for (const Tensor& leaf : leaves_of(bias)) leaves.push_back(leaf);

  AttentionStats stats;
  AttentionOptions options;
  options.scale = scale;
  options.skip_eps = shape.value("skip_eps", 0.0);
  options.stats = &stats;
  AttentionSpans spans = AttentionSpans::self({0, length});
  PeakWatch watch;
  Measurement measured = measure_cell(
      [&] {
        for (Tensor& leaf : leaves) leaf.mutable_grad() = Tensor();
        Tensor out = ours ? attention(q, k, v, spans, bias, options)
                          : at::scaled_dot_product_attention(
                                q, k, v, mask.defined() ? std::optional<Tensor>(mask) : std::nullopt, 0.0,
                                !mask.defined(), scale);
        if (grad) out.backward(gradient);
      },
      cell);
  measured.extra_bytes = watch.above_start();
  measured.tokens = length;
  // Half the square; backward is five products to forward's two. Skipped tiles count as if they had been computed.
  double pairs = 0.5 * static_cast<double>(length) * static_cast<double>(length + 1);
  measured.flops = 4.0 * static_cast<double>(kHeads * kHeadDim) * pairs * (grad ? 3.5 : 1.0);
  Json row = measured.json(cell["threads"].get<int64_t>());
  if (options.skip_eps > 0) row["skip_rate"] = stats.skip_rate();
  return row;
}

BenchCells setup(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  add_lengths_option(app, "--lengths", settings->lengths, "tokens of the one sequence (default: 1k,4k,16k)");
  app.add_option("--bias", settings->bias, "none, alibi (official slopes), cable (statistics of a fresh GPT small)")
      ->delimiter(',')
      ->check(CLI::IsMember({"none", "alibi", "cable"}));
  app.add_option("--pass", settings->pass, "forward; both: with the backward pass")
      ->delimiter(',')
      ->check(CLI::IsMember({"forward", "both"}));
  app.add_option("--skip-eps", settings->skip_eps,
                 "weight a skipped tile may have held (default: 0,1e-7; 0: nothing is skipped)")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_option_function<std::string>(
      "--longest-mask",
      [settings](const std::string& text) { settings->longest_mask = parse_length(text, "--longest-mask"); },
      "longest sequence for which ATen is measured with a dense mask too (default: 4k)");
  return [settings] { return cells(*settings); };
}

}  // namespace

LH_REGISTER(Benches, "attention", "causal attention with and without bias, beside ATen's",
            {"gemm", setup, measure_attention});

}  // namespace longhaul
