// The `bytes` tokenizer: ids 0..255 are the bytes of the text, 256 ends a text. Any bytes are a text, UTF-8 or not.
#include "base/hash.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

constexpr int64_t kEndOfText = 256;

class BytesDecoding : public Decoding {
 public:
  void push(int64_t id, std::string& bytes) override {
    check(id >= 0 && id <= kEndOfText, "bytes: ids must be in [0, 257), got ", id, " at position ", position_);
    if (id != kEndOfText) bytes.push_back(static_cast<char>(id));
    ++position_;
  }

 private:
  int64_t position_ = 0;
};

class BytesTokenizer : public Tokenizer {
 public:
  int64_t vocab_size() const override { return kEndOfText + 1; }
  int64_t end_of_text() const override { return kEndOfText; }

  void encode(std::string_view text, std::vector<int64_t>& ids) const override {
    size_t start = ids.size();
    ids.resize(start + text.size());
    for (size_t i = 0; i < text.size(); ++i) ids[start + i] = static_cast<unsigned char>(text[i]);
  }

  std::unique_ptr<Decoding> start_decoding(bool) const override { return std::make_unique<BytesDecoding>(); }

  size_t safe_cut(std::string_view, size_t from) const override { return from; }

  std::string hash() const override { return hash_hex("bytes: ids 0..255 are the bytes, 256 ends a text"); }
  std::string spec() const override { return "bytes"; }
};

LH_REGISTER(Tokenizers, "bytes", "every byte is a token; id 256 ends a text; 257 ids",
            [](Spec&) { return std::make_unique<BytesTokenizer>(); });

}  // namespace

}  // namespace longhaul
