// `longhaul bench tokenize`: text to ids, one text cut at safe places and documents side by side (bench/peers/tokenise.py
// measures the same two with tiktoken and tokenizers).
#include <algorithm>
#include <atomic>
#include <future>

#include "base/files.h"
#include "base/parallel.h"
#include "bench/bench.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

constexpr size_t kDocumentBytes = 4096;

struct TokenizeBench {
  std::string tokenizer, text;
};

// Cut between characters, each a text of its own.
std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    size_t end = std::min(kDocumentBytes, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    documents.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return documents;
}

// Every document on the next free thread, as `data pack` does. Returns the number of ids.
int64_t encode_documents(const Tokenizer& tokenizer, const std::vector<std::string_view>& documents, int64_t threads) {
  std::atomic<int64_t> count = 0;
  for_each_index(documents.size(), static_cast<int>(threads), [&](size_t i) {
    std::vector<int64_t> ids;
    tokenizer.encode(documents[i], ids);
    count += static_cast<int64_t>(ids.size());
  });
  return count;
}

// Tokenizers remember words by thread: each repeat is one that has met none, as with a text that nobody has seen.
Measurement measure_afresh(const std::function<void()>& work, const Json& cell) {
  return measure_cell([&] { std::async(std::launch::async, work).get(); }, cell);
}

// What a row calls a tokenizer: its folder, or the file's stem when its name says more than what kind of file it is.
std::string name_of(const std::string& tokenizer) {
  const std::string name = file_name(tokenizer), stem = name.substr(0, name.rfind('.'));
  if (is_folder(tokenizer)) return name;
  return stem == "tokenizer" ? file_name(folder_of(tokenizer)) : stem;
}

Json measure_tokenize(const Json& cell) {
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(cell["tokenizer"].get<std::string>());
  std::string text = read_file(cell["text"].get<std::string>());
  check(!text.empty(), "bench tokenize: --text: wanted a file with text in it, found an empty one");
  int64_t threads = cell["threads"].get<int64_t>();
  Measurement measured;
  if (cell["shape"]["mode"] == "text") {
    std::vector<int64_t> ids;
    measured = measure_afresh(
        [&] {
          ids.clear();
          encode_parallel(*tokenizer, text, static_cast<int>(threads), ids);
        },
        cell);
    measured.tokens = static_cast<int64_t>(ids.size());
  } else {
    const std::vector<std::string_view> documents = documents_of(text);
    int64_t count = 0;
    measured = measure_afresh([&] { count = encode_documents(*tokenizer, documents, threads); }, cell);
    measured.tokens = count;
  }
  Json row = measured.json(threads);
  double megabytes = static_cast<double>(text.size()) * 1e-6, tokens = static_cast<double>(measured.tokens);
  row["mb"] = megabytes;
  row["mb_per_s"] = megabytes / row["seconds_min"].get<double>();
  if (row.contains("cpu_seconds_min")) row["mb_per_cpu_s"] = megabytes / row["cpu_seconds_min"].get<double>();
  row["bytes_per_token"] = megabytes * 1e6 / std::max(1.0, tokens);
  return row;
}

BenchCells options(CLI::App& app) {
  auto bench = std::make_shared<TokenizeBench>();
  app.add_option("--tokenizer", bench->tokenizer, "bytes, a tokenizer.json or .model, or a folder that holds one")
      ->required();
  app.add_option("--text", bench->text, "a file of text")->required()->check(CLI::ExistingFile);
  return [bench] {
    const std::string name = name_of(bench->tokenizer);
    std::vector<Json> cells;
    for (const char* mode : {"text", "documents"}) {
      cells.push_back({{"peer", "longhaul"},
                       {"case", mode},
                       {"shape", {{"mode", mode}, {"tokenizer", name}}},
                       {"tokenizer", bench->tokenizer},
                       {"text", bench->text}});
    }
    return cells;
  };
}

LH_REGISTER(Benches, "tokenize", "text to ids: one text, and documents of 4 kB",
            {"", options, measure_tokenize, "", {"--dtype", "--seed"}});

}  // namespace

}  // namespace longhaul
