#include <malloc.h>
#include <sys/resource.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "base/machine.h"
#include "base/strings.h"
#include "bench/bench.h"
#include "bench/turns.h"

namespace longhaul {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t n = values.size();
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// Five significant digits: a row is read by people too.
double rounded(double value) {
  if (value == 0) return 0;
  double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 4);
  return unit < 1 ? std::round(value / unit) / std::round(1 / unit) : std::round(value);
}

}  // namespace

Measurement measure(const std::function<void()>& work, int64_t repeats, double budget) {
  Measurement result;
  double spent = 0;
  for (int64_t i = 0; i <= repeats; ++i) {
    wait_for_turn();
    double cpu = cpu_seconds();
    auto start = Clock::now();
    work();
    double wall = std::chrono::duration<double>(Clock::now() - start).count();
    cpu = cpu_seconds() - cpu;
    spent += wall;
    // A first call that takes half of all the time we have is a repeat too: its warming up is a small part of it.
    if (i > 0 || spent > budget / 2) {
      result.seconds.push_back(wall);
      result.cpu_seconds.push_back(cpu);
    }
    if (!result.seconds.empty() && (spent > budget || i == 0)) break;
  }
  return result;
}

Measurement measure_cell(const std::function<void()>& work, const Json& cell, int64_t times) {
  return measure(work, times * cell.at("repeats").get<int64_t>(), cell.at("budget").get<double>());
}

Measurement measure_series(const std::function<void()>& work, int64_t count) {
  constexpr int64_t kCallsOfTurn = 4;
  std::vector<double> times, cpu_times;
  for (int64_t n = 0; n < count; ++n) {
    if (n % kCallsOfTurn == 0) wait_for_turn();
    const double cpu = cpu_seconds();
    const Clock::time_point start = Clock::now();
    work();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    cpu_times.push_back(cpu_seconds() - cpu);
  }
  const auto all = static_cast<double>(count);
  const double middle = all * percentile(times, 0.5);
  Measurement measured;
  measured.seconds = {all * percentile(times, 0.1), middle, middle};
  measured.cpu_seconds = {all * percentile(cpu_times, 0.1)};
  return measured;
}

Json Measurement::json(int64_t threads) const {
  double best = *std::min_element(seconds.begin(), seconds.end());
  Json row;
  row["tokens"] = tokens;
  row["seconds_min"] = rounded(best);
  row["seconds_med"] = rounded(median(seconds));
  row["repeats"] = seconds.size();
  auto rates = [&](double time, const std::string& infix) {
    if (tokens > 0) row["tok_per_" + infix + "s"] = rounded(static_cast<double>(tokens) / time);
    if (flops > 0) row["gflop_per_" + infix + "s"] = rounded(flops / time * 1e-9);
    if (bytes > 0) row["gbyte_per_" + infix + "s"] = rounded(bytes / time * 1e-9);
  };
  rates(best, "");
  if (threads == 1) {  // processor time is what a quiet machine's clock would have shown
    double quiet = *std::min_element(cpu_seconds.begin(), cpu_seconds.end());
    row["cpu_seconds_min"] = rounded(quiet);
    rates(quiet, "cpu_");
  }
  row["peak_rss_mb"] = rounded(static_cast<double>(peak_resident_bytes()) * 1e-6);
  if (extra_bytes >= 0) row["extra_mb"] = rounded(static_cast<double>(extra_bytes) * 1e-6);
  return row;
}

PeakWatch::PeakWatch() {
  malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");  // "5": the peak starts again from what is resident now (proc(5))
  reset_ = static_cast<bool>(clear << "5" << std::flush);
  start_ = resident_bytes();
}

int64_t PeakWatch::above_start() const {
  std::ifstream status("/proc/self/status");
  for (std::string line; reset_ && std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::max<int64_t>(0, 1024 * std::stoll(line.substr(6)) - start_);
  }
  return -1;
}

std::string torch_version() { return std::string("torch ") + TORCH_VERSION; }

void add_lengths_option(CLI::App& app, const std::string& name, std::vector<int64_t>& lengths,
                        const std::string& help) {
  app.add_option_function<std::string>(
         name, [&lengths, name](const std::string& text) { lengths = parse_lengths(text, name); }, help)
      ->type_name("N,N,...");
}

}  // namespace longhaul
