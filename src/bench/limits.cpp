// What the machine can do at most: matrix products (arithmetic) and streaming (memory). The other benches' bounds.
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>

#include "bench/bench.h"
#include "bench/inputs.h"
#include "ops/linear/product.h"

namespace longhaul {

namespace {

std::function<BenchCells(CLI::App&)> no_options(std::vector<Json> cells) {
  return [cells](CLI::App&) -> BenchCells { return [cells] { return cells; }; };
}

// Square products, and those of a layer of 768 with 512 tokens: y = x W^T, dx = dy W and dW = dy^T x.
std::vector<Json> gemm_cells() {
  std::vector<Json> cells;
  for (const char* peer : {"aten", "longhaul"}) {
    for (int64_t n : {1024, 2048}) cells.push_back({{"peer", peer}, {"shape", {{"n", n}}}});
    for (const char* product : {"output", "input", "weight"})
      cells.push_back({{"peer", peer}, {"shape", {{"T", 512}, {"in", 768}, {"out", 3072}, {"gradient", product}}}});
  }
  return cells;
}

struct Factors {
  Tensor a, b;
};

Factors gemm_factors(const Json& shape, at::ScalarType type) {
  if (shape.contains("n")) {
    int64_t n = shape["n"].get<int64_t>();
    return {random_tensor({n, n}, 1, type), random_tensor({n, n}, 1, type)};
  }
  int64_t tokens = shape["T"].get<int64_t>(), in = shape["in"].get<int64_t>(), out = shape["out"].get<int64_t>();
  Tensor x = random_tensor({tokens, in}, 1, type), dy = random_tensor({tokens, out}, 1, type);
  Tensor weight = random_tensor({out, in}, 1, type);
  if (shape["gradient"] == "output") return {x, weight.t()};
  if (shape["gradient"] == "input") return {dy, weight};
  return {dy.t(), x};
}

Json measure_gemm(const Json& cell) {
  const auto [a, b] = gemm_factors(cell["shape"], scalar_type_of(cell));
  Tensor c = at::empty({a.size(0), b.size(1)}, a.options());
  bool ours = cell["peer"] == "longhaul";
  Measurement measured =
      measure_cell([&, &a = a, &b = b] { ours ? product_into(c, a, b) : (void)at::mm_out(c, a, b); }, cell, 4);
  measured.tokens = c.size(0);
  measured.flops = 2.0 * static_cast<double>(a.size(0) * a.size(1) * b.size(1));
  return measured.json(cell["threads"].get<int64_t>());
}

// 512 MB: as much as a small model, and many times what the caches keep of it from one pass to the next.
constexpr int64_t kStreamElements = int64_t{1} << 27;

Json memory_cell(const char* kind) { return {{"peer", "aten"}, {"shape", {{"kind", kind}}}}; }

Json measure_memory(const Json& cell) {
  Tensor a = at::ones({kStreamElements});
  double arrays = 1;
  Measurement measured;
  if (cell["shape"]["kind"] == "triad") {  // a = b + 3 c, counted as STREAM does: two arrays read, one written
    Tensor b = at::ones({kStreamElements}), c = at::ones({kStreamElements});
    measured = measure_cell([&] { at::add_out(a, b, c, 3.0); }, cell, 4);
    arrays = 3;
  } else if (cell.contains("count")) {  // beside tokens, whose calls take about as long
    const auto count = cell["count"].get<int64_t>();
    Tensor total = at::sum(a);
    measured = measure_series([&] { total = at::sum(a); }, count);
    arrays = static_cast<double>(count);
  } else {
    Tensor total = at::sum(a);
    measured = measure_cell([&] { total = at::sum(a); }, cell, 4);
  }
  measured.bytes = arrays * static_cast<double>(kStreamElements) * 4;
  return measured.json(cell["threads"].get<int64_t>());
}

}  // namespace

LH_REGISTER(Benches, "gemm", "matrix products, the limit of arithmetic", {"", no_options(gemm_cells()), measure_gemm});
LH_REGISTER(Benches, "memory", "streaming through memory (triad and read), the limit of light arithmetic",
            {"", no_options({memory_cell("triad"), memory_cell("read")}), measure_memory, "", {"--dtype", "--seed"}});

}  // namespace longhaul
