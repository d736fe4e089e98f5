// Who tells a generation what may come next: sessions of an engine, or the whole text from nothing for every token.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace longhaul {

// Several texts that begin with one prompt.
class LogitSource {
 public:
  virtual ~LogitSource() = default;
  // Begins `count` texts with these tokens (at least one) and returns the logits [V] behind them.
  virtual Tensor begin(std::span<const int64_t> prompt, int64_t count) = 0;
  // Appends one token to each of some texts; their logits [n, V] in that order.
  virtual Tensor next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) = 0;
  virtual void end(int64_t text) = 0;  // it does not go on
};

// The prompt is read once, its keys and values are shared, every token costs one row.
class CachedLogits : public LogitSource {
 public:
  // `request`: tokens of a text with its prompt at most, for encodings that plan it (Encoding::plans_request).
  explicit CachedLogits(Engine& engine, int64_t request = 0) : engine_(engine), request_(request) {}
  Tensor begin(std::span<const int64_t> prompt, int64_t count) override;
  Tensor next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) override;
  void end(int64_t text) override;
  // Room (EngineOptions::tokens) for `count` texts of a prompt and `more` tokens each.
  static int64_t room(const Model& model, int64_t prompt, int64_t more, int64_t count);

 private:
  Engine& engine_;
  int64_t request_;
  std::vector<std::optional<Session>> sessions_;
};

// The published measurements' form (section 6 of the Cable specification), and the way of encodings whose past cannot be kept.
class RecomputedLogits : public LogitSource {
 public:
  // request: tokens of the whole text to come, for encodings that plan it. skip_eps: as AttentionOptions.
  explicit RecomputedLogits(const Model& model, int64_t request = 0, double skip_eps = 1e-7)
      : model_(model), request_(request), skip_eps_(skip_eps) {}
  Tensor begin(std::span<const int64_t> prompt, int64_t count) override;
  Tensor next(const std::vector<int64_t>& texts, const std::vector<int64_t>& tokens) override;
  void end(int64_t text) override;

 private:
  const Model& model_;
  int64_t request_;
  double skip_eps_;
  std::vector<std::vector<int64_t>> texts_;
};

}  // namespace longhaul
