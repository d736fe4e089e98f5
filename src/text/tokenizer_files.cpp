// Which file a tokenizer is in, and what kind of file that is.
#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "text/pipeline_tokenizer.h"
#include "text/rwkv_world.h"
#include "text/sentence_piece.h"

namespace longhaul {

namespace {

using Make = std::unique_ptr<Tokenizer> (*)(const std::string& path, const std::string& spec);

struct FileKind {
  const char* name;  // as which it is found in a folder, and kept
  bool (*is_one)(const std::string& name);
  Make make;
  bool reads_added = false;     // added_tokens.json and special_tokens_map.json beside it
  const char* needs = nullptr;  // another file beside it
};

std::unique_ptr<Tokenizer> make_from_json(const std::string& path, const std::string& spec) {
  TokenizerConfig config = read_tokenizer_config(folder_of(path));
  return std::make_unique<PipelineTokenizer>(parse_tokenizer_json(read_file(path), path, config), spec);
}

std::unique_ptr<Tokenizer> make_from_sentence_piece(const std::string& path, const std::string& spec) {
  std::string bytes = read_file(path);
  TokenizerConfig config = read_tokenizer_config(folder_of(path));
  SentencePieceModel model = parse_sentence_piece_model(bytes, path);
  auto added = tokens_behind(static_cast<int64_t>(model.pieces.size()), folder_of(path), config);
  return make_sentence_piece(std::move(model), config, std::move(added), hash_hex(bytes), path, spec);
}

std::unique_ptr<Tokenizer> make_from_tekken(const std::string& path, const std::string& spec) {
  return std::make_unique<PipelineTokenizer>(parse_tekken_json(read_file(path), path), spec);
}

std::unique_ptr<Tokenizer> make_from_rwkv_world(const std::string& path, const std::string& spec) {
  return parse_rwkv_world(read_file(path), path, spec);
}

std::unique_ptr<Tokenizer> make_from_gpt2(const std::string& path, const std::string& spec) {
  return std::make_unique<PipelineTokenizer>(read_gpt2_files(path, read_tokenizer_config(folder_of(path))), spec);
}

bool is_vocab(const std::string& name) { return name == "vocab.json"; }
bool is_tekken(const std::string& name) { return name.starts_with("tekken") && name.ends_with(".json"); }
bool is_json(const std::string& name) { return name.ends_with(".json") && !is_vocab(name) && !is_tekken(name); }
bool is_sentence_piece(const std::string& name) {
  return name.find(".model") != std::string::npos;
}  // tokenizer.model.v3
bool is_rwkv_world(const std::string& name) { return name.starts_with("rwkv_vocab") && name.ends_with(".txt"); }

// In the order in which a folder is searched.
const FileKind kKinds[] = {{"tokenizer.json", is_json, make_from_json},
                           {"tokenizer.model", is_sentence_piece, make_from_sentence_piece, true},
                           {"tekken.json", is_tekken, make_from_tekken},
                           {"rwkv_vocab.txt", is_rwkv_world, make_from_rwkv_world},
                           {"vocab.json", is_vocab, make_from_gpt2, true, "merges.txt"}};

constexpr const char* kWanted =
    ": wanted a tokenizer.json, tokenizer.model, tekken.json, rwkv_vocab*.txt, or a vocab.json with merges.txt, found "
    "none";

// The file of this kind in a folder, "" when there is none: by its name, or, as the RWKV vocabulary has a date in its,
// the first that is one.
std::string file_in(const std::string& folder, const FileKind& kind) {
  std::string path = path_join(folder, kind.name);
  if (exists(path)) return kind.needs && !exists(path_join(folder, kind.needs)) ? "" : path;
  if (kind.is_one != is_rwkv_world) return "";
  std::vector<std::string> names;
  std::error_code unreadable;  // a folder that cannot be listed holds none
  for (const auto& entry : std::filesystem::directory_iterator(folder, unreadable)) {
    std::string name = entry.path().filename().string();
    if (kind.is_one(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "" : path_join(folder, names.front());
}

struct Found {
  std::string path;
  const FileKind* kind = nullptr;  // null: none
};

Found find_file(const std::string& path) {
  for (const FileKind& kind : kKinds) {
    if (is_folder(path)) {
      if (std::string file = file_in(path, kind); !file.empty()) return {file, &kind};
    } else if (kind.is_one(file_name(path))) {
      bool whole = !kind.needs || exists(path_join(folder_of(path), kind.needs));
      if (whole) return {path, &kind};
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer_of_file(const std::string& path) {
  Found found = find_file(path);
  check(found.kind, path, kWanted);
  return found.kind->make(found.path, path);
}

std::vector<NamedFile> tokenizer_files(const std::string& path) {
  Found found = find_file(path);
  if (!found.kind) return {};
  std::vector<NamedFile> files = {{found.path, found.kind->name}};
  std::vector<std::string> names = {"tokenizer_config.json"};
  if (found.kind->reads_added) names.insert(names.end(), {"added_tokens.json", "special_tokens_map.json"});
  if (found.kind->needs) names.push_back(found.kind->needs);
  for (const std::string& name : names) {
    std::string beside = path_join(folder_of(found.path), name);
    if (exists(beside)) files.push_back({beside, name});
  }
  return files;
}

}  // namespace longhaul
