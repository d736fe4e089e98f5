// Apache Parquet: a document a row, in one column of text. Optional: cmake/Arrow.cmake says when it is there.
#include "data/documents.h"

#ifdef LH_WITH_PARQUET
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <algorithm>
#endif

namespace longhaul {

namespace {

#ifdef LH_WITH_PARQUET

constexpr const char* kSummary = "Parquet (.parquet): a document a row, in the column --field";

// Arrow reports by exceptions of its own, some of several lines.
template <class Action>
auto reported(const std::string& path, const Action& action) {
  try {
    return action();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    std::string text = error.what();
    fail(path, ": cannot be read as Parquet: ", text.substr(0, text.find('\n')));
  }
}

class ParquetReader : public DocumentReader {
 public:
  ParquetReader(const SourceFile& file, const std::string& field) : file_(file) {
    reported(file.path, [&] { open(field); });
  }

  bool next(Piece& piece) override {
    int64_t first = row_;
    auto texts = std::make_shared<std::vector<std::string>>();
    reported(file_.path, [&] { read_rows(*texts); });
    if (texts->empty()) return false;
    piece.bytes = bytes_before(row_) - bytes_before(first);
    piece.parse = [texts, first, name = file_.name](const DocumentSink& sink) -> int64_t {
      for (size_t i = 0; i < texts->size(); ++i) {
        sink(str(name, ":", first + static_cast<int64_t>(i) + 1), (*texts)[i]);
      }
      return 0;
    };
    return true;
  }

 private:
  void open(const std::string& field) {
    constexpr bool kMemoryMap = true;
    reader_ = parquet::ParquetFileReader::OpenFile(file_.path, kMemoryMap);
    const parquet::SchemaDescriptor& schema = *reader_->metadata()->schema();
    index_ = schema.ColumnIndex(field);
    check(index_ >= 0, file_.path, ": wanted a column \"", field, "\" (--field names another), found none");
    const parquet::ColumnDescriptor& column = *schema.Column(index_);
    bool is_text = column.physical_type() == parquet::Type::BYTE_ARRAY && column.max_repetition_level() == 0;
    check(is_text, file_.path, ": wanted a column of text, found \"", field, "\" of ",
          parquet::TypeToString(column.physical_type()));
    defined_ = column.max_definition_level();
  }

  void read_rows(std::vector<std::string>& texts) {
    constexpr int64_t kRows = 16;  // at a time: documents may be long
    for (int64_t bytes = 0; bytes < kPieceBytes;) {
      if (!column_ || !column_->HasNext()) {
        if (group_ == reader_->metadata()->num_row_groups()) return;
        column_ = std::static_pointer_cast<parquet::ByteArrayReader>(reader_->RowGroup(group_++)->Column(index_));
        continue;
      }
      int16_t levels[kRows];
      parquet::ByteArray values[kRows];
      int64_t present = 0, rows = column_->ReadBatch(kRows, levels, nullptr, values, &present);
      check(rows > 0, file_.path, ": cannot be read as Parquet: a page without rows");
      const parquet::ByteArray* value = values;
      for (int64_t i = 0; i < rows; ++i) {
        texts.emplace_back();  // a row without a value is an empty document
        if (defined_ > 0 && levels[i] < defined_) continue;
        texts.back().assign(reinterpret_cast<const char*>(value->ptr), value->len);
        bytes += (value++)->len;
      }
      row_ += rows;
    }
  }

  // The share of the file that so many rows are.
  int64_t bytes_before(int64_t row) const {
    int64_t rows = std::max<int64_t>(1, reader_->metadata()->num_rows());
    return static_cast<int64_t>(static_cast<double>(file_.bytes) * static_cast<double>(row) /
                                static_cast<double>(rows));
  }

  const SourceFile& file_;
  std::unique_ptr<parquet::ParquetFileReader> reader_;
  std::shared_ptr<parquet::ByteArrayReader> column_;  // of the row group before group_
  int index_ = -1, group_ = 0;
  int16_t defined_ = 0;
  int64_t row_ = 0;
};

std::unique_ptr<DocumentReader> open(const SourceFile& file, const std::string& field) {
  return std::make_unique<ParquetReader>(file, field);
}

#else

constexpr const char* kSummary = "Parquet (.parquet): not in this build; `LH_PARQUET=1 make build` adds it";

std::unique_ptr<DocumentReader> open(const SourceFile& file, const std::string&) {
  fail(file.path,
       ": this build reads no Parquet; `LH_PARQUET=1 make build` adds it (Arrow from the pyarrow wheel, 50 MB)");
}

#endif

LH_REGISTER(DocumentFormats, "parquet", kSummary, DocumentFormat{{".parquet"}, false, open});

}  // namespace

}  // namespace longhaul
