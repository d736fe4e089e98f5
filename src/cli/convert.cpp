// `longhaul convert`: a model directory -> one with a single file of weights under Hugging Face's names; a checkpoint
// of CABLE's authors -> a run directory; a run directory -> a state dict for PyTorch.
#include "cli/convert.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/token_flag.h"
#include "data/output_folder.h"
#include "io/hub_folder.h"
#include "io/torch_file.h"
#include "models/cable_checkpoint.h"
#include "models/models.h"
#include "train/stop_signal.h"

namespace longhaul {

namespace {

struct ConvertFlags {
  std::string input, output, format = "run", block_size;
  CheckpointHints hints;
  const CLI::Option* dtype = nullptr;
};

DType stored_dtype(const std::string& dtype) {
  return dtype == "bf16" ? DType::bf16 : dtype == "f64" ? DType::f64 : DType::f32;
}

void print_result(const ConvertFlags& flags, const Json& result, const std::vector<std::string>& lines) {
  if (common_flags().json) {
    std::printf("%s\n", result.dump(2).c_str());
    return;
  }
  for (const std::string& line : lines) print_text(line + "\n");  // names of tensors in them
  if (!common_flags().dry_run) std::printf("wrote %s\n", flags.output.c_str());
}

void check_no_hints(const ConvertFlags& flags, const char* what) {
  check(flags.hints.position.empty() && flags.hints.heads == 0 && flags.block_size.empty(),
        "convert: --pos, --heads and --block-size are for checkpoints of CABLE's authors; ", what, " says them itself");
}

constexpr const char* kNothing = "nothing was written";

int to_run(ConvertFlags& flags) {
  const StopSignals signals;
  if (!flags.block_size.empty()) flags.hints.block_size = parse_tokens(flags.block_size, "--block-size");
  TorchFile file = TorchFile::open(flags.input);
  CableCheckpoint checkpoint = read_cable_checkpoint(file, flags.hints, flags.input);
  if (!common_flags().dry_run) {
    OutputFolder folder(flags.output);
    write_json(path_join(folder.path(), "config.json"), checkpoint.config);
    write_safetensors(path_join(folder.path(), "model.safetensors"), checkpoint.tensors, {{"format", "pt"}});
    load_model(folder.path());  // every tensor is one that config.json asks for, or this is an error that lists them
    signals.stop_if_received(kNothing);
    folder.publish();
  }
  print_result(flags, {{"config", checkpoint.config}, {"inferences", checkpoint.inferences}}, checkpoint.inferences);
  return 0;
}

int to_state_dict(const ConvertFlags& flags) {
  check_no_hints(flags, "a run directory");
  auto model = load_model(flags.input);
  std::string weights = path_join(flags.input, "model.safetensors");
  SafetensorsFile file = SafetensorsFile::open(weights);
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : model->parameters().all()) {
    std::vector<std::string> names = {parameter.name};
    for (const auto& [alias, target] : model->parameters().aliases()) {
      if (target == parameter.name) names.push_back(alias);
    }
    const auto stored = std::find_if(names.begin(), names.end(), [&](const auto& n) { return file.has(n); });
    check(stored != names.end(), "convert: --format state_dict is for run directories; ", weights, " has no ",
          parameter.name);
    const TensorView& view = file.at(*stored);
    for (const std::string& name : names) tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  if (!common_flags().dry_run) {
    const StopSignals signals;
    write_torch_file(flags.output, tensors);
    if (!signals.received().empty()) {
      std::filesystem::remove(flags.output);
      signals.stop(kNothing);
    }
  }
  print_result(flags, {{"tensors", tensors.size()}}, {str(tensors.size(), " tensors of ", weights)});
  return 0;
}

int to_folder(const ConvertFlags& flags, const std::string& folder) {
  check_no_hints(flags, "a model directory");
  std::optional<DType> dtype;
  if (flags.dtype->count() > 0) dtype = stored_dtype(common_flags().dtype);
  const StopSignals signals;
  const Conversion made =
      convert_folder(folder, flags.output, dtype, common_flags().dry_run, [&] { signals.stop_if_received(kNothing); });
  print_result(flags, made.result, made.lines);
  return 0;
}

int convert(ConvertFlags& flags) {
  check(!exists(flags.output), "convert: ", flags.output, " exists already; remove it or name another output");
  const bool is_file = flags.input.ends_with(".pt") || (exists(flags.input) && !is_folder(flags.input));
  if (flags.format == "run" && !is_file) return to_folder(flags, model_folder(flags.input));
  check(flags.dtype->count() == 0, "convert: --dtype is for model directories; the tensors of ", flags.input,
        " keep the dtype that they have");
  return flags.format == "run" ? to_run(flags) : to_state_dict(flags);
}

LH_REGISTER(Commands, "convert", "a model directory in another dtype, or in one file; checkpoints of CABLE's authors",
            [](CLI::App& app) {
              auto flags = std::make_shared<ConvertFlags>();
              app.add_option("input", flags->input, "a model directory, or a .pt file")->required()->check(not_empty());
              add_dtype_flag(app);
              add_dry_run_flag(app);
              flags->dtype = app.get_option("--dtype");
              app.add_option("output", flags->output, "what to make; must not exist")->required()->check(not_empty());
              app.add_option("--format", flags->format, "of the output: run (directory) or state_dict (.pt)")
                  ->check(CLI::IsMember({"run", "state_dict"}))
                  ->capture_default_str();
              app.add_option("--pos", flags->hints.position, "encoding, when the tensors fit several");
              app.add_option("--heads", flags->hints.heads, "attention heads, when the tensors do not tell")
                  ->check(CLI::PositiveNumber);
              app.add_option("--block-size", flags->block_size, "trained length, when the tensors do not tell");
              return [flags] { return convert(*flags); };
            });

}  // namespace

}  // namespace longhaul
