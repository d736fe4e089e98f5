// What the training tests share: a small data set, a small run, and comparing two runs bit for bit.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "support.h"
#include "train/trainer.h"

namespace longhaul {

// A packed data set of about 60 kB of made-up text in both splits. Returns its folder.
std::string make_data(const TemporaryFolder& scratch);

// gpt:layers=2,width=32,heads=2 on windows of 32 tokens, 2 passes of 4 windows a step.
TrainSettings small_settings(const std::string& data, int64_t steps);

RunContext quiet_context();
StopFn never_stop();
// Stops after this many finished steps.
StopFn stop_after(int64_t steps);

std::string bytes_of(const std::string& path);
// log.jsonl without what may differ between two runs with the same results: start lines and times.
std::vector<std::string> log_lines(const std::string& run);
// Weights, moments and log of two finished runs, byte for byte.
void expect_same_run(const std::string& a, const std::string& b, int64_t step);

// A process of the `longhaul` program.
class Process {
 public:
  // Its stderr goes to this file.
  Process(const std::vector<std::string>& arguments, const std::string& stderr_path);
  ~Process();  // kills it if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void signal(int number) const;
  // True when it ended within the time; then status() is what waitpid said.
  bool wait(double seconds);
  int status() const { return status_; }
  bool exited_with(int code) const;

 private:
  int pid_ = -1, status_ = 0;
  bool ended_ = false;
};

}  // namespace longhaul
