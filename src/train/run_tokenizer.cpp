#include "train/run_tokenizer.h"

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

namespace longhaul {

namespace {

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
  const size_t slash = spec.rfind('/');
  const std::string from = is_folder(spec) ? spec : slash == std::string::npos ? "." : spec.substr(0, slash + 1);
  const bool is_vocab = file_name(spec) == "vocab.json";
  std::vector<std::string> names = {"tokenizer_config.json"};  // may name the end of a text
  if (is_folder(spec)) names.push_back("tokenizer.json");
  if (is_folder(spec) || is_vocab) names.insert(names.end(), {"vocab.json", "merges.txt", "added_tokens.json"});
  for (const std::string& name : names) {
    if (exists(path_join(from, name))) write_file(path_join(folder, name), read_file(path_join(from, name)));
  }
  if (!is_folder(spec) && !is_vocab) write_file(path_join(folder, "tokenizer.json"), read_file(spec));
}

void check_run_tokenizer(const std::string& folder, const std::string& data, const std::string& tokenizer_hash) {
  const std::string path = path_join(folder, "train.json");
  if (!exists(path)) return;
  const std::string hash = read_json(path).value("tokenizer_hash", "");
  check(hash.empty() || tokenizer_hash.empty() || hash == tokenizer_hash, folder, ": was trained on ids of tokenizer ",
        hash, ", those of ", data, " are of ", tokenizer_hash);
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
