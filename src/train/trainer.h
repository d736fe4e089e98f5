// The training loop: accumulation by total tokens, clipping, schedule, validation, checkpoints, exact resumption.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/event_file.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/settings.h"

namespace longhaul {

// How a process takes part in a run; nothing here changes what is computed (but see TrainState::threads).
struct RunContext {
  int threads = 1;
  std::string command;  // for the log
  bool json = false;    // log objects on stdout instead of lines on stderr
  bool quiet = false;   // neither
};

// What may differ from the stored settings when a run goes on.
struct ResumeChanges {
  int64_t steps = 0;         // more steps than planned (the schedule stretches); 0: as planned
  std::string data{};        // where the data set lies now, with the same content; "": where it was
  bool tensorboard = false;  // event files from here on, even if there were none before
};

// Error when the changes cut the run short.
TrainSettings changed_settings(TrainSettings settings, const ResumeChanges& changes);

struct TrainOutcome {
  int64_t step = 0;        // finished steps
  std::string stopped_by;  // what stop() said; "" when all steps are done
  double loss = 0;         // of the last step done here, nats per token
  double val_loss = 0;     // of the last validation done here; 0: none
};

// Asked after every step: "" to go on, otherwise why to stop (the state is saved first).
using StopFn = std::function<std::string(int64_t finished_steps)>;

// A fresh or loaded model as the settings (resolved) say, its trained length theirs. Error when a training or evaluation length is beyond its encoding.
std::unique_ptr<Model> make_model(const TrainSettings& settings);

class Trainer {
 public:
  // Makes the run folder `out` (missing or empty) and its checkpoint of step 0. Nothing is made when a setting is wrong.
  static std::unique_ptr<Trainer> start(TrainSettings settings, const std::string& out, const RunContext& context);
  // Goes on from the newest readable checkpoint, bit for bit as if nothing had happened on the same machine with the same
  // thread count. Error when the folder is no run, is in use, has no readable checkpoint, or the data has changed.
  static std::unique_ptr<Trainer> resume(const std::string& out, const ResumeChanges& changes,
                                         const RunContext& context);

  // Trains to the last step or until stop() says why not. Error for a loss or gradient norm that is not finite (names the
  // step and its tokens; nothing is saved) and for a checkpoint that cannot be written (older ones are whole).
  TrainOutcome run(const StopFn& stop);

  const Model& model() const { return *model_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  const TrainSettings& settings() const { return settings_; }
  const RunFolder& folder() const { return folder_; }
  int64_t step() const { return state_.step; }

 private:
  Trainer(RunFolder folder, TrainSettings settings, Dataset dataset, Checkpoint checkpoint, const RunContext& context);
  void announce();
  void train_step();
  double accumulate_gradients();
  void log_step(const Update& update, double seconds);
  void validate();
  void evaluate_lengths(double known_loss);
  void report_layers();
  void save();
  void record(const Json& object, const std::string& line);
  [[noreturn]] void stop_not_finite(const char* what, double value) const;

  RunContext context_;
  RunFolder folder_;
  TrainSettings settings_;
  Dataset dataset_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainState state_;
  std::unique_ptr<Loader> loader_;
  RunLog log_;
  std::optional<EventFile> events_;
  std::string where_;  // the tokens of the step in progress
  TrainOutcome outcome_;
  double gemm_rate_ = 0;  // FLOP/s
};

}  // namespace longhaul
