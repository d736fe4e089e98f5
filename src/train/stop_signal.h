// Asking a run to stop: SIGINT, SIGTERM and SIGUSR1 (Slurm's warning before a time limit) end it after the step in progress.
#pragma once
#include <string>

namespace longhaul {

// While it lives, the three signals are only noted; a second SIGINT ends the process at once (checkpoints stay whole).
// SIGXFSZ is ignored, so that a file-size limit is an error like a full disk. One at a time per process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  // "SIGTERM", or "" when none has come.
  std::string received() const;
};

}  // namespace longhaul
