// The folder of a training run:
//   train.json                            the settings; a folder without it is no run
//   tokenizer.json                        the data's, when it is a file (run_tokenizer.h)
//   config.json, model.safetensors        the newest saved state, so that the folder is itself a model directory
//   log.jsonl                             one object a step (run_log.h)
//   events.out.tfevents.*                 the log's scalars for TensorBoard, when asked for
//   checkpoints/step_000123/              config.json, model.safetensors, optimizer.safetensors, state.json
//   lock                                  held by the process that trains
// These names with ".tmp" behind them were being written when a process died, and are removed by the next one. Kill -9 and a
// full disk leave every finished checkpoint whole: a new one is written beside it and renamed.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace longhaul {

class RunFolder {
 public:
  // A new run. Error when the folder holds anything, or another process has just taken it.
  static RunFolder create(const std::string& path);
  // A run to go on with. Error when it is none, or another process is training in it.
  static RunFolder open(const std::string& path);
  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;

  const std::string& path() const { return path_; }
  std::string settings_path() const;
  std::string log_path() const;
  std::string checkpoint_path(int64_t step) const;
  std::vector<int64_t> checkpoints() const;  // steps, ascending; finished ones only

  // Makes the checkpoint of `step`: `write` fills a temporary folder, which is renamed, published and followed by rotation
  // down to the `keep` newest (0: all stay). Error when writing fails (a full disk): everything that was there is untouched.
  void save(int64_t step, int64_t keep, const std::function<void(const std::string& folder)>& write);
  // Puts the weights of a checkpoint into the run folder itself (hard links where the file system has them).
  void publish(int64_t step) const;
  // Takes an unreadable checkpoint out of the series, for a person to look at: checkpoints/step_000123.unreadable.
  void set_aside(int64_t step) const;

 private:
  explicit RunFolder(std::string path);
  void lock();
  void remove_temporaries() const;
  void rotate(int64_t keep) const;

  std::string path_;
  int lock_ = -1;
};

}  // namespace longhaul
