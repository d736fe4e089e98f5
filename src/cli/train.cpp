// `longhaul train`: a new run, one that goes on, or a plan of one (--dry-run).
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "base/files.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "train/cost.h"
#include "train/stop_signal.h"
#include "train/trainer.h"

namespace longhaul {

namespace {

struct TrainFlags {
  TrainSettings settings;
  std::string out, resume;
  CLI::App* app = nullptr;
  std::map<std::string, const CLI::Option*> given;  // setting key -> its flag, for what decides a run
};

// "seq_len" -> "--seq-len"
std::string flag_of(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

template <class Value>
void add(TrainFlags& flags, const std::string& key, Value& value, const std::string& help) {
  flags.given[key] = flags.app->add_option(flag_of(key), value, help)->capture_default_str();
}

void add_length(TrainFlags& flags, const std::string& key, int64_t& value, const std::string& help) {
  std::string flag = flag_of(key);
  auto parse = [&value, flag](const std::string& text) {
    value = parse_length(text, flag);
    check(value >= 1, flag, ": wanted at least 1, got 0");  // 0 is how the settings say that nobody said
  };
  flags.given[key] =
      flags.app->add_option_function<std::string>(flag, parse, help)->default_str(value ? format_length(value) : "");
}

void add_model_flags(TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add(flags, "arch", s.arch, "model to make, for example gpt:tiny or gpt:layers=4,width=128,heads=4");
  add(flags, "pos", s.pos, "its positional encoding (see `longhaul list encodings`)");
  add(flags, "init_from", s.init_from, "model directory to fine-tune, instead of --arch and --pos");
  add_overrides(*flags.app, s.hf_overrides);
  flags.given["hf_overrides"] = flags.app->get_option("--hf-overrides");
  add_length(flags, "vocab", s.vocab, "size of the vocabulary (default: the data's)");
  flags.given["recompute"] = flags.app->add_flag("--recompute", s.recompute,
                                                 "run layers again in backward instead of keeping their activations");
  flags.given["seed"] = flags.app->get_option("--seed");
  flags.given["dtype"] = flags.app->get_option("--dtype");
}

void add_data_flags(TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add(flags, "data", s.data, "folder made by `longhaul data pack`, or of bare .npy or .bin shards");
  add(flags, "tokenizer", s.tokenizer, "of bare shards, which do not say it (default: GPT-2's or Llama 3's ids)");
  add(flags, "order", s.order, "how the data is read: sequential or shuffled");
  add_length(flags, "seq_len", s.seq_len, "tokens of a window");
  flags.given["reset_at_documents"] =
      flags.app->add_flag("--reset-at-documents", s.reset_at_documents,
                          "attention, sums and positions begin anew at each document (intra-document masking)");
  add(flags, "batch", s.batch, "windows of one forward pass");
  add_length(flags, "total_batch_tokens", s.total_batch_tokens, "tokens of one step, a multiple of batch x seq-len");
  add_length(flags, "steps", s.steps, "optimizer steps (default: 19,073; with --resume: extends the run)");
  add(flags, "epochs", s.epochs, "instead of --steps: times that the data is read");
}

void add_optimizer_flags(TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add(flags, "lr", s.lr, "largest learning rate");
  flags.given["min_lr"] = flags.app->add_option("--min-lr", s.min_lr, "smallest, at the end (default: a tenth of --lr)")
                              ->check(CLI::NonNegativeNumber);
  add(flags, "warmup", s.warmup, "steps of linear warm-up");
  add(flags, "weight_decay", s.weight_decay, "decay of tensors of rank 2 and more");
  add(flags, "beta1", s.beta1, "AdamW's decay of the first moments");
  add(flags, "beta2", s.beta2, "AdamW's decay of the second moments");
  add(flags, "eps", s.eps, "AdamW's epsilon");
  add(flags, "clip", s.clip, "largest global gradient norm; 0: no clipping");
}

void add_watching_flags(TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add(flags, "val_every", s.val_every, "steps between validations; 0: none");
  add_length(flags, "val_tokens", s.val_tokens,
             "tokens scored by a validation (default: 163,840 or what the split has)");
  auto lengths = [&s](const std::vector<std::string>& parts) {
    s.eval_lengths = parse_lengths(join(parts, ","), "--eval-lengths");
  };
  flags.given["eval_lengths"] = flags.app
                                    ->add_option_function<std::vector<std::string>>(
                                        "--eval-lengths", lengths, "perplexity at these lengths while training")
                                    ->delimiter(',');
  add(flags, "save_every", s.save_every, "steps between checkpoints");
  add(flags, "keep", s.keep, "newest checkpoints kept; 0: all");
  add(flags, "log_every", s.log_every, "steps between printed lines");
  flags.given["tensorboard"] =
      flags.app->add_flag("--tensorboard", s.tensorboard, "event files for TensorBoard in the run folder");
}

// Flags that say something else than the run's own settings, but those that may (ResumeChanges).
void check_no_contradiction(const TrainFlags& flags, const std::string& folder) {
  std::string path = path_join(folder, "train.json");
  check(exists(path), folder, ": not a training run (it has no train.json)");
  Json stored = TrainSettings::from_json(read_json(path), path).json(), asked = flags.settings.json();
  std::vector<std::string> wrong;
  for (const auto& [key, option] : flags.given) {
    const bool may_change = key == "steps" || key == "data" || key == "tensorboard";
    if (option->count() == 0 || may_change || asked.at(key) == stored.at(key)) continue;
    wrong.push_back(str(flag_of(key), " ", asked.at(key).dump(), " (the run has ", stored.at(key).dump(), ")"));
  }
  check(wrong.empty(), "--resume ", folder, ": contradicted by ", join(wrong, ", "));
  check(flags.out.empty() || flags.out == folder, "--resume ", folder, ": contradicted by --out ", flags.out);
}

void check_new_run(const TrainFlags& flags) {
  const TrainSettings& s = flags.settings;
  auto given = [&](const char* key) { return flags.given.at(key)->count() > 0; };
  check(!s.data.empty(), "train: --data is needed (a folder made by `longhaul data pack`, or of bare shards)");
  check(!flags.out.empty() || common_flags().dry_run, "train: --out is needed (the run's folder)");
  check(!given("steps") || !given("epochs"), "train: --steps and --epochs exclude each other");
  check(!given("epochs") || s.epochs >= 1, "--epochs: wanted at least 1, got ", s.epochs);
  check(given("init_from") || !given("hf_overrides"),
        "train: --hf-overrides change the model of --init-from; give both");
  check(!given("init_from") || (!given("arch") && !given("pos")), "train: --init-from brings its own --arch and --pos");
}

void print_plan(const TrainSettings& settings, const Dataset& dataset, const Model& model) {
  Json plan = plan_json(model, settings, dataset);
  if (common_flags().json) {
    std::printf("%s\n", plan.dump().c_str());
    return;
  }
  const Json& memory = plan["memory_bytes"];
  auto bytes = [&](const char* part) { return human_bytes(memory[part].get<double>()); };
  double rate = measure_gemm_rate(parameter_dtype(settings.dtype)), flop = plan["flop_per_step"].get<double>();
  std::printf("model    %s, %s: %s parameters\n", model.info().label.c_str(), model.info().position.c_str(),
              with_commas(model.parameters().count()).c_str());
  std::printf("data     %s: %s training tokens\n", settings.data.c_str(),
              with_commas(plan["train_tokens"].get<int64_t>()).c_str());
  std::printf("step     %s tokens = %s passes of %s x %s\n", with_commas(settings.total_batch_tokens).c_str(),
              with_commas(settings.accumulation()).c_str(), with_commas(settings.batch).c_str(),
              with_commas(settings.seq_len).c_str());
  std::printf("run      %s steps = %.2f epochs, validation on %s tokens\n", with_commas(settings.steps).c_str(),
              plan["epochs"].get<double>(), with_commas(settings.val_tokens).c_str());
  std::printf("memory   %s = weights %s + gradients %s + moments %s + activations %s (estimate)\n",
              bytes("total").c_str(), bytes("weights").c_str(), bytes("gradients").c_str(), bytes("moments").c_str(),
              bytes("activations").c_str());
  std::printf("work     %.3g TFLOP a step: at least %s each, %s in all, at the measured GEMM rate of %.1f GFLOP/s\n",
              flop * 1e-12, human_duration(flop / rate).c_str(),
              human_duration(flop / rate * static_cast<double>(settings.steps)).c_str(), rate * 1e-9);
}

int plan_run(TrainSettings settings) {
  Dataset dataset = Dataset::open(settings.data, settings.tokenizer);
  settings.resolve(dataset);
  print_plan(settings, dataset, *make_model(settings));
  return 0;
}

int train_on(Trainer& trainer, const StopSignals& signals) {
  const std::string& folder = trainer.folder().path();
  TrainOutcome outcome = trainer.run([&](int64_t) { return signals.received(); });
  if (!outcome.stopped_by.empty()) {
    log_info(outcome.stopped_by, ": step ", outcome.step, " of ", trainer.settings().steps,
             " is saved; go on with `longhaul train --resume ", folder, "`");
    return 0;
  }
  log_info("all ", trainer.settings().steps, " steps are done; the model is ", folder, " (more: --resume ", folder,
           " --steps N)");
  return 0;
}

RunContext run_context() {
  RunContext context;
  context.threads = common_flags().threads;
  context.command = command_line();
  context.json = common_flags().json;
  return context;
}

int run_train(TrainFlags& flags) {
  StopSignals signals;  // from here on, so that a warning during start-up is not lost
  TrainSettings& settings = flags.settings;
  settings.seed = common_flags().seed;
  settings.dtype = common_flags().dtype;
  // Absolute: the run can then go on from any working directory.
  for (std::string* path : {&settings.data, &settings.init_from, &settings.tokenizer}) {
    bool is_path = path != &settings.tokenizer || exists(*path);  // a tokenizer may also be a name
    if (!path->empty() && is_path) *path = std::filesystem::absolute(*path).lexically_normal().string();
  }
  if (flags.resume.empty()) {
    check_new_run(flags);
    if (!settings.init_from.empty()) settings.arch = settings.pos = "";
    if (common_flags().dry_run) return plan_run(settings);
    return train_on(*Trainer::start(settings, flags.out, run_context()), signals);
  }
  check_no_contradiction(flags, flags.resume);
  ResumeChanges changes;
  changes.steps = flags.given.at("steps")->count() ? settings.steps : 0;
  changes.data = settings.data;
  changes.tensorboard = settings.tensorboard;
  if (common_flags().dry_run) {
    std::string path = path_join(flags.resume, "train.json");
    return plan_run(changed_settings(TrainSettings::from_json(read_json(path), path), changes));
  }
  return train_on(*Trainer::resume(flags.resume, changes, run_context()), signals);
}

std::function<int()> set_up(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  flags->app = &app;
  add_device_flag(app);
  add_dtype_flag(app);
  add_seed_flag(app);
  add_dry_run_flag(app);
  add_model_flags(*flags);
  add_data_flags(*flags);
  add_optimizer_flags(*flags);
  add_watching_flags(*flags);
  app.add_option("--out", flags->out, "folder of the new run: missing or empty");
  app.add_option("--resume", flags->resume, "folder of a run to go on with, exactly where it stopped");
  return [flags] { return run_train(*flags); };
}

}  // namespace

LH_REGISTER(Commands, "train",
            "trains a model from scratch, fine-tunes one (--init-from), or goes on with a run (--resume)", set_up);

}  // namespace longhaul
