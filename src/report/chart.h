// A line chart as data, and its two renderings: SVG of our own for pages, gnuplot for files.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/results.h"
#include "report/training_log.h"

namespace longhaul {

struct Series {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low, high;  // band around y; empty: none
};

struct Mark {  // a vertical line
  double x = 0;
  std::string label;
};

enum class AxisKind { linear, log, length /* log, in powers of two, written 1k */ };

struct Chart {
  std::string title, x_label, y_label;
  AxisKind x_axis = AxisKind::length, y_axis = AxisKind::log;
  std::vector<Series> series;  // points that are not finite are left out
  std::vector<Mark> marks;
};

// Perplexity by length with a band of 95 % (1.96 standard errors of the loss); the trained lengths are marked.
Chart perplexity_chart(const Board& board);
// Mean loss of targets by how many tokens of context they had, at one length.
Chart position_chart(const Board& board, int64_t length);
// Training loss by step, each curve reduced to means over about 100 pieces.
Chart training_chart(const std::vector<TrainingLog>& logs);

// The series' colours on white, "#rrggbb": Okabe and Ito's palette for colour-blind readers, darkest first.
const std::vector<std::string>& chart_colours();

// An inline <svg> for report/page.cpp, whose style sheet gives the classes their colours.
std::string render_svg(const Chart& chart);

// PNG, SVG or PDF by the ending of `path`. Errors: another ending; no gnuplot; gnuplot's own words when it fails.
void plot_file(const Chart& chart, const std::string& path);

// Round values inside [low, high] for an axis: 1, 2, 5 times powers of ten, or powers of two; at least two of them when
// possible.
std::vector<double> axis_ticks(double low, double high, AxisKind axis);
std::string axis_text(double value, AxisKind axis);
// The ticks with their texts, which on a linear axis have equally many decimals: 1.8, 2.0, 2.2.
std::vector<std::pair<double, std::string>> axis_labels(double low, double high, AxisKind axis);

}  // namespace longhaul
