// One attention problem with random inputs, as the definition (attention_ref.h) takes it.
#pragma once
#include <random>

#include "ops/attention/attention_ref.h"

namespace longhaul::testing {

using reference::BiasForm;

struct Shape {
  std::vector<int64_t> queries = {7};  // per sequence
  std::vector<int64_t> past = {};      // keys before them; empty: none
  int64_t heads = 2, kv_heads = 2, head_dim = 8;
  BiasForm form = BiasForm::none;
  bool causal = true;
  int64_t window = 0;
  double soft_cap = 0;
  bool row_scale = false, weights = true;  // weights: the separable forms have a g
  double slope = 0.2;                      // mean |s_i - s_(i-1)|
  double origin = 0;                       // added to every s
  int64_t table_length = 50;
  double spread = 1;  // standard deviation of q and k
  uint64_t seed = 1;
};

// Random inputs that float represents exactly, so that all precisions see the same ones.
struct Case {
  Shape shape;
  reference::Attention<double> ref;
  std::vector<double> dout;
  int64_t tokens = 0, keys = 0;

  explicit Case(const Shape& wanted) : shape(wanted), random_(wanted.seed) {
    spans_of(shape);
    tokens = ref.spans.query_offsets.back(), keys = ref.spans.key_end.back();
    ref.heads = shape.heads, ref.kv_heads = shape.kv_heads, ref.head_dim = shape.head_dim;
    ref.scale = 1 / std::sqrt(static_cast<double>(shape.head_dim)), ref.soft_cap = shape.soft_cap;
    ref.causal = shape.causal, ref.window = shape.window;
    ref.q = normal(tokens * shape.heads * shape.head_dim, shape.spread);
    ref.k = normal(keys * shape.kv_heads * shape.head_dim, shape.spread);
    ref.v = normal(keys * shape.kv_heads * shape.head_dim, 1);
    dout = normal(tokens * shape.heads * shape.head_dim, 1);
    if (shape.row_scale) ref.row_scale = uniform(tokens, 0.5, 1.5);
    bias_of(shape);
  }

  static std::vector<float> to_float(const std::vector<double>& x) { return {x.begin(), x.end()}; }

  // The same problem for plain float code; its bias stays in double.
  reference::Attention<float> in_float() const {
    reference::Attention<float> f;
    f.heads = ref.heads, f.kv_heads = ref.kv_heads, f.head_dim = ref.head_dim, f.spans = ref.spans;
    f.scale = ref.scale, f.soft_cap = ref.soft_cap, f.causal = ref.causal, f.window = ref.window;
    f.row_scale = ref.row_scale, f.form = ref.form, f.table = ref.table, f.g = ref.g, f.s = ref.s, f.dense = ref.dense;
    f.dense_columns = ref.dense_columns;
    f.q = to_float(ref.q), f.k = to_float(ref.k), f.v = to_float(ref.v);
    return f;
  }

 private:
  void spans_of(const Shape& shape) {
    ref.spans.query_offsets = {0};
    int64_t key = 0;
    for (size_t b = 0; b < shape.queries.size(); ++b) {
      ref.spans.query_offsets.push_back(ref.spans.query_offsets.back() + shape.queries[b]);
      if (!shape.past.empty()) key += 3;  // a cache with spare room between the sequences
      ref.spans.key_begin.push_back(key);
      key += shape.queries[b] + (shape.past.empty() ? 0 : shape.past[b]);
      ref.spans.key_end.push_back(key);
    }
  }
  void bias_of(const Shape& shape) {
    ref.form = shape.form;
    if (shape.form == BiasForm::distance) {
      ref.table = uniform(shape.heads * shape.table_length, -4, 1);
    } else if (shape.form == BiasForm::dense) {
      ref.dense_columns = keys;
      ref.dense = uniform(shape.heads * tokens * keys, -3, 1);
    } else if (shape.form != BiasForm::none) {
      if (shape.weights) ref.g = uniform(tokens * shape.heads, shape.slope < 0 ? -0.5 : 0.3, 1.3);
      const std::vector<double> steps = uniform(keys * shape.heads, 0, 2 * std::abs(shape.slope));
      ref.s.assign(steps.size(), shape.origin);
      for (size_t n = shape.heads; n < steps.size(); ++n) {
        const bool back = shape.slope < 0 && (n / shape.heads) % 3 == 0;  // a negative slope: s goes to and fro
        ref.s[n] = ref.s[n - shape.heads] + (back ? steps[n] : -steps[n]);
      }
    }
  }
  std::vector<double> normal(int64_t count, double deviation) {
    std::normal_distribution<float> draw(0, static_cast<float>(deviation));
    return drawn(count, draw);
  }
  std::vector<double> uniform(int64_t count, double low, double high) {
    std::uniform_real_distribution<float> draw(static_cast<float>(low), static_cast<float>(high));
    return drawn(count, draw);
  }
  template <class Draw>
  std::vector<double> drawn(int64_t count, Draw& draw) {
    std::vector<double> x(static_cast<size_t>(count));
    for (double& value : x) value = draw(random_);
    return x;
  }
  std::mt19937_64 random_;
};

}  // namespace longhaul::testing
