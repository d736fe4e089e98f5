// Parquet corpora, where the build has Arrow.
#include "data/data_test.h"
#include "data/documents.h"

namespace longhaul {
namespace {

// Two columns, id (int64) and text (string): "one", "two words", null, "", "caf\u00e9" in row groups of two; written by pyarrow 26.
constexpr const char* kFile =
    "504152311504152015244c15041500120000103c010000000000000002000000000000001500151215162c15041510150615061c00000009"
    "2002000000040101030215041528152c4c15041500120000144c030000006f6e650900000074776f20776f7264731500151215162c150415"
    "10150615061c00000009200200000004010103021504152015244c15041500120000103c0300000000000000040000000000000015001512"
    "15162c15041510150615061c000000092002000000040101030215041508150c4c15021500120000040c000000001500151215162c150415"
    "10150615061c00000009200200000003020102001504151015144c15021500120000081c05000000000000001500151215162c1502151015"
    "0615061c00000009200200000002010102001504151215164c15021500120000092005000000636166c3a91500151215162c150215101506"
    "15061c00000009200200000002010102001504193c35001806736368656d61150400150425021802696400150c250218047465787425004c"
    "1c000000160a193c192c26001c150419350006101918026964150216041674167c26482608292c15041500150200150015101502003c2906"
    "1926000400000026001c150c19350006101918047465787415021604167c16840126cc01268401292c15041500150200150015101502003c"
    "161819061926000400000016f0011604260816800200192c26001c150419350006101918026964150216041674167c26c802268802292c15"
    "041500150200150015101502003c29061926000400000026001c150c19350006101918047465787415021604165c166426ac03268403292c"
    "15041500150200150015101502003c160019061926020200000016d001160426880216e00100192c26001c15041935000610191802696415"
    "0216021664166c26980426e803292c15041500150200150015101502003c29061926000200000026001c150c193500061019180474657874"
    "150216021666166e26860526d404292c15041500150200150015101502003c160a19061926000200000016ca01160226e80316da01002820"
    "706172717565742d6370702d6172726f772076657273696f6e2032362e302e31192c1c00001c000000d801000050415231";

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

class ParquetTest : public DataTest {
 protected:
  void SetUp() override {
    if (contains(DocumentFormats().find("parquet").summary, "not in this build")) GTEST_SKIP() << "built without Arrow";
  }
  // "<name>=<text>" of every document.
  std::vector<std::string> read(const std::string& name, const std::string& bytes, const std::string& field = "text") {
    put(at(name), bytes);
    SourceFile file{at(name), name, 0, static_cast<int64_t>(bytes.size()), &document_format(name)};
    auto reader = file.format->open(file, field);
    std::vector<std::string> documents;
    int64_t size = 0;
    for (Piece piece; reader->next(piece); size += piece.bytes) {
      piece.parse([&](const std::string& row, const std::string& text) { documents.push_back(row + "=" + text); });
    }
    EXPECT_EQ(size, file.bytes);
    return documents;
  }
};

TEST_F(ParquetTest, RowsAreDocumentsAndNullIsEmpty) {
  EXPECT_EQ(read("a.parquet", bytes_of(kFile)),
            (std::vector<std::string>{"a.parquet:1=one", "a.parquet:2=two words",
                                      "a.parquet:3=", "a.parquet:4=", "a.parquet:5=caf\xc3\xa9"}));
}

TEST_F(ParquetTest, MistakesAreOneLine) {
  std::string good = bytes_of(kFile);
  EXPECT_EQ(error_of([&] { read("a.parquet", good, "body"); }),
            at("a.parquet") + ": wanted a column \"body\" (--field names another), found none");
  EXPECT_EQ(error_of([&] { read("a.parquet", good, "id"); }),
            at("a.parquet") + ": wanted a column of text, found \"id\" of INT64");
  for (const std::string& bytes : {std::string("PAR1"), good.substr(0, 400), good.substr(0, good.size() - 1)}) {
    std::string message = error_of([&] { read("a.parquet", bytes); });
    EXPECT_TRUE(message.starts_with(at("a.parquet") + ": cannot be read as Parquet: ")) << message;
    EXPECT_FALSE(contains(message, "\n"));
  }
}

}  // namespace
}  // namespace longhaul
