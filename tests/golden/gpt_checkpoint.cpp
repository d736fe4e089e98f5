// The way of `longhaul convert`: a fixture's weights as Cable's authors would have saved them -> a run directory -> a
// model.
#include "base/error.h"
#include "base/files.h"
#include "base/spec.h"
#include "golden/gpt_fixture.h"
#include "io/torch_file.h"
#include "models/cable_checkpoint.h"
#include "support.h"

namespace longhaul::golden {

namespace {

// The state dict, with the output head stored beside the embedding that it is tied to.
void write_checkpoint(const std::string& path, const Fixture& fixture) {
  const std::string prefix = "param.", embedding = "transformer.wte.weight";
  std::vector<NamedTensor> tensors;
  for (const std::string& name : fixture.tensors.names()) {
    if (!name.starts_with(prefix)) continue;
    const TensorView& view = fixture.tensors.at(name);
    tensors.push_back({name.substr(prefix.size()), view.dtype, view.shape, view.bytes});
    if (name == prefix + embedding) tensors.push_back({"lm_head.weight", view.dtype, view.shape, view.bytes});
  }
  write_torch_file(path, tensors);
}

// Without naming the encoding where the tensors tell it.
CableCheckpoint read_checkpoint(const TorchFile& file, const GptFixtureConfig& config, Report& report) {
  CheckpointHints hints{"", config.heads, config.block_size};
  const std::string position = Spec::parse(config.position).text();
  try {
    CableCheckpoint checkpoint = read_cable_checkpoint(file, hints, "checkpoint");
    report.equal("the encoding that the tensors tell",
                 Spec::parse(checkpoint.config.at("position").get<std::string>()).text(), position);
    return checkpoint;
  } catch (const Error& error) {
    if (!contains(error.what(), "say which with --pos")) throw;
  }
  hints.position = position;
  return read_cable_checkpoint(file, hints, "checkpoint");
}

}  // namespace

bool is_authors(const Fixture& fixture) {
  const std::string family = fixture.info.value("family", "");
  return family == "r1" || family == "r2";
}

std::unique_ptr<Model> converted_fixture_model(const Fixture& fixture, const GptFixtureConfig& config, Report& report) {
  TemporaryFolder folder;
  write_checkpoint(folder / "checkpoint.pt", fixture);
  const TorchFile file = TorchFile::open(folder / "checkpoint.pt");
  const CableCheckpoint checkpoint = read_checkpoint(file, config, report);
  write_json(folder / "config.json", checkpoint.config);
  write_safetensors(folder / "model.safetensors", checkpoint.tensors);
  return load_model(folder.path());
}

}  // namespace longhaul::golden
