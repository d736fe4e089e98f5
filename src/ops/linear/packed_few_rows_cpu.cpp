// x W^T for the few rows of decoding, weights of f32 and bf16: the packed weight is read once, and that is all the time it takes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/linear/packed_few_rows_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h

#include <algorithm>

#include "ops/linear/packed_kernels.h"
#include "ops/linear/packed_panels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul {
namespace HWY_NAMESPACE {

// A core reads faster from several distant places at once than from one: a fifth to a quarter on Zen 4 and 5. More than two gain nothing
// on Zen 4, and lose up to a tenth on Zen 5. The panels of a task are as many streams as that, while registers hold their sums.
constexpr int kSums = kPanelVectors == 2 ? 16 : 8;  // vectors; of 32 or 16 registers
constexpr int streams_of(int rows) { return std::clamp(kSums / (rows * kPanelVectors), 1, 2); }

template <WeightType type, int kStreams>
struct Streams {
  const std::byte* at[kStreams];  // the numbers k of a panel, for the next k
  HWY_INLINE void load(PanelVector (&numbers)[kStreams][kPanelVectors]) {
    LH_UNROLL for (int s = 0; s < kStreams; ++s) {
      load_panel<type>(at[s], numbers[s]);
      at[s] += kPanelRows * element_bytes(type);
    }
  }
};

// total += the products of `count` numbers of x from x on, summed from zero.
template <WeightType type, int kRows, int kStreams>
HWY_INLINE void add_products(Streams<type, kStreams>& streams, const float* x, int64_t x_row, int64_t count,
                             float (&total)[kStreams][kRows][kPanelRows]) {
  const PanelFloats d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  PanelVector sum[kStreams][kRows][kPanelVectors], numbers[kStreams][kPanelVectors];
  LH_UNROLL for (int s = 0; s < kStreams; ++s) {
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[s][r][v] = hn::Zero(d);
    }
  }
  for (int64_t k = 0; k < count; ++k) {
    streams.load(numbers);
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      const PanelVector xk = hn::Set(d, x[r * x_row + k]);
      LH_UNROLL for (int s = 0; s < kStreams; ++s) {
        LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) sum[s][r][v] = hn::MulAdd(xk, numbers[s][v], sum[s][r][v]);
      }
    }
  }
  LH_UNROLL for (int s = 0; s < kStreams; ++s) {
    LH_UNROLL for (int r = 0; r < kRows; ++r) {
      LH_UNROLL for (int v = 0; v < kPanelVectors; ++v) {
        float* to = total[s][r] + v * n;
        hn::StoreU(hn::Add(hn::LoadU(d, to), sum[s][r][v]), d, to);
      }
    }
  }
}

// kRows rows through panels `panel`, panel + apart, ...
template <WeightType type, int kRows, int kStreams>
HWY_INLINE void multiply_panels(const PackedProduct& product, int64_t row, int64_t panel, int64_t apart) {
  const PackedMatrix& weight = product.weight;
  const auto column = [&](int s) { return (panel + s * apart) * kPanelRows; };
  const auto columns = [&](int s) { return std::min(kPanelRows, weight.rows - column(s)); };
  HWY_ALIGN float total[kStreams][kRows][kPanelRows] = {};
  Streams<type, kStreams> streams;
  for (int s = 0; s < kStreams; ++s) {
    streams.at[s] = weight.panel(panel + s * apart);
    for (int r = 0; r < kRows && product.bias; ++r) std::copy_n(product.bias + column(s), columns(s), total[s][r]);
  }
  for (int64_t first = 0; first < weight.depth; first += kSumDepth) {
    const int64_t count = std::min(kSumDepth, weight.depth - first);
    add_products(streams, product.x + row * product.x_row + first, product.x_row, count, total);
  }
  for (int s = 0; s < kStreams; ++s) {
    for (int r = 0; r < kRows; ++r)
      std::copy_n(total[s][r], columns(s), product.y + (row + r) * product.y_row + column(s));
  }
}

template <WeightType type, int kStreams>
HWY_INLINE void multiply_rows(const PackedProduct& product, int64_t panel, int64_t apart) {
  int64_t row = 0;
  for (; row + 4 <= product.rows; row += 4) multiply_panels<type, 4, kStreams>(product, row, panel, apart);
  if (row + 2 <= product.rows) multiply_panels<type, 2, kStreams>(product, row, panel, apart), row += 2;
  if (row < product.rows) multiply_panels<type, 1, kStreams>(product, row, panel, apart);
}

template <WeightType type>
void multiply_few(const PackedProduct& product, int64_t begin, int64_t end) {
  const auto in_streams = [&]<int kStreams>() {
    const int64_t apart = (end - begin) / kStreams;
    for (int64_t i = 0; i < apart; ++i) multiply_rows<type, kStreams>(product, begin + i, apart);
    for (int64_t panel = begin + kStreams * apart; panel < end; ++panel) multiply_rows<type, 1>(product, panel, 0);
  };
  if (product.rows == 1) return in_streams.template operator()<streams_of(1)>();
  in_streams.template operator()<streams_of(4)>();
}

void MultiplyFewRows(const PackedProduct& product, int64_t begin, int64_t end) {
  if (product.weight.type == WeightType::f32) return multiply_few<WeightType::f32>(product, begin, end);
  multiply_few<WeightType::bf16>(product, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace longhaul
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul {
HWY_EXPORT(MultiplyFewRows);

void kernels::multiply_few_rows(const PackedProduct& product, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(MultiplyFewRows)(product, begin, end);
}

}  // namespace longhaul
#endif
