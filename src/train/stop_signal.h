// Asking a run to stop: SIGINT, SIGTERM, SIGUSR1 (Slurm's warning before a time limit) and SIGHUP (its terminal is gone) end it
// after the step in progress.
#pragma once
#include <stdexcept>
#include <string>

namespace longhaul {

// What a command that was asked to stop ends with. `main` prints it and exits with 130.
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// While it lives, these signals are only noted, but a SIGHUP that is ignored (nohup) stays so; a second SIGINT ends the process at
// once (checkpoints stay whole). SIGXFSZ is ignored, so that a file-size limit is an error like a full disk. One at a time per process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  // "SIGTERM", or "" when none has come.
  std::string received() const;
  // Throws Interrupted, "stopped by SIGTERM; <left>", of the one that has come; `left`: what the command leaves behind.
  [[noreturn]] void stop(const std::string& left) const;
  void stop_if_received(const std::string& left) const;  // the same, when one has come
};

}  // namespace longhaul
