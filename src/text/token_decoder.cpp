#include "text/token_decoder.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/pattern.h"
#include "text/tokenizer_pieces.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

using Step = TokenDecoderStep;
using Tokens = Step::Tokens;

// A step that looks at one token at a time: edit(token, how many came before it).
class EachToken : public Step {
 public:
  using Edit = std::function<std::string(std::string token, size_t before)>;
  explicit EachToken(Edit edit) : edit_(std::move(edit)) {}
  void push(std::string token, Tokens& out) override { out.push_back(edit_(std::move(token), before_++)); }

 private:
  Edit edit_;
  size_t before_ = 0;
};

// A step behind one that joins all tokens: its only token is the whole text.
class WholeText : public Step {
 public:
  explicit WholeText(std::unique_ptr<Step> step) : step_(std::move(step)) {}
  void push(std::string token, Tokens&) override { text_ += token; }
  void finish(Tokens& out) override {
    step_->push(to_utf8(text_), out);
    step_->finish(out);
  }

 private:
  std::unique_ptr<Step> step_;
  std::string text_;
};

// ByteFallback: "<0xE4>" stands for a byte. A run of them is text when it is UTF-8, else U+FFFD each: known at its end
// only.
class ByteFallback : public Step {
 public:
  void push(std::string token, Tokens& out) override {
    if (auto byte = byte_of(token)) {
      run_ += *byte;
      return;
    }
    finish(out);
    out.push_back(std::move(token));
  }
  void finish(Tokens& out) override {
    if (run_.empty()) return;
    if (is_utf8(run_)) {
      out.push_back(run_);
    } else {
      out.insert(out.end(), run_.size(), std::string(kReplacementCharacter));
    }
    run_.clear();
  }

 private:
  static std::optional<char> byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    constexpr std::string_view digits = "0123456789ABCDEFabcdef";
    size_t high = digits.find(token[3]), low = digits.find(token[4]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    auto value = [](size_t digit) { return digit < 16 ? digit : digit - 6; };
    return static_cast<char>(16 * value(high) + value(low));
  }
  std::string run_;
};

// Strip behind a step that joins all tokens, with nothing to take from the end: the first characters of the text are
// enough.
class StripStart : public Step {
 public:
  StripStart(std::string content, int64_t count) : content_(std::move(content)), left_(count) {}
  void push(std::string token, Tokens& out) override {
    while (left_ > 0 && !token.empty()) {
      bool goes = token.starts_with(content_);
      left_ = goes ? left_ - 1 : 0;
      if (goes) token.erase(0, content_.size());
    }
    out.push_back(std::move(token));
  }

 private:
  std::string content_;
  int64_t left_;
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// BPEDecoder: a suffix that ends words is a space, but at the end of the text.
class WordEnds : public Step {
 public:
  explicit WordEnds(std::string suffix) : suffix_(std::move(suffix)) {}
  void push(std::string token, Tokens& out) override {
    write(" ", out);
    last_ = std::move(token);
  }
  void finish(Tokens& out) override { write("", out); }

 private:
  void write(std::string_view end, Tokens& out) {
    if (last_) out.push_back(replaced(std::move(*last_), suffix_, end));
    last_.reset();
  }
  std::string suffix_;
  std::optional<std::string> last_;
};

// The spaces that word-piece decoding puts before punctuation and English contractions.
std::string cleaned_up(std::string text) {
  constexpr std::string_view rules[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : rules) text = replaced(std::move(text), from, to);
  return text;
}

std::string stripped(std::string token, const std::string& content, int64_t start, int64_t stop) {
  for (; start > 0 && token.starts_with(content); --start) token.erase(0, content.size());
  for (; stop > 0 && token.ends_with(content); --stop) token.resize(token.size() - content.size());
  return token;
}

// ---- reading --------------------------------------------------------------------------------------------------------

struct Made {
  std::function<std::unique_ptr<Step>()> make;
  std::string meaning;
  bool joins = false;        // what comes out is one token in parts
  bool takes_parts = false;  // may be given a joined text in parts
};

Made each_token(EachToken::Edit edit, const std::string& meaning) {
  return {[edit = std::move(edit)] { return std::make_unique<EachToken>(edit); }, meaning};
}

std::string one_character(JsonReader& reader, const std::string& key, const std::string& where) {
  std::string text = reader.string(key);
  bool one = !text.empty() && utf8_step(text).length == text.size();
  check(one, where, ": ", key, ": wanted one character, found ", Json(text).dump());
  return text;
}

Made read_replace(JsonReader& reader, const std::string& where) {
  JsonReader pattern = reader.object("pattern");
  bool is_regex = pattern.has("Regex");
  std::string wanted = pattern.string(is_regex ? "Regex" : "String"), content = reader.string("content");
  pattern.finish();
  check(!wanted.empty(), where, ": pattern: wanted a text, found \"\"");
  std::string meaning = Json::array({is_regex ? "Regex" : "String", wanted, content}).dump();
  if (!is_regex) {
    return each_token(
        [wanted, content](std::string token, size_t) { return replaced(std::move(token), wanted, content); }, meaning);
  }
  auto regex = std::make_shared<Pattern>(wanted, where + ": pattern");
  auto edit = [regex, content](const std::string& token, size_t) {
    thread_local Pattern::Scratch scratch;
    std::string out;
    size_t done = 0;
    for (auto match = regex->find(token, 0, scratch); match.start != std::string::npos;
         match = regex->find(token, done, scratch)) {
      out.append(token, done, match.start - done);
      out += content;
      done = match.end;
    }
    return out.append(token, done);
  };
  return each_token(edit, meaning);
}

Made read_strip(JsonReader& reader, const std::string& where, bool joined) {
  std::string content = one_character(reader, "content", where);
  int64_t start = reader.integer("start", 0), stop = reader.integer("stop", 0);
  std::string meaning = Json::array({content, start, stop}).dump();
  if (joined && stop == 0) {
    auto make = [content, start] { return std::make_unique<StripStart>(content, start); };
    return {make, meaning, false, true};
  }
  auto edit = [=](std::string token, size_t) { return stripped(std::move(token), content, start, stop); };
  return each_token(edit, meaning);
}

Made read_metaspace(JsonReader& reader, const std::string& where) {
  for (const char* key : {"split", "str_rep"}) reader.ignore(key);
  std::string space = one_character(reader, "replacement", where);
  bool prefixed =
      reader.boolean_or("add_prefix_space", true) && reader.string_or("prepend_scheme", "always") != "never";
  auto edit = [space, prefixed](std::string token, size_t before) {
    return replaced(std::move(token), space, before == 0 && prefixed ? "" : " ");
  };
  return each_token(edit, Json::array({space, prefixed}).dump());
}

Made read_word_piece(JsonReader& reader) {
  std::string prefix = reader.string_or("prefix", "##");
  bool cleanup = reader.boolean_or("cleanup", true);
  auto edit = [prefix, cleanup](std::string token, size_t before) {
    if (before > 0) {
      bool continues = token.starts_with(prefix);
      token = continues ? token.substr(prefix.size()) : " " + token;
    }
    return cleanup ? cleaned_up(std::move(token)) : token;
  };
  return each_token(edit, Json::array({prefix, cleanup}).dump());
}

Made read_step(const Json& piece, const std::string& where, bool joined) {
  std::string type = type_of_piece(piece, where);
  JsonReader reader(piece, where);
  reader.ignore("type");
  Made made;
  if (type == "ByteLevel") {
    for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) reader.ignore(key);  // of encoding
    made = each_token([](const std::string& token, size_t) { return decoded_spelling(token); }, "");
    made.joins = true;
  } else if (type == "ByteFallback") {
    made = {[] { return std::make_unique<ByteFallback>(); }, ""};
  } else if (type == "Fuse") {
    made = each_token([](std::string token, size_t) { return token; }, "");
    made.joins = made.takes_parts = true;
  } else if (type == "Replace") {
    made = read_replace(reader, where);
  } else if (type == "Strip") {
    made = read_strip(reader, where, joined);
  } else if (type == "Metaspace") {
    made = read_metaspace(reader, where);
  } else if (type == "WordPiece") {
    made = read_word_piece(reader);
  } else if (type == "BPEDecoder") {
    std::string suffix = reader.string_or("suffix", "</w>");
    check(!suffix.empty(), where, ": suffix: wanted a text, found \"\"");
    made = {[suffix] { return std::make_unique<WordEnds>(suffix); }, suffix};
  } else {
    unsupported_piece(
        type, where,
        "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, WordPiece, BPEDecoder or a Sequence of them");
  }
  reader.finish();
  made.meaning = Json::array({type, made.meaning}).dump();
  return made;
}

}  // namespace

std::string decoded_spelling(std::string_view token) { return bytes_of_spelling(token).value_or(std::string(token)); }

TokenDecoder::TokenDecoder() {
  auto edit = [](std::string token, size_t before) { return before > 0 ? " " + token : token; };
  makers_.push_back([edit] { return std::make_unique<EachToken>(edit); });
}

TokenDecoder::TokenDecoder(const Json& piece, const std::string& where) {
  bool joined = false;
  for_each_piece(piece, where, "decoders", [&](const Json& one, const std::string& here) {
    Made made = read_step(one, here, joined);
    byte_level_ = makers_.empty() && type_of_piece(one, here) == "ByteLevel";
    if (joined && !made.takes_parts) {
      makers_.push_back([make = made.make] { return std::make_unique<WholeText>(make()); });
    } else {
      makers_.push_back(made.make);
    }
    joined = joined || made.joins;
    meaning_ += made.meaning;
  });
}

TokenDecoder::Run::Run(const TokenDecoder& decoder) {
  for (const auto& make : decoder.makers_) steps_.push_back(make());
}

void TokenDecoder::Run::pass(size_t from, Tokens& tokens, std::string& text) {
  Tokens next;
  for (size_t i = from; i < steps_.size(); ++i) {
    next.clear();
    for (std::string& token : tokens) steps_[i]->push(std::move(token), next);
    std::swap(tokens, next);
  }
  for (const std::string& token : tokens) text += token;
}

void TokenDecoder::Run::push(std::string token, std::string& text) {
  Tokens tokens;
  tokens.push_back(std::move(token));
  pass(0, tokens, text);
}

void TokenDecoder::Run::finish(std::string& text) {
  Tokens tokens;
  for (size_t i = 0; i < steps_.size(); ++i) {
    tokens.clear();
    steps_[i]->finish(tokens);
    pass(i + 1, tokens, text);
  }
}

}  // namespace longhaul
