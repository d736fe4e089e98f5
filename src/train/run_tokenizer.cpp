#include "train/run_tokenizer.h"

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

namespace longhaul {

namespace {

constexpr const char* kFiles[] = {"tokenizer.json", "vocab.json", "merges.txt"};

bool holds_tokenizer(const std::string& folder) {
  return exists(path_join(folder, "tokenizer.json")) || exists(path_join(folder, "merges.txt"));
}

}  // namespace

void keep_tokenizer(const std::string& spec, const std::string& folder) {
  if (spec.empty() || Tokenizers().has(spec.substr(0, spec.find(':')))) return;
  if (!exists(spec)) {
    log_warning("the tokenizer ", spec, " is not there any more: `longhaul generate` will need --tokenizer");
    return;
  }
  if (!is_folder(spec)) return write_file(path_join(folder, "tokenizer.json"), read_file(spec));
  for (const char* name : kFiles) {
    const std::string from = path_join(spec, name);
    if (exists(from)) write_file(path_join(folder, name), read_file(from));
  }
}

std::unique_ptr<Tokenizer> run_tokenizer(const std::string& folder) {
  const std::string path = path_join(folder, "train.json");
  std::string spec = holds_tokenizer(folder) ? folder : "", hash;
  if (exists(path)) {
    const Json settings = read_json(path);
    if (spec.empty()) spec = settings.value("tokenizer", "");
    hash = settings.value("tokenizer_hash", "");
  }
  check(!spec.empty(), folder,
        ": does not say its tokenizer (no tokenizer.json beside the weights, none in train.json); ",
        "name it with --tokenizer");
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(spec);
  check(hash.empty() || tokenizer->hash() == hash, spec, ": not the tokenizer of the data that ", folder,
        " was trained on (", tokenizer->hash(), ", wanted ", hash, ")");
  return tokenizer;
}

}  // namespace longhaul
