#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/tokenizer_pieces.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

// The text with each character replaced by what edit(code, out) appends.
template <class Edit>
std::string edited(std::string_view text, const Edit& edit) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char *at = text.data(), *end = at + text.size(); at < end;) edit(next_code_point(at), out);
  return out;
}

// Removes characters; returns whether the first one stayed.
template <class Drops>
bool remove_if(std::string& text, const Drops& drops) {
  bool first = true, kept = true;
  text = edited(text, [&](uint32_t code, std::string& out) {
    bool dropped = drops(code);
    if (first) kept = !dropped;
    first = false;
    if (!dropped) append_utf8(code, out);
  });
  return kept;
}

NormalizerStep normal_form(NormalForm form) {
  return {"",
          [form](std::string& text) {
            text = normalized(text, form);
            return true;
          },
          [form](std::string_view text) { return is_surely_normal(text, form); }, true};
}

NormalizerStep prepend(const std::string& prefix) {
  return {"",
          [prefix](std::string& text) {
            if (!text.empty()) text.insert(0, prefix);
            return true;
          },
          {},
          false};
}

std::string lowercased(std::string_view text) {
  return edited(text, [](uint32_t code, std::string& out) {
    append_utf8(lowercase_of(code), out);
    if (code == 0x130) append_utf8(0x307, out);  // the one character that becomes two
  });
}

// Every byte as the character that stands for it.
NormalizerStep byte_level() {
  return {"",
          [](std::string& text) {
            std::string out;
            for (char byte : text) out += spelling_of(static_cast<unsigned char>(byte));
            text = std::move(out);
            return true;
          },
          {},
          false};
}

NormalizerStep lowercase() {
  return {"",
          [](std::string& text) {
            text = lowercased(text);
            return true;
          },
          {},
          true};
}

NormalizerStep strip(bool left, bool right) {
  auto apply = [left, right](std::string& text) {
    std::string_view kept = text;
    if (left) kept.remove_prefix(length_of_spaces(kept));
    bool kept_first = kept.size() == text.size();
    if (right) kept.remove_suffix(length_of_spaces_at_end(kept));
    text = std::string(kept);
    return kept_first;
  };
  return {"", apply, {}, false};
}

// From SentencePiece's "nmt" rules: control characters go, what looks like a space is one.
bool nmt_drops(uint32_t code) {
  return (code >= 1 && code <= 8) || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0x8F ||
         code == 0x9F;
}
bool is_nmt_space(uint32_t code) {
  return code == 9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 ||
         (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 || code == 0xFEFF ||
         code == 0xFFFD;
}

NormalizerStep nmt() {
  auto apply = [](std::string& text) {
    bool kept = remove_if(text, nmt_drops);
    text = edited(text, [](uint32_t code, std::string& out) { append_utf8(is_nmt_space(code) ? ' ' : code, out); });
    return kept;
  };
  return {"", apply, {}, false};
}

// ---- BERT -----------------------------------------------------------------------------------------------------------

struct BertSettings {
  bool clean_text, handle_chinese, strip_accents, lowercase;
};

bool bert_drops(uint32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return false;
  return code == 0 || code == 0xFFFD || is_control(code);
}

// The CJK blocks that BERT takes for words of one character.
bool is_chinese(uint32_t code) {
  constexpr uint32_t blocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                    {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(blocks), std::end(blocks),
                     [&](const uint32_t(&block)[2]) { return block[0] <= code && code <= block[1]; });
}

bool apply_bert(const BertSettings& settings, std::string& text) {
  bool kept = true;
  if (settings.clean_text) {
    kept = remove_if(text, bert_drops);
    text = edited(text, [](uint32_t code, std::string& out) { append_utf8(is_space(code) ? ' ' : code, out); });
  }
  if (settings.handle_chinese) {
    text = edited(text, [](uint32_t code, std::string& out) {
      bool alone = is_chinese(code);
      if (alone) out += ' ';
      append_utf8(code, out);
      if (alone) out += ' ';
    });
  }
  if (settings.strip_accents) {
    text = normalized(text, NormalForm::kNFD);
    kept = remove_if(text, is_nonspacing_mark) && kept;
  }
  if (settings.lowercase) text = lowercased(text);
  return kept;
}

NormalizerStep read_bert(JsonReader& reader, std::string& meaning) {
  BertSettings settings;
  settings.clean_text = reader.boolean_or("clean_text", true);
  settings.handle_chinese = reader.boolean_or("handle_chinese_chars", true);
  settings.lowercase = reader.boolean_or("lowercase", true);
  bool says = reader.has("strip_accents") && !reader.value("strip_accents").is_null();
  settings.strip_accents = says ? reader.boolean_or("strip_accents", false) : settings.lowercase;
  meaning =
      Json::array({settings.clean_text, settings.handle_chinese, settings.strip_accents, settings.lowercase}).dump();
  return {"", [settings](std::string& text) { return apply_bert(settings, text); }, {}, false};
}

// ---- Replace --------------------------------------------------------------------------------------------------------

// Replaces every match that find(text, from) gives; returns whether the first character stayed or was replaced alone.
template <class Find>
bool replace_matches(std::string& text, const std::string& content, const Find& find) {
  Pattern::Match match = find(text, 0);
  if (match.start == std::string_view::npos) return true;
  const char* second = text.data();
  if (!text.empty()) next_code_point(second);
  bool kept = match.start > 0 || (!content.empty() && text.data() + match.end == second);
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  size_t done = 0;
  for (; match.start != std::string_view::npos; match = find(text, done)) {
    out.append(text, done, match.start - done);
    out += content;
    done = match.end;
  }
  out.append(text, done);
  text = std::move(out);
  return kept;
}

NormalizerStep read_replace(JsonReader& reader, const std::string& where, std::string& meaning) {
  JsonReader pattern = reader.object("pattern");
  bool is_regex = pattern.has("Regex");
  std::string wanted = pattern.string(is_regex ? "Regex" : "String"), content = reader.string("content");
  pattern.finish();
  check(!wanted.empty(), where, ": pattern: wanted a text, found \"\"");
  meaning = Json::array({is_regex ? "Regex" : "String", wanted, content}).dump();
  if (!is_regex) {
    auto apply = [wanted, content](std::string& text) {
      return replace_matches(text, content, [&](const std::string& in, size_t from) {
        size_t at = in.find(wanted, from);
        return Pattern::Match{at, at + wanted.size()};
      });
    };
    auto leaves = [wanted](std::string_view text) { return text.find(wanted) == std::string_view::npos; };
    return {"", apply, leaves, false};
  }
  auto regex = std::make_shared<Pattern>(wanted, where + ": pattern");
  auto apply = [regex, content](std::string& text) {
    thread_local Pattern::Scratch scratch;
    return replace_matches(text, content,
                           [&](const std::string& in, size_t from) { return regex->find(in, from, scratch); });
  };
  return {"", apply, {}, false};
}

// ---- Precompiled ----------------------------------------------------------------------------------------------------

// By user-perceived characters (UAX #29) of less than 6 bytes as a whole, by code points where these have no rule. A
// rule is the one of the shortest text that they begin with.
std::string mapped(const Charsmap& map, std::string_view text) {
  std::string out;
  out.reserve(text.size());
  auto put = [&](std::string_view part) {
    auto rule = map.shortest(part);
    if (rule) out += rule->replacement;
    return rule.has_value();
  };
  for (size_t at = 0; at < text.size();) {
    std::string_view cluster = text.substr(at, length_of_cluster(text.substr(at)));
    at += cluster.size();
    if (cluster.size() < 6 && put(cluster)) continue;
    for (const char *from = cluster.data(), *end = from + cluster.size(); from < end;) {
      const char* start = from;
      next_code_point(from);
      std::string_view character(start, static_cast<size_t>(from - start));
      if (!put(character)) out += character;
    }
  }
  return out;
}

NormalizerStep read_precompiled(JsonReader& reader, const std::string& where, std::string& meaning) {
  std::string here = where + ": precompiled_charsmap", encoded = reader.string("precompiled_charsmap");
  meaning = encoded;
  auto map = std::make_shared<Charsmap>(bytes_of_base64(encoded, here), here);
  auto apply = [map, here](std::string& text) {
    text = mapped(*map, text);
    check(is_utf8(text), here, ": a replacement is no UTF-8");
    return true;
  };
  return {"", apply, {}, false};
}

NormalizerStep read_step(const Json& piece, const std::string& where) {
  static const std::map<std::string, NormalForm> forms = {
      {"NFC", NormalForm::kNFC}, {"NFD", NormalForm::kNFD}, {"NFKC", NormalForm::kNFKC}, {"NFKD", NormalForm::kNFKD}};
  std::string type = type_of_piece(piece, where), meaning;
  JsonReader reader(piece, where);
  reader.ignore("type");
  NormalizerStep step;
  if (auto form = forms.find(type); form != forms.end()) {
    step = normal_form(form->second);
  } else if (type == "Prepend") {
    step = prepend(meaning = reader.string("prepend"));
  } else if (type == "Replace") {
    step = read_replace(reader, where, meaning);
  } else if (type == "ByteLevel") {
    step = byte_level();
  } else if (type == "Lowercase") {
    step = lowercase();
  } else if (type == "Strip") {
    bool left = reader.boolean_or("strip_left", true), right = reader.boolean_or("strip_right", true);
    meaning = Json::array({left, right}).dump();
    step = strip(left, right);
  } else if (type == "StripAccents") {
    step = {"", [](std::string& text) { return remove_if(text, is_mark); }, {}, false};
  } else if (type == "BertNormalizer") {
    step = read_bert(reader, meaning);
  } else if (type == "Precompiled") {
    step = read_precompiled(reader, where, meaning);
  } else if (type == "Nmt") {
    step = nmt();
  } else {
    unsupported_piece(
        type, where,
        "NFC, NFD, NFKC, NFKD, Prepend, Replace, ByteLevel, Lowercase, Strip, StripAccents, BertNormalizer, "
        "Precompiled, Nmt or a Sequence of them");
  }
  reader.finish();
  step.meaning = Json::array({type, meaning}).dump();
  return step;
}

}  // namespace

Normalizer::Normalizer(const Json& piece, const std::string& where) {
  for_each_piece(piece, where, "normalizers",
                 [&](const Json& one, const std::string& here) { steps_.push_back(read_step(one, here)); });
}

bool Normalizer::leaves(std::string_view text) const {
  return std::all_of(steps_.begin(), steps_.end(),
                     [&](const NormalizerStep& step) { return step.leaves && step.leaves(text); });
}

bool Normalizer::apply(std::string& text) const {
  bool kept = true;
  for (const NormalizerStep& step : steps_) kept = step.apply(text) && kept;
  return kept;
}

bool Normalizer::keeps_cuts() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const NormalizerStep& step) { return step.keeps_cuts; });
}

std::string Normalizer::meaning() const {
  std::string all;
  for (const NormalizerStep& step : steps_) all += step.meaning;
  return all;
}

}  // namespace longhaul
