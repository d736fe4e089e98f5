// What the machine can do at most: matrix products (arithmetic) and streaming (memory). The other benches' bounds.
#include <ATen/ops/add.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>

#include "bench/bench.h"
#include "bench/inputs.h"

namespace longhaul {

namespace {

std::function<BenchCells(CLI::App&)> no_options(std::vector<Json> cells) {
  return [cells](CLI::App&) -> BenchCells { return [cells] { return cells; }; };
}

Json gemm_cell(int64_t n) { return {{"peer", "aten"}, {"shape", {{"n", n}}}}; }

Json measure_gemm(const Json& cell) {
  int64_t n = cell["shape"]["n"].get<int64_t>();
  at::ScalarType type = scalar_type_of(cell);
  Tensor a = random_tensor({n, n}, 1, type), b = random_tensor({n, n}, 1, type), c = at::mm(a, b);
  Measurement measured = measure([&] { at::mm_out(c, a, b); }, 4 * cell["repeats"].get<int64_t>());
  measured.tokens = n;
  measured.flops = 2.0 * static_cast<double>(n * n * n);
  return measured.json(cell["threads"].get<int64_t>());
}

// Arrays of 128 MB: far larger than any cache.
constexpr int64_t kStreamElements = int64_t{1} << 25;

Json memory_cell(const char* kind) { return {{"peer", "aten"}, {"shape", {{"kind", kind}}}}; }

Json measure_memory(const Json& cell) {
  Tensor a = at::ones({kStreamElements});
  int64_t repeats = 4 * cell["repeats"].get<int64_t>(), arrays = 1;
  Measurement measured;
  if (cell["shape"]["kind"] == "triad") {  // a = b + 3 c, counted as STREAM does: two arrays read, one written
    Tensor b = at::ones({kStreamElements}), c = at::ones({kStreamElements});
    measured = measure([&] { at::add_out(a, b, c, 3.0); }, repeats);
    arrays = 3;
  } else {
    Tensor total = at::sum(a);
    measured = measure([&] { total = at::sum(a); }, repeats);
  }
  measured.bytes = static_cast<double>(arrays * kStreamElements * 4);
  return measured.json(cell["threads"].get<int64_t>());
}

}  // namespace

LH_REGISTER(Benches, "gemm", "matrix products, the limit of arithmetic",
            {"", no_options({gemm_cell(1024), gemm_cell(2048)}), measure_gemm});
LH_REGISTER(Benches, "memory", "streaming through memory (triad and read), the limit of light arithmetic",
            {"", no_options({memory_cell("triad"), memory_cell("read")}), measure_memory});

}  // namespace longhaul
