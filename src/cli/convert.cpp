// `longhaul convert`: a checkpoint of CABLE's authors -> a run directory, and a run directory -> a state dict for PyTorch.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/files.h"
#include "base/strings.h"
#include "cli/command.h"
#include "data/output_folder.h"
#include "io/torch_file.h"
#include "models/cable_checkpoint.h"
#include "models/models.h"

namespace longhaul {

namespace {

struct ConvertFlags {
  std::string input, output, format = "run", block_size;
  CheckpointHints hints;
};

void print_result(const ConvertFlags& flags, const Json& result, const std::vector<std::string>& lines) {
  if (common_flags().json) {
    std::printf("%s\n", result.dump(2).c_str());
    return;
  }
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  if (!common_flags().dry_run) std::printf("wrote %s\n", flags.output.c_str());
}

int to_run(ConvertFlags& flags) {
  check(!is_folder(flags.input), "convert: ", flags.input,
        " is a folder; --format state_dict writes a run for PyTorch");
  if (!flags.block_size.empty()) flags.hints.block_size = parse_length(flags.block_size, "--block-size");
  check(flags.block_size.empty() || flags.hints.block_size >= 1, "--block-size: wanted at least 1, got 0");
  TorchFile file = TorchFile::open(flags.input);
  CableCheckpoint checkpoint = read_cable_checkpoint(file, flags.hints, flags.input);
  if (!common_flags().dry_run) {
    OutputFolder folder(flags.output);
    write_json(path_join(folder.path(), "config.json"), checkpoint.config);
    write_safetensors(path_join(folder.path(), "model.safetensors"), checkpoint.tensors, {{"format", "pt"}});
    load_model(folder.path());  // every tensor is one that config.json asks for, or this is an error that lists them
    folder.publish();
  }
  print_result(flags, {{"config", checkpoint.config}, {"inferences", checkpoint.inferences}}, checkpoint.inferences);
  return 0;
}

int to_state_dict(const ConvertFlags& flags) {
  check(flags.hints.position.empty() && flags.hints.heads == 0 && flags.block_size.empty(),
        "convert: --pos, --heads and --block-size are for checkpoints; a run directory says them itself");
  auto model = load_model(flags.input);
  std::string weights = path_join(flags.input, "model.safetensors");
  SafetensorsFile file = SafetensorsFile::open(weights);
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : model->parameters().all()) {
    std::vector<std::string> names = {parameter.name};
    for (const auto& [alias, target] : model->parameters().aliases()) {
      if (target == parameter.name) names.push_back(alias);
    }
    const std::string& stored = *std::find_if(names.begin(), names.end(), [&](const auto& n) { return file.has(n); });
    const TensorView& view = file.at(stored);
    for (const std::string& name : names) tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  if (!common_flags().dry_run) write_torch_file(flags.output, tensors);
  print_result(flags, {{"tensors", tensors.size()}}, {str(tensors.size(), " tensors of ", weights)});
  return 0;
}

int convert(ConvertFlags& flags) {
  check(!exists(flags.output), "convert: ", flags.output, " exists already; remove it or name another output");
  return flags.format == "run" ? to_run(flags) : to_state_dict(flags);
}

LH_REGISTER(
    Commands, "convert", "a checkpoint of CABLE's authors -> a run directory, and back to a PyTorch state dict",
    [](CLI::App& app) {
      auto flags = std::make_shared<ConvertFlags>();
      app.add_option("input", flags->input, "a .pt file, or a run directory with --format state_dict")->required();
      app.add_option("output", flags->output, "what to make; must not exist")->required();
      app.add_option("--format", flags->format, "of the output: run (directory) or state_dict (.pt)")
          ->check(CLI::IsMember({"run", "state_dict"}))
          ->capture_default_str();
      app.add_option("--pos", flags->hints.position, "encoding, when the tensors fit several");
      app.add_option("--heads", flags->hints.heads, "attention heads, when the tensors do not tell")
          ->check(CLI::PositiveNumber);
      app.add_option("--block-size", flags->block_size, "trained length, when the tensors do not tell");
      add_dry_run_flag(app);
      return [flags] { return convert(*flags); };
    });

}  // namespace

}  // namespace longhaul
