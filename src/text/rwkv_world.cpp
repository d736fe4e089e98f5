#include "text/rwkv_world.h"

#include <optional>

#include "base/error.h"
#include "base/hash.h"
#include "base/strings.h"
#include "text/tokenizer_file.h"
#include "text/trie.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

constexpr int64_t kEndOfText = 0;  // no line has it

// ---- the file -------------------------------------------------------------------------------------------------------

// The number that `count` hexadecimal digits write, which are taken from `text`.
uint32_t take_hex(std::string_view& text, size_t count, const std::string& where) {
  check(text.size() >= count, where, ": an escape is cut off");
  uint32_t value = 0;
  for (char c : text.substr(0, count)) {
    size_t digit = std::string_view("0123456789abcdef").find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    check(digit != std::string_view::npos, where, ": wanted ", count, " hexadecimal digits in an escape");
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  text.remove_prefix(count);
  return value;
}

// What stands behind a backslash, taken from `text`. In a text \xHH is a character, in bytes it is a byte.
void append_escape(std::string_view& text, bool is_bytes, const std::string& where, std::string& out) {
  check(!text.empty(), where, ": an escape is cut off");
  char kind = text[0];
  text.remove_prefix(1);
  constexpr std::string_view plain = "ntr\\'\"", meaning = "\n\t\r\\'\"";
  if (size_t i = plain.find(kind); i != std::string_view::npos) {
    out += meaning[i];
  } else if (kind == 'x' && is_bytes) {
    out += static_cast<char>(take_hex(text, 2, where));
  } else {
    check(kind == 'x' || (!is_bytes && (kind == 'u' || kind == 'U')), where, ": unknown escape");
    uint32_t code = take_hex(text, kind == 'x' ? 2 : kind == 'u' ? 4 : 8, where);
    check(code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF), where, ": an escape is no character");
    append_utf8(code, out);
  }
}

std::string bytes_of_literal(std::string_view literal, const std::string& where) {
  bool is_bytes = literal.starts_with('b');
  std::string_view text = literal.substr(is_bytes);
  bool good = text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0];
  check(good, where, ": wanted a text in quotation marks");
  text = text.substr(1, text.size() - 2);
  std::string bytes;
  while (!text.empty()) {
    char c = text[0];
    text.remove_prefix(1);
    if (c == '\\') {
      append_escape(text, is_bytes, where, bytes);
    } else {
      bytes += c;
    }
  }
  return bytes;
}

struct Line {
  int64_t id;
  std::string bytes;
};

Line parse_line(std::string_view line, const std::string& where) {
  size_t first = line.find(' '), last = line.rfind(' ');
  check(first != std::string_view::npos && first < last, where, ": wanted an id, a text and its length");
  Line parsed{parse_integer(line.substr(0, first), where),
              bytes_of_literal(line.substr(first + 1, last - first - 1), where)};
  check(parsed.id > kEndOfText && parsed.id < kLargestVocabulary, where, ": wanted an id in [1, ", kLargestVocabulary,
        "), found ", parsed.id);
  int64_t length = parse_integer(line.substr(last + 1), where);
  check(!parsed.bytes.empty() && length == static_cast<int64_t>(parsed.bytes.size()), where, ": wanted a text of ",
        length, " bytes, found ", parsed.bytes.size());
  return parsed;
}

// ---- the tokenizer --------------------------------------------------------------------------------------------------

class RwkvWorldTokenizer : public Tokenizer {
 public:
  RwkvWorldTokenizer(std::vector<std::optional<std::string>> tokens, Trie trie, std::string hash, std::string spec)
      : tokens_(std::move(tokens)), trie_(std::move(trie)), hash_(std::move(hash)), spec_(std::move(spec)) {}

  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  int64_t end_of_text() const override { return kEndOfText; }

  void encode(std::string_view bytes, std::vector<int64_t>& ids) const override {
    std::string replaced;
    std::string_view text = as_utf8(bytes, replaced);
    while (!text.empty()) {
      Trie::Match match = trie_.longest_prefix(text);  // a byte at least: parse_rwkv_world() has checked
      ids.push_back(match.value);
      text.remove_prefix(match.length);
    }
  }

  std::unique_ptr<Decoding> start_decoding(bool with_special) const override {
    return std::make_unique<Bytes>(*this, with_special);
  }
  std::string hash() const override { return hash_; }
  std::string spec() const override { return spec_; }

 private:
  class Bytes : public Decoding {
   public:
    Bytes(const RwkvWorldTokenizer& tokenizer, bool with_special)
        : tokenizer_(tokenizer), with_special_(with_special) {}
    void push(int64_t id, std::string& bytes) override {
      check(id >= 0 && id < tokenizer_.vocab_size() && tokenizer_.tokens_[static_cast<size_t>(id)],
            "tokenizer: no token has the id ", id, ", found at position ", position_);
      if (id != kEndOfText || with_special_) bytes += *tokenizer_.tokens_[static_cast<size_t>(id)];
      ++position_;
    }

   private:
    const RwkvWorldTokenizer& tokenizer_;
    bool with_special_;
    int64_t position_ = 0;
  };

  std::vector<std::optional<std::string>> tokens_;  // by id
  Trie trie_;
  std::string hash_, spec_;
};

}  // namespace

std::unique_ptr<Tokenizer> parse_rwkv_world(std::string_view lines, const std::string& where, const std::string& spec) {
  std::vector<std::optional<std::string>> tokens = {"<|endoftext|>"};
  int64_t number = 0;
  for (const std::string& text : split(lines, '\n')) {
    std::string here = str(where, ":", ++number);
    std::string_view line = text;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    auto [id, bytes] = parse_line(line, here);
    if (tokens.size() <= static_cast<size_t>(id)) tokens.resize(static_cast<size_t>(id) + 1);
    check(!tokens[static_cast<size_t>(id)], here, ": id ", id, " is another token's already");
    tokens[static_cast<size_t>(id)] = std::move(bytes);
  }
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  std::string meaning;
  for (size_t id = 1; id < tokens.size(); ++id) {
    if (!tokens[id]) continue;
    entries.emplace_back(*tokens[id], static_cast<uint32_t>(id));
    meaning += str(id, ' ', tokens[id]->size(), ' ') + *tokens[id];
  }
  Trie trie(std::move(entries));
  for (int byte = 0; byte < 256; ++byte) {
    bool known = trie.find(std::string(1, static_cast<char>(byte))) != Trie::kNone;
    check(known, where, ": no token for the byte ", byte);
  }
  return std::make_unique<RwkvWorldTokenizer>(std::move(tokens), std::move(trie), hash_hex(meaning), spec);
}

}  // namespace longhaul
