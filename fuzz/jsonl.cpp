// Bytes as a JSONL file: documents named by their lines, or an error that names one.
#include <algorithm>

#include "data/documents.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder;
  return fuzz_text(data, size, [](std::string_view text) {
    folder.put("fuzz.jsonl", text);
    SourceFile file{folder.path() + "/fuzz.jsonl", "fuzz.jsonl", 0, static_cast<int64_t>(text.size()), nullptr};
    auto reader = document_format(file.path).open(file, "text");
    Piece piece;
    int64_t documents = 0, blank = 0;
    while (reader->next(piece)) {
      blank += piece.parse([&](const std::string& name, const std::string& content) {
        promise(name.starts_with("fuzz.jsonl:"), "a document is named by its line");
        promise(content.size() <= text.size(), "no text comes from nowhere");
        ++documents;
      });
    }
    int64_t lines = std::count(text.begin(), text.end(), '\n') + (!text.empty() && text.back() != '\n');
    promise(documents + blank == lines, "every line is a document or blank");
  });
}
