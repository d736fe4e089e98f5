// Spans against spellings written out by hand.
#include "text/token_spans.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {
namespace {

// Ids are indices of these spellings; nothing is encoded.
class Spellings : public Tokenizer {
 public:
  explicit Spellings(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  int64_t vocab_size() const override { return static_cast<int64_t>(pieces_.size()); }
  int64_t end_of_text() const override { return -1; }
  void encode(std::string_view, std::vector<int64_t>&) const override {}
  std::vector<int64_t> before_text() const override { return before; }
  std::vector<int64_t> after_text() const override { return after; }
  std::unique_ptr<Decoding> start_decoding(bool) const override { return nullptr; }
  std::string piece(int64_t id) const override { return pieces_.at(static_cast<size_t>(id)); }
  std::string hash() const override { return ""; }
  std::string spec() const override { return ""; }
  std::vector<int64_t> before, after;

 private:
  std::vector<std::string> pieces_;
};

// "0..3 3..4 -" of all pieces in order.
std::string spans(const std::string& text, const std::vector<std::string>& pieces, size_t before = 0,
                  size_t after = 0) {
  Spellings tokenizer(pieces);
  std::vector<int64_t> ids;
  for (size_t i = 0; i < pieces.size(); ++i) ids.push_back(static_cast<int64_t>(i));
  tokenizer.before.assign(ids.begin(), ids.begin() + static_cast<int64_t>(before));
  tokenizer.after.assign(ids.end() - static_cast<int64_t>(after), ids.end());
  std::string shown;
  for (const auto& span : token_spans(tokenizer, text, ids))
    shown += (shown.empty() ? "" : " ") + (span ? str(span->begin, "..", span->end) : "-");
  return shown;
}

TEST(TokenSpans, OfEveryWayToSpell) {
  EXPECT_EQ(spans("Hello world\n", {"Hello", " world", "\n"}), "0..5 5..11 11..12");
  EXPECT_EQ(spans("a\xC3\xBC", {"a", "\xC3", "\xBC"}), "0..1 1..2 2..3");  // half characters
  EXPECT_EQ(spans("the sun\n", {"<s>", "\xE2\x96\x81the", "\xE2\x96\x81sun", "<0x0A>", "</s>"}, 1, 1),
            "0..0 0..3 3..7 7..8 8..8");
  EXPECT_EQ(spans("  x", {"\xE2\x96\x81\xE2\x96\x81", "x"}), "0..2 2..3");
  EXPECT_EQ(spans("a<s>b", {"\xE2\x96\x81"
                            "a",
                            "<s>",
                            "\xE2\x96\x81"
                            "b"}),
            "0..1 1..4 4..5");
  EXPECT_EQ(spans("un do it", {"un", "do", "it"}), "0..2 3..5 6..8");  // WordPiece has no spaces
  EXPECT_EQ(spans("undo", {"un", "##do"}), "0..2 2..4");
  EXPECT_EQ(spans("\xE2\x96\x81", {"\xE2\x96\x81"}), "0..3");  // the sign itself
}

TEST(TokenSpans, StopWhereTheTextWasChanged) {
  EXPECT_EQ(spans("a B c", {"a", "b", "c"}), "0..1 - -");
  EXPECT_EQ(spans("a B c", {"<s>", "a", "b", "c", "</s>"}, 1, 1), "0..0 0..1 - - -");
  EXPECT_EQ(spans("", {}), "");
  EXPECT_EQ(spans("", {"<s>"}, 1), "0..0");
}

}  // namespace
}  // namespace longhaul
