// One checkpoint folder: config.json, model.safetensors, optimizer.safetensors (moments), state.json. Together they decide
// every later bit of the run, given the same machine, thread count and data.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "models/models.h"
#include "train/optimizer.h"
#include "train/settings.h"

namespace longhaul {

// state.json. All randomness is counter-based (seed, step), so these numbers are the whole state of the generators.
struct TrainState {
  int64_t step = 0;       // finished optimizer steps
  int64_t tokens = 0;     // trained on so far
  int64_t log_bytes = 0;  // of log.jsonl when the checkpoint was made
  Json loader;            // Loader::state()
  int threads = 0;        // library products have other last bits on another thread count
  Json build;             // build_json() of the program that wrote it
};

// Fills an empty folder; every file is on the disk when it returns. state.json also has the seed, the schedule and the
// content hashes of both tensor files.
void write_checkpoint(const std::string& folder, const Model& model, const Optimizer& optimizer,
                      const TrainSettings& settings, const TrainState& state);

struct Checkpoint {
  std::unique_ptr<Model> model;
  std::unique_ptr<Optimizer> optimizer;
  TrainState state;
};
// Error when anything is missing, cut short, or not what was written (hashes).
Checkpoint read_checkpoint(const std::string& folder, const TrainSettings& settings);

}  // namespace longhaul
