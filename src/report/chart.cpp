#include "report/chart.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace longhaul {

namespace {

constexpr double kNormal95 = 1.96;  // two-sided 95 % of a normal distribution

std::vector<Mark> trained_marks(const Board& board) {
  std::vector<Mark> marks;
  for (int64_t length : board.trained_lengths())
    marks.push_back({static_cast<double>(length), "trained at " + format_length(length)});
  return marks;
}

// Means over pieces of equal step range, so that a curve of any length is readable.
Series smoothed(const TrainingLog& log, const std::vector<TrainingPoint>& points) {
  constexpr int64_t kPieces = 100;
  Series series{log.name, {}, {}, {}, {}};
  int64_t steps = points.back().step + 1, width = std::max<int64_t>(1, steps / kPieces);
  for (size_t i = 0; i < points.size();) {
    int64_t piece = points[i].step / width;
    double sum = 0, count = 0, step = 0;
    for (; i < points.size() && points[i].step / width == piece; ++i, ++count) {
      sum += points[i].value;
      step += static_cast<double>(points[i].step);
    }
    series.x.push_back(step / count);
    series.y.push_back(sum / count);
  }
  return series;
}

std::vector<double> powers_of_two(double low, double high) {
  std::vector<double> ticks;
  for (int k = static_cast<int>(std::ceil(std::log2(low) - 1e-9)); std::exp2(k) <= high * (1 + 1e-9); ++k)
    ticks.push_back(std::exp2(k));
  return ticks;
}

// One of the sets {1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, ...} per decade: the first that gives four
// ticks.
std::vector<double> log_ticks(double low, double high) {
  static const std::vector<std::vector<double>> kSteps = {
      {1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9}};
  std::vector<double> ticks;
  for (const std::vector<double>& steps : kSteps) {
    ticks.clear();
    for (int decade = static_cast<int>(std::floor(std::log10(low))); decade <= std::ceil(std::log10(high)); ++decade)
      for (double step : steps) {
        double value = step * std::pow(10, decade);
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push_back(value);
      }
    if (ticks.size() >= 4) break;
  }
  return ticks;
}

std::vector<double> linear_ticks(double low, double high) {
  double rough = (high - low) / 6, decade = std::pow(10, std::floor(std::log10(rough)));
  double step = decade * (rough / decade < 1.5 ? 1 : rough / decade < 3.5 ? 2 : rough / decade < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push_back(i * step);
  return ticks;
}

}  // namespace

Chart perplexity_chart(const Board& board) {
  Chart chart{
      "Perplexity by length", "length of the window (tokens)", "perplexity", AxisKind::length, AxisKind::log, {},
      trained_marks(board)};
  for (const Row& row : board.rows) {
    Series series{row.name, {}, {}, {}, {}};
    for (const auto& [length, cell] : row.cells) {
      if (cell.windows.empty() || !std::isfinite(cell.perplexity().mean)) continue;
      double error = std::isfinite(cell.loss.error) ? cell.loss.error * kNormal95 : 0;
      series.x.push_back(static_cast<double>(length));
      series.y.push_back(std::exp(cell.loss.mean));
      series.low.push_back(std::exp(cell.loss.mean - error));
      series.high.push_back(std::exp(cell.loss.mean + error));
    }
    if (!series.x.empty()) chart.series.push_back(series);
  }
  return chart;
}

Chart position_chart(const Board& board, int64_t length) {
  Chart chart{"Loss by position in windows of " + format_length(length),
              "tokens of context before the target (at most)",
              "loss (nats per token)",
              AxisKind::length,
              AxisKind::linear,
              {},
              trained_marks(board)};
  for (const Row& row : board.rows) {
    const CellResult* cell = row.at(length);
    if (!cell) continue;
    Series series{row.name, {}, {}, {}, {}};
    for (const PositionLoss& position : cell->positions) {
      double loss = position.nll / position.tokens;
      if (!std::isfinite(loss)) continue;
      series.x.push_back(static_cast<double>(position.context));
      series.y.push_back(loss);
    }
    if (!series.x.empty()) chart.series.push_back(series);
  }
  return chart;
}

Chart training_chart(const std::vector<TrainingLog>& logs) {
  Chart chart{"Training", "step", "training loss (nats per token)", AxisKind::linear, AxisKind::linear, {}, {}};
  for (const TrainingLog& log : logs)
    if (!log.loss.empty()) chart.series.push_back(smoothed(log, log.loss));
  return chart;
}

std::vector<double> axis_ticks(double low, double high, AxisKind axis) {
  if (axis == AxisKind::length) return powers_of_two(low, high);
  return axis == AxisKind::log ? log_ticks(low, high) : linear_ticks(low, high);
}

std::string axis_text(double value, AxisKind axis) {
  if (axis == AxisKind::length) return format_length(std::llround(value));
  if (value >= 1000 && value == std::floor(value) && value < 1e9) return with_commas(std::llround(value));
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::vector<std::pair<double, std::string>> axis_labels(double low, double high, AxisKind axis) {
  auto decimals = [](const std::string& text) {
    size_t point = text.find('.');
    return point == std::string::npos ? 0 : text.size() - point - 1;
  };
  std::vector<std::pair<double, std::string>> labels;
  size_t most = 0;
  bool plain = axis == AxisKind::linear;  // and not 1e-07
  for (double tick : axis_ticks(low, high, axis)) {
    labels.emplace_back(tick, axis_text(tick, axis));
    most = std::max(most, decimals(labels.back().second));
    plain &= labels.back().second.find('e') == std::string::npos;
  }
  if (!plain || most == 0) return labels;
  for (auto& [tick, text] : labels) {
    if (decimals(text) == 0) text += '.';
    text.append(most - decimals(text), '0');
  }
  return labels;
}

}  // namespace longhaul
