// `longhaul list`: everything that registered itself, one line each.
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "data/documents.h"
#include "methods/method.h"
#include "models/models.h"
#include "ops/op.h"
#include "pos/encoding.h"
#include "pos/rope_policy.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

template <class Factory>
Json rows_of(const Registry<Factory>& registry) {
  Json rows = Json::array();
  for (const auto& [name, entry] : registry.entries()) rows.push_back({{"name", name}, {"summary", entry.summary}});
  return rows;
}

Json rows_of_methods() {
  Json rows = Json::array();
  for (const auto& [name, summary] : method_summaries()) rows.push_back({{"name", name}, {"summary", summary}});
  return rows;
}

Json rows_of_ops() {
  Json rows = Json::array();
  for (const auto& [name, entry] : Ops().entries()) {
    OpPaths paths = entry.make();
    rows.push_back({{"name", name}, {"summary", entry.summary}, {"cpu", paths.cpu}, {"gpu", paths.gpu}});
  }
  return rows;
}

// "  rope    rotary embedding: ..."
std::string line_of(const Json& row, size_t width) {
  std::string name = row["name"], line = "  " + name + std::string(width - name.size() + 2, ' ');
  line += row["summary"].get<std::string>();
  if (row.contains("cpu"))
    line += str(". CPU: ", row["cpu"].get<std::string>(), ". GPU: ", row["gpu"].get<std::string>());
  return line;
}

Json everything() {
  return {{"models", rows_of(ModelFamilies())},     {"checkpoints", rows_of(HubFamilies())},
          {"encodings", rows_of(Encodings())},      {"ropes", rows_of(RopeTypes())},
          {"methods", rows_of_methods()},           {"tokenizers", rows_of(Tokenizers())},
          {"chat-formats", rows_of(ChatFormats())}, {"ops", rows_of_ops()},
          {"corpora", rows_of(DocumentFormats())},  {"commands", rows_of(Commands())}};
}

int list(const std::string& what) {
  Json all = everything();
  std::vector<std::string> kinds;
  for (const auto& [kind, rows] : all.items()) kinds.push_back(kind);
  check(what == "all" || all.contains(what), "list: wanted all, ", join(kinds, ", "), ", found '", what, "'",
        did_you_mean(what, kinds));
  Json chosen = what == "all" ? all : Json{{what, all[what]}};
  if (common_flags().json) {
    std::printf("%s\n", chosen.dump(2).c_str());
    return 0;
  }
  for (const auto& [kind, rows] : chosen.items()) {
    if (what == "all") std::printf("%s\n", kind.c_str());
    size_t width = 0;
    for (const Json& row : rows) width = std::max(width, row["name"].get<std::string>().size());
    for (const Json& row : rows) std::printf("%s\n", line_of(row, width).c_str());
  }
  return 0;
}

}  // namespace

LH_REGISTER(
    Commands, "list", "everything there is: models, encodings, tokenizers, corpora, ops, commands", [](CLI::App& app) {
      auto what = std::make_shared<std::string>("all");
      app.add_option(
          "what", *what,
          "all, models, checkpoints, encodings, ropes, methods, tokenizers, chat-formats, corpora, ops or commands");
      return [what] { return list(*what); };
    });

}  // namespace longhaul
