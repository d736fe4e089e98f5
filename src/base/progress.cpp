#include "base/progress.h"

#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, rate < 10 ? "%.2f" : rate < 100 ? "%.1f" : "%.0f", rate);
  return text;
}

}  // namespace

Progress::Progress(std::string what, int64_t total, std::string unit)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(isatty(STDERR_FILENO)),
      start_(Clock::now()),
      printed_(start_) {}

Progress::~Progress() { finish(); }

void Progress::add(int64_t n) {
  std::lock_guard lock(mutex_);
  done_ += n;
  if (!finished_ && seconds_since(printed_) >= (terminal_ ? 0.1 : 10.0)) print(false);
}

void Progress::note(const std::string& text) {
  std::lock_guard lock(mutex_);
  note_ = text;
}

void Progress::finish() {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  print(true);
}

// "train: 120 / 1,000 steps, 8.25 steps/s, 1m 47s left, loss 2.31"
void Progress::print(bool last) {
  printed_ = Clock::now();
  double seconds = seconds_since(start_);
  double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string line = what_ + ": " + with_commas(done_);
  if (total_ > 0) line += " / " + with_commas(total_);
  line += " " + unit_ + ", " + rate_text(rate) + " " + unit_ + "/s";
  if (last) {
    line += ", " + human_duration(seconds);
  } else if (total_ > done_ && rate > 0) {
    line += ", " + human_duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note_.empty()) line += ", " + note_;
  std::fprintf(stderr, "%s%s%s", terminal_ ? "\r\x1b[K" : "", line.c_str(), terminal_ && !last ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace longhaul
