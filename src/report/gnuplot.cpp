#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/strings.h"
#include "report/chart.h"

namespace longhaul {

namespace {

// In single quotes, the way gnuplot doubles them inside; nothing else is special there.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += '\'';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string terminal_for(const std::string& path) {
  if (path.ends_with(".png")) return "pngcairo size 1600,900 fontscale 1.6 linewidth 2 noenhanced";
  if (path.ends_with(".svg")) return "svg size 960,540 font 'sans-serif,15' background '#ffffff' noenhanced";
  if (path.ends_with(".pdf")) return "pdfcairo size 8in,4.5in fontscale 0.75 linewidth 2 noenhanced";
  fail("--plot: wanted a file that ends in .png, .svg or .pdf, found '", path, "'");
}

void require_gnuplot(const std::string& path) {
  const char* folders = std::getenv("PATH");
  for (const std::string& folder : split(folders ? folders : "", ':'))
    if (access((folder + "/gnuplot").c_str(), X_OK) == 0) return;
  fail("--plot ", path,
       ": wanted the program gnuplot, found none on the PATH (Debian and Ubuntu: apt install gnuplot-nox)");
}

// Range and ticks of one axis ('x' or 'y'), the same as in the page's drawing, with some space at both ends.
std::string axis_of(char axis, AxisKind kind, const std::vector<double>& values) {
  auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  bool logarithmic = kind != AxisKind::linear;
  double low = *lowest, high = *highest, margin = low < high ? 0.04 : 0.5;
  double wide = logarithmic ? std::pow(high / low, margin) : (high - low) * margin;
  if (low == high) wide = logarithmic ? 1.25 : std::max(1e-3, std::abs(low) * 0.1);
  std::vector<std::string> ticks;
  for (const auto& [tick, text] : axis_labels(low, high, kind)) ticks.push_back(quoted(text) + str(" ", tick));
  std::string text = str("set ", axis, "tics (", join(ticks, ", "), ")\nset ", axis, "range [",
                         logarithmic ? low / wide : low - wide, ":", logarithmic ? high * wide : high + wide, "]\n");
  return text + (logarithmic ? str("set logscale ", axis, "\n") : "");
}

std::string axes_of(const Chart& chart) {
  std::vector<double> x, y;
  for (const Series& series : chart.series) {
    x.insert(x.end(), series.x.begin(), series.x.end());
    for (const auto* values : {&series.y, &series.low, &series.high}) y.insert(y.end(), values->begin(), values->end());
  }
  return axis_of('x', chart.x_axis, x) + axis_of('y', chart.y_axis, y);
}

std::string data_block(size_t i, const Series& series) {
  std::string text = str("$s", i, " << END\n");
  for (size_t p = 0; p < series.x.size(); ++p) {
    char line[160];
    double low = series.low.empty() ? series.y[p] : series.low[p],
           high = series.high.empty() ? series.y[p] : series.high[p];
    std::snprintf(line, sizeof line, "%.17g %.17g %.17g %.17g\n", series.x[p], series.y[p], low, high);
    text += line;
  }
  return text + "END\n";
}

std::string marks_of(const Chart& chart) {
  std::string text;
  for (const Mark& mark : chart.marks) {
    text +=
        str("set arrow from first ", mark.x, ", graph 0 to first ", mark.x, ", graph 1 nohead dt 2 lc rgb '#777777'\n");
    text += str("set label ", quoted(mark.label), " at first ", mark.x, ", graph 0.96 offset 0.6,0 tc rgb '#555555'\n");
  }
  return text;
}

std::string curves_of(const Chart& chart) {
  std::vector<std::string> parts;
  const std::vector<std::string>& colours = chart_colours();
  for (size_t i = 0; i < chart.series.size(); ++i)
    if (!chart.series[i].low.empty())
      parts.push_back(str("$s", i, " using 1:3:4 with filledcurves fs transparent solid 0.18 noborder lc rgb '",
                          colours[i % colours.size()], "' notitle"));
  for (size_t i = 0; i < chart.series.size(); ++i) {
    std::string style = chart.series[i].x.size() <= 24 ? str("linespoints pt ", 5 + 2 * (i % 5)) : "lines";
    parts.push_back(str("$s", i, " using 1:2 with ", style, " lw 1.6 lc rgb '", colours[i % colours.size()], "'",
                        i >= colours.size() ? " dt 2" : "", " title ", quoted(chart.series[i].name)));
  }
  return "plot " + join(parts, ", \\\n  ") + "\n";
}

std::string script(const Chart& chart, const std::string& path, const std::string& output) {
  std::string text = "set terminal " + terminal_for(path) + "\nset output " + quoted(output) + "\n";
  for (size_t i = 0; i < chart.series.size(); ++i) text += data_block(i, chart.series[i]);
  text += "set title " + quoted(chart.title) + "\nset xlabel " + quoted(chart.x_label) + "\nset ylabel " +
          quoted(chart.y_label) + "\n";
  text +=
      "set border 3 lc rgb '#888888'\nset tics nomirror\nset grid ytics lc rgb '#dddddd' lw 0.5\nset key outside right "
      "center\n";
  return text + axes_of(chart) + marks_of(chart) + curves_of(chart) + "unset output\n";
}

}  // namespace

const std::vector<std::string>& chart_colours() {
  static const std::vector<std::string> colours = {"#0072b2", "#d55e00", "#009e73", "#aa4499",
                                                   "#b8860b", "#3f8fc4", "#6b6b6b", "#88223f"};
  return colours;
}

void plot_file(const Chart& chart, const std::string& path) {
  terminal_for(path);
  require_gnuplot(path);
  check(!chart.series.empty(), "--plot ", path, ": nothing to plot (", chart.title, ")");
  std::string part = path + ".part", text = script(chart, path, part);
  auto before = std::signal(SIGPIPE, SIG_IGN);  // a gnuplot that dies early is reported below
  FILE* pipe = popen("gnuplot", "w");
  check(pipe != nullptr, "--plot ", path, ": gnuplot could not be started");
  size_t written = std::fwrite(text.data(), 1, text.size(), pipe);
  int status = pclose(pipe);
  std::signal(SIGPIPE, before);
  bool made = status == 0 && written == text.size() && std::rename(part.c_str(), path.c_str()) == 0;
  if (!made) std::remove(part.c_str());
  check(made, "--plot ", path, ": gnuplot failed (exit status ", status, "); its message is above");
}

}  // namespace longhaul
