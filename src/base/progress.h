// Progress of long work on stderr: done / total, rate, ETA. A live line on a terminal, a plain line every 10 s otherwise.
#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace longhaul {

class Progress {
 public:
  // `total` 0: unknown. `unit`: "MB", "windows", "steps".
  Progress(std::string what, int64_t total, std::string unit);
  ~Progress();                         // ends the line
  void add(int64_t n);                 // thread-safe
  void note(const std::string& text);  // shown behind the figures
  void finish();

 private:
  void print(bool last);
  std::string what_, unit_, note_;
  int64_t total_, done_ = 0;
  bool terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, printed_;
  std::mutex mutex_;
};

}  // namespace longhaul
