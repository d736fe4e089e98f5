#include "train/run_tokenizer.h"

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

namespace longhaul {

void keep_tokenizer(const std::string& spec, const std::string& folder) {
  if (spec.empty() || Tokenizers().has(spec.substr(0, spec.find(':')))) return;
  if (!exists(spec)) {
    log_warning("the tokenizer ", spec, " is not there any more: `longhaul generate` will need --tokenizer");
    return;
  }
  for (const NamedFile& file : tokenizer_files(spec)) write_file(path_join(folder, file.name), read_file(file.path));
}

void check_run_tokenizer(const std::string& folder, const std::string& data, const std::string& tokenizer_hash) {
  const std::string path = path_join(folder, "train.json");
  if (!exists(path)) {
    // Of a model from elsewhere: tokenizers that differ in special tokens alone make the same ids of plain text.
    const bool other =
        !tokenizer_hash.empty() && !tokenizer_files(folder).empty() && make_tokenizer(folder)->hash() != tokenizer_hash;
    if (other)
      log_warning(folder, ": ", data,
                  " was packed with another tokenizer: figures mean something only if both make the ", "same ids");
    return;
  }
  const std::string hash = read_json(path).value("tokenizer_hash", "");
  check(hash.empty() || tokenizer_hash.empty() || hash == tokenizer_hash, folder, ": was trained on ids of tokenizer ",
        hash, ", those of ", data, " are of ", tokenizer_hash);
}

std::unique_ptr<Tokenizer> run_tokenizer(const std::string& folder) {
  const std::string path = path_join(folder, "train.json");
  std::string spec = !tokenizer_files(folder).empty() ? folder : "", hash;
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
