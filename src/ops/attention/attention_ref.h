// The definition of attention with a positional bias, in plain loops, forward and backward: what tests hold the
// implementations against in double, and in float the measure of what plain float code loses. Biases are always formed
// in double. Vaswani et al. 2017, eq. 1; ALiBi (Press et al. 2022, 3), T5 (Raffel et al. 2020, 2.1), Kerple (Chi et al.
// 2022, eq. 3), FIRE (Li et al. 2024, eq. 7), Cable, K-Cable (arXiv 2503.08067, eq. 5 and 7; specs/cable.md 1.1).
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/attention/attention.h"

namespace longhaul::reference {

enum class BiasForm { none, distance, separable, kernel, dense };

template <class Scalar>
struct Attention {
  int64_t heads = 1, kv_heads = 1, head_dim = 1;
  AttentionSpans spans;
  double scale = 1, soft_cap = 0;
  bool causal = true;
  int64_t window = 0;
  std::vector<double> row_scale;  // [T] or empty
  std::vector<Scalar> q, k, v;    // [T, H, D], [S, G, D]
  BiasForm form = BiasForm::none;
  std::vector<double> table, g, s, dense;  // [H, Lmax]; [T, H] or empty; [S, H]; [H, T, dense_columns]
  int64_t dense_columns = 0;

  std::vector<Scalar> out, dq, dk, dv;         // results
  std::vector<Scalar> dtable, dg, ds, ddense;  // of the bias's tensors

  void forward() {
    out.assign(q.size(), 0);
    for_each_row([&](const Row& row) {
      const std::vector<Scalar> p = weights(row);
      for (int64_t j = 0; j < row.keys; ++j) {
        for (int64_t d = 0; d < head_dim; ++d) out[row.at_query(d)] += p[j] * v[row.at_key(j, d)];
      }
    });
  }

  // Needs forward(). dL/dlogit_ij = p_ij (dp_ij - sum_m p_im dp_im); the sum is dout_i . out_i (Dao et al. 2022, B.4).
  void backward(const std::vector<Scalar>& dout) {
    dq.assign(q.size(), 0), dk.assign(k.size(), 0), dv.assign(v.size(), 0);
    dtable.assign(table.size(), 0), dg.assign(g.size(), 0), ds.assign(s.size(), 0), ddense.assign(dense.size(), 0);
    for_each_row([&](const Row& row) {
      const std::vector<Scalar> p = weights(row);
      std::vector<Scalar> dp(row.keys, 0);
      Scalar mean = 0;  // sum_m p_im dp_im
      for (int64_t d = 0; d < head_dim; ++d) mean += dout[row.at_query(d)] * out[row.at_query(d)];
      for (int64_t j = 0; j < row.keys; ++j) {
        for (int64_t d = 0; d < head_dim; ++d) {
          dp[j] += dout[row.at_query(d)] * v[row.at_key(j, d)];
          dv[row.at_key(j, d)] += p[j] * dout[row.at_query(d)];
        }
      }
      for (int64_t j = 0; j < row.keys; ++j) {
        if (!visible(row, j)) continue;
        const Scalar dlogit = p[j] * (dp[j] - mean);
        add_bias_gradient(row, j, dlogit);
        const Scalar tanh = soft_cap > 0 ? std::tanh(score(row, j) / Scalar(soft_cap)) : Scalar(0);
        const Scalar dscore = dlogit * (1 - tanh * tanh) * factor(row);
        for (int64_t d = 0; d < head_dim; ++d) {
          dq[row.at_query(d)] += dscore * k[row.at_key(j, d)];
          dk[row.at_key(j, d)] += dscore * q[row.at_query(d)];
        }
      }
    });
  }

 private:
  struct Row {  // query `query` (of T) and head h; its sequence's keys are first_key .. first_key + keys - 1 (of S)
    const Attention* a;
    int64_t h, query, index, first_key, keys;  // index: its own place in the sequence
    int64_t at_query(int64_t d) const { return (query * a->heads + h) * a->head_dim + d; }
    int64_t at_key(int64_t j, int64_t d) const {
      return ((first_key + j) * a->kv_heads + h / (a->heads / a->kv_heads)) * a->head_dim + d;
    }
  };

  template <class Visit>
  void for_each_row(const Visit& visit) const {
    for (size_t b = 0; b < spans.key_begin.size(); ++b) {
      const int64_t begin = spans.query_offsets[b], end = spans.query_offsets[b + 1];
      const int64_t keys = spans.key_end[b] - spans.key_begin[b];
      for (int64_t query = begin; query < end; ++query) {
        for (int64_t h = 0; h < heads; ++h) visit(Row{this, h, query, keys - (end - query), spans.key_begin[b], keys});
      }
    }
  }

  bool visible(const Row& row, int64_t j) const {
    return row.index >= 0 && (!causal || (j <= row.index && (window == 0 || row.index - j < window)));
  }
  Scalar factor(const Row& row) const { return Scalar(scale * (row_scale.empty() ? 1.0 : row_scale[row.query])); }
  Scalar score(const Row& row, int64_t j) const {
    Scalar sum = 0;
    for (int64_t d = 0; d < head_dim; ++d) sum += q[row.at_query(d)] * k[row.at_key(j, d)];
    return sum * factor(row);
  }
  std::vector<Scalar> weights(const Row& row) const {  // softmax of the row; all 0 when it sees no key
    std::vector<Scalar> p(row.keys, 0);
    Scalar largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < row.keys; ++j) {
      if (!visible(row, j)) continue;
      const Scalar x = score(row, j);
      p[j] = (soft_cap > 0 ? Scalar(soft_cap) * std::tanh(x / Scalar(soft_cap)) : x) + Scalar(bias(row, j));
      largest = std::max(largest, p[j]);
    }
    for (int64_t j = 0; j < row.keys; ++j) {
      if (visible(row, j)) sum += p[j] = std::exp(p[j] - largest);
    }
    for (Scalar& weight : p) weight = sum > 0 ? weight / sum : Scalar(0);
    return p;
  }

  int64_t at_table(const Row& row, int64_t j) const {
    const int64_t length = static_cast<int64_t>(table.size()) / heads;
    return row.h * length + std::min(row.index - j, length - 1);
  }
  int64_t at_dense(const Row& row, int64_t j) const {
    return (row.h * (static_cast<int64_t>(q.size()) / heads / head_dim) + row.query) * dense_columns + j;
  }
  double weight_of(const Row& row) const { return g.empty() ? 1.0 : g[row.query * heads + row.h]; }
  double difference(const Row& row, int64_t j) const {
    return s[(row.first_key + row.index) * heads + row.h] - s[(row.first_key + j) * heads + row.h];
  }
  double shape(double u, bool future) const {  // what g_i multiplies
    return form == BiasForm::kernel ? -std::log1p(u * u) : future ? -std::abs(u) : u;
  }
  double bias(const Row& row, int64_t j) const {
    if (form == BiasForm::none) return 0;
    if (form == BiasForm::distance) return table[at_table(row, j)];
    if (form == BiasForm::dense) return dense[at_dense(row, j)];
    return weight_of(row) * shape(difference(row, j), j > row.index);
  }
  void add_bias_gradient(const Row& row, int64_t j, Scalar dlogit) {
    if (form == BiasForm::none) return;
    if (form == BiasForm::distance) return void(dtable[at_table(row, j)] += dlogit);
    if (form == BiasForm::dense) return void(ddense[at_dense(row, j)] += dlogit);
    const double u = difference(row, j);
    const double linear = j > row.index ? (u > 0 ? -1 : u < 0 ? 1 : 0) : 1;
    const double slope = form == BiasForm::kernel ? -2 * u / (1 + u * u) : linear;
    if (!g.empty()) dg[row.query * heads + row.h] += dlogit * Scalar(shape(u, j > row.index));
    ds[(row.first_key + row.index) * heads + row.h] += dlogit * Scalar(weight_of(row) * slope);
    ds[(row.first_key + j) * heads + row.h] -= dlogit * Scalar(weight_of(row) * slope);
  }
};

}  // namespace longhaul::reference
