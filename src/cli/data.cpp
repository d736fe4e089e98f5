// `longhaul data`: tokenise text into packed data sets, look at them, export them.
#include <cstdio>
#include <memory>

#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "data/pack.h"
#include "data/shards.h"
#include "data/token_files.h"
#include "train/stop_signal.h"

namespace longhaul {

namespace {

struct DataFlags {
  PackOptions pack;
  ExportOptions exported;
  std::string min_bytes = "1", shard_tokens = "100M";  // lengths, as typed
  std::string folder, tokenizer;
  bool verify = false;
};

void print_json(const Json& json) {
  // Paths need not be UTF-8, JSON must be.
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

// Figures, then the name: paths are long.
void print_row(const std::vector<std::string>& cells, const std::string& name) {
  for (const std::string& cell : cells) std::printf("%15s ", cell.c_str());
  std::printf(" %s\n", name.c_str());
}

// {"too_small": 3, "blank_lines": 0} -> "3 too small, 0 blank lines"
std::string describe_left_out(const Json& counts, const std::string& where) {
  JsonReader reader(counts, where);
  std::string list;
  for (const auto& [reason, count] : counts.items()) {
    std::string words = reason;
    for (char& c : words) c = c == '_' ? ' ' : c;
    list += str(list.empty() ? "" : ", ", with_commas(reader.integer(reason, 0)), " ", words);
  }
  return list;
}

void print_sources(const Json& manifest, const std::string& where) {
  JsonReader reader(manifest, where);
  print_row({"tokens", "documents", "text bytes", "files"}, "source");
  for (const Json& entry : reader.value("sources")) {
    JsonReader source(entry, where + ": sources");
    std::vector<std::string> cells;
    for (const char* key : {"tokens", "documents", "bytes", "files"})
      cells.push_back(with_commas(source.integer(key, 0)));
    print_row(cells, source.string("input"));
  }
  std::printf("left out: %s\n", describe_left_out(reader.value("skipped"), where + ": skipped").c_str());
}

void print_dataset(const Dataset& dataset) {
  if (common_flags().json) return print_json(dataset.manifest());
  bool is_named = !dataset.tokenizer().empty();
  std::printf("%s: tokenizer %s, vocabulary %s, hash %s\n", dataset.folder().c_str(),
              is_named ? dataset.tokenizer().c_str() : "not named", with_commas(dataset.vocab_size()).c_str(),
              dataset.hash().c_str());
  print_row({"tokens", "documents", "text bytes", "shards"}, "split");
  for (const TokenSplit& split : dataset.splits()) {
    print_row({with_commas(split.tokens()), with_commas(split.documents()),
               split.bytes() < 0 ? "unknown" : with_commas(split.bytes()),
               with_commas(static_cast<int64_t>(split.shard_starts().size()) - 1)},
              split.name());
  }
  if (dataset.manifest().contains("sources")) print_sources(dataset.manifest(), dataset.folder() + "/manifest.json");
}

std::string split_of_file(const SourceFile& file, int64_t val_every) {
  return file.format->one_document ? split_of(file.name, val_every) : "each";
}

void print_plan(const PackOptions& options) {
  PackPlan plan = plan_pack(options);
  if (common_flags().json) {
    Json files = Json::array();
    for (const SourceFile& file : plan.files) {
      files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"split", split_of_file(file, options.val_every)}});
    }
    return print_json({{"files", files}, {"bytes", plan.bytes}, {"skipped", plan.left_out()}});
  }
  for (const SourceFile& file : plan.files) {
    std::printf("%-8s %15s  %s\n", split_of_file(file, options.val_every).c_str(), with_commas(file.bytes).c_str(),
                file.path.c_str());
  }
  std::printf("would read %s files, %s; left out: %s\n", with_commas(static_cast<int64_t>(plan.files.size())).c_str(),
              human_bytes(static_cast<double>(plan.bytes)).c_str(),
              describe_left_out(plan.left_out(), "data pack").c_str());
}

int run_pack(DataFlags& flags) {
  PackOptions& options = flags.pack;
  options.min_bytes = parse_length(flags.min_bytes, "--min-bytes");
  options.shard_tokens = parse_length(flags.shard_tokens, "--shard-tokens");
  options.threads = common_flags().threads;
  check_pack_options(options);
  if (common_flags().dry_run) {
    print_plan(options);
    return 0;
  }
  StopSignals signals;
  options.before_each = [&] { signals.stop_if_received("nothing was written"); };
  pack(options);
  print_dataset(Dataset::open(options.output));
  return 0;
}

int run_info(const DataFlags& flags) {
  Dataset dataset = Dataset::open(flags.folder, flags.tokenizer);
  if (flags.verify) dataset.verify();
  print_dataset(dataset);
  return 0;
}

int run_export(DataFlags& flags) {
  ExportOptions& options = flags.exported;
  options.shard_tokens = parse_length(flags.shard_tokens, "--shard-tokens");
  options.data = flags.folder;
  options.tokenizer = flags.tokenizer;
  const StopSignals signals;
  options.before_each = [&] { signals.stop_if_received("nothing was written"); };
  std::vector<std::string> files = export_tokens(options);
  if (common_flags().json) {
    print_json(Json{{"format", options.format}, {"files", files}});
  } else {
    for (const std::string& file : files) std::printf("%s\n", path_join(options.output, file).c_str());
  }
  return 0;
}

CLI::App* add_pack(CLI::App& app, DataFlags& flags) {
  CLI::App* pack = app.add_subcommand("pack", "text files, trees, JSONL, Parquet -> a packed data set")->fallthrough();
  PackOptions& options = flags.pack;
  add_dry_run_flag(*pack);
  pack->add_option("inputs", options.inputs,
                   "files or folders of text, .jsonl and .parquet, also .gz: see `longhaul list corpora`")
      ->required();
  pack->add_option("--out", options.output, "folder to make; must not exist")->required();
  pack->add_option("--tokenizer", options.tokenizer, "bytes, a tokenizer.json or .model, or a folder that holds one")
      ->capture_default_str();
  pack->add_option("--field", options.field, "field of a record (JSONL, Parquet) that holds the text")
      ->capture_default_str();
  pack->add_option("--ext", options.extensions, "read only files that end so: .h,.cpp")
      ->delimiter(',')
      ->allow_extra_args(false);
  pack->add_option("--exclude", options.exclude,
                   "leave out files whose path below their input contains this; repeatable")
      ->allow_extra_args(false);
  pack->add_option("--min-bytes", flags.min_bytes, "leave out shorter documents")->capture_default_str();
  pack->add_option("--shard-tokens", flags.shard_tokens, "tokens of a shard")->capture_default_str();
  pack->add_option("--val-every", options.val_every,
                   "one document in so many goes to val, by the hash of its name; 0: none")
      ->capture_default_str();
  return pack;
}

void add_dataset(CLI::App& app, DataFlags& flags) {
  app.add_option("folder", flags.folder, "a packed data set, or a folder of bare .npy or .bin shards")->required();
  app.add_option("--tokenizer", flags.tokenizer,
                 "of bare shards, which do not say it (default: GPT-2's or Llama 3's ids)");
}

CLI::App* add_info(CLI::App& app, DataFlags& flags) {
  CLI::App* info = app.add_subcommand("info", "what a data set holds")->fallthrough();
  add_dataset(*info, flags);
  info->add_flag("--verify", flags.verify, "read every token and compare the contents with the manifest's hash");
  return info;
}

CLI::App* add_export(CLI::App& app, DataFlags& flags) {
  CLI::App* out = app.add_subcommand("export", "a data set -> bare shards that other programs read")->fallthrough();
  add_dataset(*out, flags);
  out->add_option("--format", flags.exported.format, join(TokenFormats().names(), ", "))->required();
  out->add_option("--out", flags.exported.output, "folder to make; must not exist")->required();
  out->add_option("--shard-tokens", flags.shard_tokens, "tokens of a shard")->capture_default_str();
  return out;
}

LH_REGISTER(Commands, "data", "tokenise text into packed data sets, look at them, export them", [](CLI::App& app) {
  auto flags = std::make_shared<DataFlags>();
  app.require_subcommand(1);
  CLI::App* pack = add_pack(app, *flags);
  CLI::App* out = add_export(app, *flags);
  add_info(app, *flags);
  return [flags, pack, out] {
    return pack->parsed() ? run_pack(*flags) : out->parsed() ? run_export(*flags) : run_info(*flags);
  };
});

}  // namespace

}  // namespace longhaul
