// Documents out of files, one after the other. A format is one file that registers itself (documents_jsonl.cpp).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/registry.h"

namespace longhaul {

inline constexpr int64_t kMostDocumentBytes = int64_t{1} << 30;  // what is held in memory as a whole
inline constexpr int64_t kPieceBytes = int64_t{1} << 20;         // of small documents that one thread takes at a time

struct DocumentFormat;

// One file to read. Its documents' names decide their split.
struct SourceFile {
  std::string path;
  std::string name;   // relative to the input it was found under, without ".gz": splits depend on neither
  int64_t input = 0;  // index into PackOptions::inputs
  int64_t bytes = 0;
  const DocumentFormat* format = nullptr;
};

using DocumentSink = std::function<void(const std::string& name, const std::string& text)>;

// Some documents of a file: read in order by one thread, parsed on any.
struct Piece {
  int64_t bytes = 0;  // of the file, for progress
  // Gives every document to the sink, in order, and returns how many blank lines lay between them. Error, naming file and
  // line, for what cannot be parsed.
  std::function<int64_t(const DocumentSink&)> parse;
};

class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  virtual bool next(Piece& piece) = 0;  // false at the end; Error, naming the file, when it cannot be read
};

struct DocumentFormat {
  std::vector<std::string> endings;  // of file names, before an optional ".gz"; none: files that no other format claims
  bool one_document;  // a file is a document named as the file; otherwise they are "<name>:<number>", from 1
  // `field`: of a record, that holds the text. The file outlives the reader and its pieces.
  std::function<std::unique_ptr<DocumentReader>(const SourceFile& file, const std::string& field)> open;
};
Registry<DocumentFormat>& DocumentFormats();
const DocumentFormat& document_format(const std::string& path);

}  // namespace longhaul
