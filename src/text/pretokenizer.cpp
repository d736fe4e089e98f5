#include "text/pretokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_pieces.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

using Match = Pattern::Match;
using Prefix = PretokenizerStep::Prefix;
constexpr Match kNothing = {std::string_view::npos, std::string_view::npos};

// Every character of this kind is a match.
template <bool (*kIsOne)(uint32_t)>
Match match_character(std::string_view text, size_t from) {
  for (const char *at = text.data() + from, *end = text.data() + text.size(); at < end;) {
    const char* start = at;
    if (kIsOne(next_code_point(at))) {
      return {static_cast<size_t>(start - text.data()), static_cast<size_t>(at - text.data())};
    }
  }
  return kNothing;
}

// \w+|[^\w\s]+
Match match_word_or_signs(std::string_view text, size_t from) {
  from += length_of_spaces(text.substr(from));
  if (from == text.size()) return kNothing;
  const char *at = text.data() + from, *end = text.data() + text.size();
  bool word = is_word_character(next_code_point(at));
  while (at < end) {
    const char* next = at;
    uint32_t code = next_code_point(next);
    if (is_word_character(code) != word || (!word && is_space(code))) break;
    at = next;
  }
  return {from, static_cast<size_t>(at - text.data())};
}

SplitBehavior read_behavior(const std::string& name, const std::string& where) {
  const std::pair<const char*, SplitBehavior> behaviors[] = {{"Isolated", SplitBehavior::kIsolated},
                                                             {"Removed", SplitBehavior::kRemoved},
                                                             {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
                                                             {"MergedWithNext", SplitBehavior::kMergedWithNext},
                                                             {"Contiguous", SplitBehavior::kContiguous}};
  for (const auto& [text, behavior] : behaviors) {
    if (name == text) return behavior;
  }
  fail(where, ": behavior ", Json(name).dump(),
       " is not supported (wanted Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous)");
}

void cut_by_expression(PretokenizerStep& step, const std::string& expression, const std::string& where) {
  step.scanner = step.behavior == SplitBehavior::kIsolated ? scanner_for(expression) : nullptr;
  if (!step.scanner) step.pattern.emplace(expression, where);
}

// {"Regex": "..."} or {"String": "..."}
void read_split(JsonReader& reader, const std::string& where, PretokenizerStep& step) {
  JsonReader pattern = reader.object("pattern");
  bool is_regex = pattern.has("Regex");
  std::string text = pattern.string(is_regex ? "Regex" : "String");
  pattern.finish();
  check(!text.empty(), where, ": pattern: wanted a text, found \"\"");
  std::string behavior = reader.string("behavior");
  step.behavior = read_behavior(behavior, where);
  step.invert = reader.boolean_or("invert", false);
  if (is_regex) {
    cut_by_expression(step, text, where + ": pattern");
  } else {
    step.literal = text;
  }
  step.meaning = Json::array({is_regex ? "Regex" : "String", text, behavior, step.invert}).dump();
}

void read_byte_level(JsonReader& reader, const std::string& where, PretokenizerStep& step) {
  reader.ignore("trim_offsets");  // of places in the text, not of ids
  bool prefix = reader.boolean_or("add_prefix_space", true), cuts = reader.boolean_or("use_regex", true);
  if (prefix) {
    step.prefix = " ";
    step.scheme = Prefix::kAlways;
  }
  if (cuts) cut_by_expression(step, std::string(kGpt2Pattern), where);
  step.meaning = Json::array({prefix, cuts}).dump();
}

// One character of a setting.
std::string read_character(JsonReader& reader, const std::string& key, const std::string& where) {
  std::string text = reader.string(key);
  bool one = !text.empty() && utf8_step(text).length == text.size();
  check(one, where, ": ", key, ": wanted one character, found ", Json(text).dump());
  return text;
}

void read_metaspace(JsonReader& reader, const std::string& where, PretokenizerStep& step) {
  reader.ignore("str_rep");  // the replacement again
  step.space = step.prefix = read_character(reader, "replacement", where);
  std::string scheme = reader.string_or("prepend_scheme", "always");
  bool known = scheme == "always" || scheme == "first" || scheme == "never";
  check(known, where, ": prepend_scheme: wanted always, first or never, found ", Json(scheme).dump());
  if (!reader.boolean_or("add_prefix_space", true)) {  // how it was written until 2023
    check(scheme == "never" || !reader.has("prepend_scheme"), where, ": add_prefix_space and prepend_scheme disagree");
    scheme = "never";
  }
  step.scheme = scheme == "always" ? Prefix::kAlways : scheme == "first" ? Prefix::kFirst : Prefix::kNever;
  if (reader.boolean_or("split", true)) {
    step.literal = step.space;
    step.behavior = SplitBehavior::kMergedWithNext;
  }
  step.meaning = Json::array({step.space, scheme, !step.literal.empty()}).dump();
}

}  // namespace

std::string PretokenizerStep::changed(std::string_view text, bool first) const {
  std::string out;
  out.reserve(text.size() + text.size() / 2 + prefix.size());
  if (space.empty()) {
    out = text;
  } else {
    for (size_t done = 0; done < text.size();) {
      size_t at = std::min(text.find(' ', done), text.size());
      out += text.substr(done, at - done);
      if (at < text.size()) out += space;
      done = at + 1;
    }
  }
  bool wanted = scheme == Prefix::kAlways || (scheme == Prefix::kFirst && first);
  if (wanted && !out.starts_with(prefix)) out.insert(0, prefix);
  return out;
}

Match PretokenizerStep::find(std::string_view text, size_t from, Pattern::Scratch* scratch) const {
  if (matcher) return matcher(text, from);
  if (literal.empty()) return pattern->find(text, from, *scratch);
  size_t at = text.find(literal, from);
  return at == std::string_view::npos ? kNothing : Match{at, at + literal.size()};
}

// Appends the step of a piece that is no Sequence; BertPreTokenizer is two.
void Pretokenizer::add_step(const Json& piece, const std::string& where) {
  std::string type = type_of_piece(piece, where);
  const bool behind_bytes = byte_level_;
  JsonReader reader(piece, where);
  reader.ignore("type");
  PretokenizerStep step;
  if (type == "ByteLevel") {
    read_byte_level(reader, where, step);
    byte_level_ = true;
  } else if (type == "Split") {
    read_split(reader, where, step);
  } else if (type == "Metaspace") {
    read_metaspace(reader, where, step);
  } else if (type == "Digits") {
    step.matcher = match_character<is_number>;
    bool each = reader.boolean_or("individual_digits", false);
    step.behavior = each ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
    step.meaning = each ? "each" : "";
  } else if (type == "Punctuation") {
    step.matcher = match_character<is_punctuation>;
    step.meaning = reader.string_or("behavior", "Isolated");
    step.behavior = read_behavior(step.meaning, where);
  } else if (type == "WhitespaceSplit" || type == "BertPreTokenizer") {
    step.matcher = match_character<is_space>;
    step.behavior = SplitBehavior::kRemoved;
  } else if (type == "Whitespace") {
    step.matcher = match_word_or_signs;
    step.behavior = SplitBehavior::kRemoved;
    step.invert = true;
  } else {
    unsupported_piece(type, where,
                      "ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer "
                      "or a Sequence of them");
  }
  reader.finish();
  check(!behind_bytes || (type != "ByteLevel" && !step.changes_text()), where, ": a step of type ", Json(type).dump(),
        " behind ByteLevel is not supported");
  step.spelled = behind_bytes;
  meaning_ += Json::array({type, step.meaning}).dump();
  if (step.changes_text() || step.cuts()) steps_.push_back(std::move(step));
  if (type == "BertPreTokenizer") {
    steps_.emplace_back();
    steps_.back().matcher = match_character<is_punctuation>;
    steps_.back().spelled = behind_bytes;
  }
}

Pretokenizer::Pretokenizer(const Json& piece, const std::string& where) {
  for_each_piece(piece, where, "pretokenizers", [&](const Json& one, const std::string& here) { add_step(one, here); });
}

std::string Pretokenizer::spelling_of_all(std::string_view bytes) {
  std::string spelling;
  for (char byte : bytes) spelling += spelling_of(static_cast<unsigned char>(byte));
  return spelling;
}

size_t Pretokenizer::characters_in(const char* begin, const char* end) {
  return static_cast<size_t>(std::count_if(begin, end, [](char byte) { return (byte & 0xC0) != 0x80; }));
}

bool Pretokenizer::needs_scratch() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const PretokenizerStep& step) { return step.pattern.has_value(); });
}

}  // namespace longhaul
