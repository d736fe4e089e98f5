// A tiny language model of bytes that nobody has trained, as the run directory `folder`: for commands that read and write text.
#pragma once
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "models/models.h"

namespace longhaul {

inline void make_tiny_run(const std::string& folder, const std::string& position, int64_t trained_length) {
  ModelOptions options;
  options.position = position, options.vocab = 320, options.trained_length = trained_length, options.seed = 4;
  save_model(*create_model("gpt:layers=2,width=32,heads=2", options), folder);
  write_json(path_join(folder, "train.json"), {{"tokenizer", "bytes"}});
}

}  // namespace longhaul
