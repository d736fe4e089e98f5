#include "train/checkpoint.h"

#include "base/files.h"
#include "base/hash.h"

namespace longhaul {

namespace {

constexpr const char* kTensorFiles[] = {"model.safetensors", "optimizer.safetensors"};

}  // namespace

void write_checkpoint(const std::string& folder, const Model& model, const Optimizer& optimizer,
                      const TrainSettings& settings, const TrainState& state) {
  save_model(model, folder);
  optimizer.save(path_join(folder, "optimizer.safetensors"));
  Json json = {{"step", state.step},       {"tokens", state.tokens}, {"log_bytes", state.log_bytes},
               {"seed", settings.seed},    {"loader", state.loader}, {"schedule", settings.schedule().json()},
               {"threads", state.threads}, {"build", state.build}};
  for (const char* name : kTensorFiles) json["hashes"][name] = hash_file(path_join(folder, name));
  write_json(path_join(folder, "state.json"), json);
}

Checkpoint read_checkpoint(const std::string& folder, const TrainSettings& settings) {
  std::string path = path_join(folder, "state.json");
  Json json = read_json(path);
  JsonReader reader(json, path);
  Checkpoint checkpoint;
  TrainState& state = checkpoint.state;
  state.step = reader.integer("step", 0);
  state.tokens = reader.integer("tokens", 0);
  state.log_bytes = reader.integer("log_bytes", 0);
  state.loader = reader.value("loader");
  state.threads = static_cast<int>(reader.integer("threads", 1));
  state.build = reader.value("build");
  JsonReader hashes = reader.object("hashes");
  for (const char* name : kTensorFiles) {
    std::string wanted = hashes.string(name), found = hash_file(path_join(folder, name));
    check(found == wanted, path_join(folder, name), ": wanted content hash ", wanted, ", found ", found);
  }
  hashes.finish();
  check(reader.value("seed") == Json(settings.seed), path, ": seed: wanted the run's ", settings.seed);
  reader.ignore("schedule");  // for people: --steps may have changed it since
  reader.finish();
  checkpoint.model = load_model(folder, parameter_dtype(settings.dtype), compute_type(settings.dtype));
  checkpoint.optimizer = std::make_unique<Optimizer>(checkpoint.model->parameters(), settings.optimizer());
  checkpoint.optimizer->load(path_join(folder, "optimizer.safetensors"));
  return checkpoint;
}

}  // namespace longhaul
