#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "report/chart.h"
#include "report/table.h"

namespace longhaul {

namespace {

constexpr double kWidth = 900, kHeight = 470, kTop = 44, kBottom = 58, kLeft = 58;
constexpr double kLabelGap = 18;     // least distance of two labels' baselines
constexpr size_t kMostMarkers = 24;  // a longer curve is a line without markers
constexpr size_t kLongestName = 24;  // characters of a label at a line's end

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// Ends of an axis in its own (logarithmic) units.
struct Scale {
  AxisKind kind = AxisKind::linear;
  double low = 0, high = 1, from = 0, to = 1;  // data ends; pixel ends
  double unit(double value) const { return kind == AxisKind::linear ? value : std::log2(value); }
  double operator()(double value) const {
    return from + (unit(value) - unit(low)) / (unit(high) - unit(low)) * (to - from);
  }
};

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    size_t longest = 4;
    for (const Series& series : chart.series) longest = std::max(longest, std::min(series.name.size(), kLongestName));
    right_ = kWidth - 20 - 8.6 * static_cast<double>(longest);
    fit();
  }

  std::string draw() {
    out_ = str("<svg class=\"chart\" viewBox=\"0 0 ", kWidth, " ", kHeight, "\" role=\"img\">\n<title>",
               html_escape(chart_.title), "</title>\n");
    beyond();
    grid();
    marks();
    for (size_t i = 0; i < chart_.series.size(); ++i) curve(i);
    labels();
    return out_ + "</svg>\n";
  }

 private:
  void fit() {
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    for (const Series& series : chart_.series) {
      for (double x : series.x) x_low = std::min(x_low, x), x_high = std::max(x_high, x);
      for (const auto* values : {&series.y, &series.low, &series.high})
        for (double y : *values) y_low = std::min(y_low, y), y_high = std::max(y_high, y);
    }
    x_ = {chart_.x_axis, x_low, x_high, kLeft + 14, right_ - 14};
    y_ = {chart_.y_axis, y_low, y_high, kHeight - kBottom - 10, kTop + 12};
    if (x_.low >= x_.high) widen(x_);
    if (y_.low >= y_.high * (1 - 1e-12)) widen(y_);
  }

  static void widen(Scale& scale) {  // a single value still needs an axis
    double by = scale.kind == AxisKind::linear ? std::max(1e-3, std::abs(scale.low) * 0.1) : 0;
    scale.low = by > 0 ? scale.low - by : scale.low / 1.25;
    scale.high = by > 0 ? scale.high + by : scale.high * 1.25;
  }

  void text(double x, double y, const char* css, const char* anchor, const std::string& what) {
    out_ += str("<text class=\"", css, "\" x=\"", number(x), "\" y=\"", number(y), "\" text-anchor=\"", anchor, "\">",
                html_escape(what), "</text>\n");
  }

  void line(double x1, double y1, double x2, double y2, const char* css) {
    out_ += str("<line class=\"", css, "\" x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2),
                "\" y2=\"", number(y2), "\"/>\n");
  }

  // Lengths that no model was trained at are tinted.
  void beyond() {
    double last = 0;
    for (const Mark& mark : chart_.marks) last = std::max(last, mark.x);
    if (last <= 0 || last >= x_.high) return;
    double from = std::max(x_(last), kLeft);
    out_ += str("<rect class=\"beyond\" x=\"", number(from), "\" y=\"", number(kTop), "\" width=\"",
                number(right_ - from), "\" height=\"", number(kHeight - kBottom - kTop), "\"/>\n");
  }

  void grid() {
    for (const auto& [tick, label] : axis_labels(y_.low, y_.high, chart_.y_axis)) {
      line(kLeft, y_(tick), right_, y_(tick), "grid");
      text(kLeft - 9, y_(tick) + 4, "tick", "end", label);
    }
    for (const auto& [tick, label] : axis_labels(x_.low, x_.high, chart_.x_axis)) {
      line(x_(tick), kHeight - kBottom, x_(tick), kHeight - kBottom + 5, "axis");
      text(x_(tick), kHeight - kBottom + 20, "tick", "middle", label);
    }
    line(kLeft, kHeight - kBottom, right_, kHeight - kBottom, "axis");
    text(kLeft, 24, "label", "start", chart_.y_label);
    text((kLeft + right_) / 2, kHeight - 12, "label", "middle", chart_.x_label);
  }

  void marks() {
    double row = 0;
    for (const Mark& mark : chart_.marks) {
      if (mark.x < x_.low || mark.x > x_.high) continue;
      bool to_the_left = x_(mark.x) > (kLeft + right_) / 2;
      line(x_(mark.x), kTop, x_(mark.x), kHeight - kBottom, "mark");
      text(x_(mark.x) + (to_the_left ? -7 : 7), kTop + 15 + row, "mark-label", to_the_left ? "end" : "start",
           mark.label);
      row += 16;
    }
  }

  std::string points(const std::vector<double>& x, const std::vector<double>& y) const {
    std::string path;
    for (size_t i = 0; i < x.size(); ++i) path += str(i ? "L" : "M", number(x_(x[i])), " ", number(y_(y[i])));
    return path;
  }

  void curve(size_t i) {
    const Series& series = chart_.series[i];
    out_ += str("<g class=\"series s", i % 8, i >= 8 ? " again" : "", "\">\n");
    if (!series.low.empty()) {
      std::vector<double> x = series.x, edge = series.high;
      x.insert(x.end(), series.x.rbegin(), series.x.rend());
      edge.insert(edge.end(), series.low.rbegin(), series.low.rend());
      out_ += str("<path class=\"band\" d=\"", points(x, edge), "Z\"/>\n");
    }
    out_ += str("<path class=\"line\" d=\"", points(series.x, series.y), "\"/>\n");
    if (series.x.size() <= kMostMarkers)
      for (size_t p = 0; p < series.x.size(); ++p) marker(i, series, p);
    out_ += "</g>\n";
  }

  // A shape for each series, so that colour is not the only difference; hovering tells the value.
  void marker(size_t i, const Series& series, size_t p) {
    static const char* const kShapes[] = {"M-4.2 0A4.2 4.2 0 1 0 4.2 0A4.2 4.2 0 1 0 -4.2 0Z",
                                          "M-3.9 -3.9H3.9V3.9H-3.9Z", "M0 -5.2L5 3.7H-5Z",
                                          "M0 -5.4L5.4 0L0 5.4L-5.4 0Z", "M0 5.2L5 -3.7H-5Z"};
    char value[32];
    std::snprintf(value, sizeof value, "%.4g", series.y[p]);
    out_ += str("<path class=\"marker\" d=\"", kShapes[i % 5], "\" transform=\"translate(", number(x_(series.x[p])),
                " ", number(y_(series.y[p])), ")\"><title>", html_escape(series.name), " at ",
                axis_text(series.x[p], chart_.x_axis), ": ", value, "</title></path>\n");
  }

  // Names at the lines' ends, pushed apart where lines end together.
  void labels() {
    struct Label {
      size_t series;
      double end, y;
    };
    std::vector<Label> all;
    for (size_t i = 0; i < chart_.series.size(); ++i)
      all.push_back({i, y_(chart_.series[i].y.back()), y_(chart_.series[i].y.back())});
    std::stable_sort(all.begin(), all.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
    for (size_t i = 1; i < all.size(); ++i) all[i].y = std::max(all[i].y, all[i - 1].y + kLabelGap);
    double floor = kHeight - kBottom - 2;
    for (size_t i = all.size(); i-- > 0; floor = all[i].y - kLabelGap) all[i].y = std::min(all[i].y, floor);
    for (const Label& label : all) {
      const Series& series = chart_.series[label.series];
      std::string name =
          series.name.size() > kLongestName ? series.name.substr(0, kLongestName - 3) + "..." : series.name;
      out_ += str("<g class=\"series s", label.series % 8, label.series >= 8 ? " again" : "", "\">\n");
      line(x_(series.x.back()) + 7, label.end, right_ + 7, label.y, "leader");
      text(right_ + 11, label.y + 4.5, "name", "start", name);
      out_ += "</g>\n";
    }
  }

  const Chart& chart_;
  double right_ = 0;  // of the plot area
  Scale x_, y_;
  std::string out_;
};

}  // namespace

std::string render_svg(const Chart& chart) { return chart.series.empty() ? "" : Drawing(chart).draw(); }

}  // namespace longhaul
