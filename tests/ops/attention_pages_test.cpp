// Keys in the pages of a pool: the same as keys that lie one behind the other.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "ops/attention_outcome.h"
#include "testing.h"

namespace longhaul {
namespace {

using testing::BiasForm;
using testing::Case;
using testing::Shape;

// The keys of a case scattered over a pool that holds NaN everywhere else.
struct Paged {
  AttentionSpans spans;
  Tensor k, v, s;

  Paged(const Case& c, const testing::Inputs& x) {
    const AttentionSpans& from = c.ref.spans;
    auto table = std::make_shared<PageTable>();
    int64_t pages = 0;
    spans.query_offsets = from.query_offsets;
    for (size_t b = 0; b < from.key_begin.size(); ++b) {
      const int64_t keys = from.key_end[b] - from.key_begin[b], count = (keys + kPageRows - 1) / kPageRows;
      spans.key_begin.push_back(pages * kPageRows);
      spans.key_end.push_back(pages * kPageRows + keys);
      table->emplace_back(static_cast<size_t>(count));
      pages += count;
    }
    std::vector<int64_t> order(static_cast<size_t>(pages) + 3);  // some are nobody's
    for (size_t n = 0; n < order.size(); ++n) order[n] = static_cast<int64_t>(n);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(5));
    for (std::vector<int64_t>& sequence : *table) {
      for (int64_t& page : sequence) page = order.back(), order.pop_back();
    }
    spans.pages = table;
    const int64_t rows = (pages + 3) * kPageRows;
    k = head_by_head(scattered(x.k, rows, c)).transpose(2, 3).contiguous();
    v = head_by_head(scattered(x.v, rows, c));
    if (x.s.defined()) s = gather_pages(scattered(x.s, rows, c), *table);
  }

 private:
  // [rows, G, D] -> [pages, G, kPageRows, D]
  static Tensor head_by_head(const Tensor& rows) {
    return rows.unflatten(0, {-1, kPageRows}).transpose(1, 2).contiguous();
  }
  Tensor scattered(const Tensor& from, int64_t rows, const Case& c) const {
    std::vector<int64_t> shape = from.sizes().vec();
    shape[0] = rows;
    Tensor pool = at::full(shape, NAN, from.options().requires_grad(false));
    for (size_t b = 0; b < c.ref.spans.key_begin.size(); ++b) {
      const int64_t begin = c.ref.spans.key_begin[b], end = c.ref.spans.key_end[b];
      for (int64_t j = 0; j < end - begin; ++j) {
        const int64_t page = (*spans.pages)[b][static_cast<size_t>(j / kPageRows)];
        pool[page * kPageRows + j % kPageRows].copy_(from[begin + j]);
      }
    }
    return pool;
  }
};

Bias with_s(const testing::Inputs& x, const Case& c, const Tensor& s) {
  if (c.ref.form == BiasForm::separable) return SeparableBias{x.g, s};
  if (c.ref.form == BiasForm::kernel) return SeparableKernel{x.g, s};
  return x.bias(c);
}

void expect_the_same_bits(const Shape& shape, at::ScalarType dtype) {
  at::NoGradGuard off;
  const Case c(shape);
  const testing::Inputs x(c, dtype);
  const Paged paged(c, x);
  const AttentionOptions options = testing::options_of(c);
  const Tensor plain = attention(x.q, x.k, x.v, c.ref.spans, x.bias(c), options);
  const Tensor found = attention(x.q, paged.k, paged.v, paged.spans, with_s(x, c, paged.s), options);
  EXPECT_TRUE(at::equal(plain, found)) << "bias " << static_cast<int>(shape.form) << ", " << c10::toString(dtype);
}

TEST(AttentionPages, AreTheSameBitsAsRows) {
  for (BiasForm form : {BiasForm::none, BiasForm::distance, BiasForm::separable, BiasForm::kernel, BiasForm::dense}) {
    for (at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      Shape decoding;
      decoding.form = form, decoding.queries = {1, 1, 2}, decoding.past = {0, 64, 190};
      expect_the_same_bits(decoding, dtype);
      Shape prefill;  // packed keys, several query heads to a key head, a window
      prefill.form = form, prefill.queries = {70, 5}, prefill.past = {30, 200}, prefill.heads = 6, prefill.window = 80;
      expect_the_same_bits(prefill, dtype);
    }
  }
}

// A head alone and more than go side by side; widths of whole blocks of registers and others; ends within a tile and at one.
TEST(AttentionPages, SingleRowsAreTheSameBitsTileByTile) {
  testing::for_each_target([] {
    for (int64_t head_dim : {16, 64, 80, 128}) {
      for (int64_t heads : {1, 5, 20}) {
        Shape shape;
        shape.queries = {1, 1, 1, 1}, shape.past = {0, 127, 128, 700};
        shape.heads = shape.kv_heads = heads, shape.head_dim = head_dim;
        expect_the_same_bits(shape, at::kFloat);
        shape.window = 100, shape.soft_cap = 5;
        expect_the_same_bits(shape, at::kFloat);
      }
    }
  });
}

TEST(AttentionPages, LongDecodingSkipsInThemToo) {
  Shape shape;
  shape.form = BiasForm::separable, shape.queries = {1, 1}, shape.past = {2500, 300}, shape.slope = 0.4;
  expect_the_same_bits(shape, at::kFloat);
}

// What is skipped in one sequence is no matter of those beside it: a longer one, or one of many queries.
TEST(AttentionPages, ASequenceIsTheSameBesideOthers) {
  const at::NoGradGuard off;
  for (BiasForm form : {BiasForm::none, BiasForm::distance, BiasForm::separable, BiasForm::kernel}) {
    Shape shape;
    shape.form = form, shape.queries = {1, 1, 300}, shape.past = {700, 2500, 0}, shape.slope = 0.4;
    const Case c(shape);
    const testing::Inputs x(c, at::kFloat);
    AttentionSpans alone = c.ref.spans;
    alone.query_offsets.resize(2), alone.key_begin.resize(1), alone.key_end.resize(1);
    testing::Inputs first = x;
    if (first.g.defined()) first.g = first.g.slice(0, 0, 1);
    const AttentionOptions options = testing::options_of(c);
    const Tensor beside = attention(x.q, x.k, x.v, c.ref.spans, x.bias(c), options);
    const Tensor found = attention(x.q.slice(0, 0, 1), x.k, x.v, alone, first.bias(c), options);
    EXPECT_TRUE(at::equal(found, beside.slice(0, 0, 1))) << "bias " << static_cast<int>(form);
  }
}

TEST(AttentionPages, WhatDoesNotFitIsAnError) {
  Shape shape;
  shape.queries = {2}, shape.past = {100};
  const Case c(shape);
  const testing::Inputs x(c, at::kFloat);
  const Paged paged(c, x);
  const AttentionOptions options = testing::options_of(c);
  auto refuses = [&](const AttentionSpans& spans) {
    at::NoGradGuard off;
    EXPECT_THROW(attention(x.q, paged.k, paged.v, spans, {}, options), Error);
  };
  EXPECT_THROW(attention(x.q, paged.k, paged.v, paged.spans, {}, options), Error);  // gradients
  AttentionSpans wrong = paged.spans;
  wrong.pages = std::make_shared<PageTable>(PageTable{{0}});
  refuses(wrong);
  wrong.pages = std::make_shared<PageTable>(PageTable{{0, 99}});
  refuses(wrong);
  wrong.pages = std::make_shared<PageTable>(PageTable{{0, -1}});
  refuses(wrong);
  wrong.pages = std::make_shared<PageTable>(PageTable{});
  refuses(wrong);
  at::NoGradGuard off;
  // Neither rows nor another order of a page is a pool.
  const Tensor rows = paged.v.transpose(1, 2), strided = rows.contiguous().transpose(1, 2);
  EXPECT_THROW(attention(x.q, rows.flatten(0, 1), rows.flatten(0, 1), paged.spans, {}, options), Error);
  EXPECT_THROW(attention(x.q, paged.k, strided, paged.spans, {}, options), Error);
  EXPECT_THROW(attention(x.q, paged.v, paged.v, paged.spans, {}, options), Error);
}

}  // namespace
}  // namespace longhaul
