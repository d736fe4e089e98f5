// Plain text: a file is a document, byte for byte.
#include "data/documents.h"
#include "io/byte_source.h"

namespace longhaul {

namespace {

class TextReader : public DocumentReader {
 public:
  explicit TextReader(const SourceFile& file) : file_(file) {}

  bool next(Piece& piece) override {
    if (done_) return false;
    done_ = true;
    piece.bytes = file_.bytes;
    piece.parse = [&file = file_](const DocumentSink& sink) -> int64_t {
      sink(file.name, read_bytes(file.path, kMostDocumentBytes));
      return 0;
    };
    return true;
  }

 private:
  const SourceFile& file_;
  bool done_ = false;
};

}  // namespace

LH_REGISTER(DocumentFormats, "text", "any other file: one document, byte for byte; .gz is unpacked",
            DocumentFormat{{}, true, [](const SourceFile& file, const std::string&) -> std::unique_ptr<DocumentReader> {
                             return std::make_unique<TextReader>(file);
                           }});

}  // namespace longhaul
