// JSON Lines: a document a line, in one field of an object.
#include <algorithm>
#include <string_view>

#include "base/json.h"
#include "base/strings.h"
#include "data/documents.h"
#include "io/byte_source.h"

namespace longhaul {

namespace {

// Lines of a file as one thread parses them.
struct Lines {
  const SourceFile* file;
  std::string field, text;
  int64_t first;  // number of the first line, from 1

  int64_t parse(const DocumentSink& sink) const {
    int64_t blank = 0, number = first;
    for (std::string_view rest = text; !rest.empty(); ++number) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
        ++blank;
      } else {
        sink(str(file->name, ":", number), text_of(line, str(file->path, ":", number)));
      }
    }
    return blank;
  }

 private:
  std::string found(const Json& record) const {
    if (!record.is_object()) return record.type_name();
    if (record.contains(field)) return str("\"", field, "\" with ", record[field].type_name());
    constexpr size_t kMostKeys = 8;  // a line for a reader
    std::vector<std::string> keys;
    for (const auto& [key, value] : record.items()) keys.push_back(key);
    if (keys.size() > kMostKeys) keys.resize(kMostKeys), keys.push_back("...");
    return keys.empty() ? "an object without keys" : "one with " + join(keys, ", ");
  }

  std::string text_of(std::string_view line, const std::string& where) const {
    Json record = parse_json(line, where);
    const bool has_text = record.is_object() && record.contains(field) && record[field].is_string();
    if (!has_text)
      fail(where, ": wanted an object with a string \"", field, "\" (--field names another), found ", found(record));
    return std::move(record[field].get_ref<std::string&>());
  }
};

class JsonlReader : public DocumentReader {
 public:
  JsonlReader(const SourceFile& file, std::string field)
      : file_(file), field_(std::move(field)), bytes_(open_bytes(file.path)) {}

  bool next(Piece& piece) override {
    int64_t before = bytes_->position();
    std::string text = whole_lines();
    if (text.empty()) return false;
    auto lines = std::make_shared<Lines>(Lines{&file_, field_, std::move(text), line_});
    line_ += std::count(lines->text.begin(), lines->text.end(), '\n');
    piece.bytes = bytes_->position() - before;
    piece.parse = [lines](const DocumentSink& sink) { return lines->parse(sink); };
    return true;
  }

 private:
  // About kPieceBytes, up to the end of a line or of the file.
  std::string whole_lines() {
    std::string text = std::move(rest_);
    rest_.clear();
    for (;;) {
      size_t before = text.size();
      text.resize(before + kPieceBytes);
      size_t got = bytes_->read(std::span(text).subspan(before));
      text.resize(before + got);
      if (got < static_cast<size_t>(kPieceBytes)) return text;
      size_t newline = std::string_view(text).substr(before).rfind('\n');
      if (newline != std::string_view::npos) {
        rest_ = text.substr(before + newline + 1);
        text.resize(before + newline + 1);
        return text;
      }
      check(static_cast<int64_t>(text.size()) <= kMostDocumentBytes, file_.path, ":", line_,
            ": wanted a line of at most ", kMostDocumentBytes, " bytes, found a longer one");
    }
  }

  const SourceFile& file_;
  std::string field_;
  std::unique_ptr<ByteSource> bytes_;
  std::string rest_;  // the beginning of a line that was read with the lines before it
  int64_t line_ = 1;
};

}  // namespace

LH_REGISTER(DocumentFormats, "jsonl", "JSON Lines (.jsonl, .jsonl.gz): a document a line, in the field --field",
            DocumentFormat{{".jsonl"},
                           false,
                           [](const SourceFile& file, const std::string& field) -> std::unique_ptr<DocumentReader> {
                             return std::make_unique<JsonlReader>(file, field);
                           }});

}  // namespace longhaul
