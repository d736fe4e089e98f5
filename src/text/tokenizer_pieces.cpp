#include "text/tokenizer_pieces.h"

#include <map>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// Every piece but one named null is an object with a type.
std::string type_of(const Json& piece, const std::string& where) { return JsonReader(piece, where).string("type"); }

[[noreturn]] void unsupported(const std::string& type, const std::string& where, const char* wanted) {
  fail(where, ": type ", Json(type).dump(), " is not supported (wanted ", wanted, ")");
}

// Calls visit(piece, where) for the piece, or for the pieces of a Sequence (listed under `key`), nested ones too.
template <class Visit>
void for_each_piece(const Json& piece, const std::string& where, const char* key, const Visit& visit) {
  if (type_of(piece, where) != "Sequence") return visit(piece, where);
  JsonReader reader(piece, where);
  reader.ignore("type");
  const Json& list = reader.value(key);
  check(list.is_array(), where, ": ", key, ": wanted a list, found ", list.type_name());
  reader.finish();
  for (size_t i = 0; i < list.size(); ++i) for_each_piece(list[i], str(where, ": ", key, "[", i, "]"), key, visit);
}

void read_normalizer(const Json& piece, const std::string& where, TokenizerFile& file) {
  static const std::map<std::string, NormalForm> forms = {
      {"NFC", NormalForm::kNFC}, {"NFD", NormalForm::kNFD}, {"NFKC", NormalForm::kNFKC}, {"NFKD", NormalForm::kNFKD}};
  for_each_piece(piece, where, "normalizers", [&](const Json& one, const std::string& here) {
    auto form = forms.find(type_of(one, here));
    if (form == forms.end()) unsupported(type_of(one, here), here, "NFC, NFD, NFKC or NFKD");
    JsonReader reader(one, here);
    reader.ignore("type");
    reader.finish();
    check(file.normal_form == NormalForm::kNone, here, ": more than one normal form is not supported");
    file.normal_form = form->second;
  });
}

SplitStep step_of(const std::string& expression, const std::string& where) {
  SplitStep step{expression, scanner_for(expression), std::nullopt};
  if (!step.scanner) step.pattern.emplace(expression, where);
  return step;
}

// {"Regex": "..."} or {"String": "..."}; matches, what is between them, or both become pieces.
SplitStep read_split(JsonReader& reader, const std::string& where) {
  JsonReader pattern = reader.object("pattern");
  bool is_regex = pattern.has("Regex");
  std::string text = pattern.string(is_regex ? "Regex" : "String");
  pattern.finish();
  check(!text.empty(), where, ": pattern: wanted a text, found \"\"");
  std::string behavior = reader.string("behavior");
  bool invert = reader.boolean_or("invert", false), isolated = behavior == "Isolated";
  check(isolated || behavior == "Removed", where, ": behavior ", Json(behavior).dump(),
        " is not supported (wanted Isolated or Removed)");
  std::string expression = is_regex ? text : Pattern::quoted(text);
  SplitStep step = step_of(expression, where + ": pattern");
  step.keep_matches = isolated || invert;  // inverted, what is between the matches counts as the match
  step.keep_rest = isolated || !invert;
  if (!step.keep_matches && step.scanner) step.scanner = nullptr, step.pattern.emplace(expression, where + ": pattern");
  return step;
}

// Returns whether this is the ByteLevel that has to come last.
bool read_pretokenizer_step(const Json& piece, const std::string& where, Pretokenizer& out) {
  std::string type = type_of(piece, where);
  JsonReader reader(piece, where);
  reader.ignore("type");
  bool is_byte_level = type == "ByteLevel";
  if (is_byte_level) {
    reader.ignore("trim_offsets");  // of places in the text, not of ids
    out.add_prefix_space = reader.boolean_or("add_prefix_space", true);
    check(!out.add_prefix_space || out.steps.empty(), where, ": add_prefix_space behind another step is not supported");
    if (reader.boolean_or("use_regex", true)) out.steps.push_back(step_of(std::string(kGpt2Pattern), where));
  } else if (type == "Split") {
    out.steps.push_back(read_split(reader, where));
  } else if (type == "Digits") {
    bool each = reader.boolean_or("individual_digits", false);
    out.steps.push_back(step_of(each ? "\\p{N}" : "\\p{N}+", where));
  } else {
    unsupported(type, where, "ByteLevel, Split, Digits or a Sequence of them");
  }
  reader.finish();
  return is_byte_level;
}

void read_pretokenizer(const Json& piece, const std::string& where, Pretokenizer& out) {
  bool done = false;
  for_each_piece(piece, where, "pretokenizers", [&](const Json& step, const std::string& here) {
    check(!done, here, ": a step behind ByteLevel is not supported");
    done = read_pretokenizer_step(step, here, out);
  });
  check(done, where, ": wanted ByteLevel at the end, found none: not a byte-level tokenizer");
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [1]}}}
void read_template(JsonReader& reader, const std::string& where, TokenizerFile& file) {
  const Json& single = reader.value("single");
  check(single.is_array(), where, ": single: wanted a list, found ", single.type_name());
  JsonReader tokens = reader.object("special_tokens");
  reader.ignore("pair");  // two texts in one: we never encode pairs
  reader.finish();
  bool behind = false;
  for (size_t i = 0; i < single.size(); ++i) {
    std::string here = str(where, ": single[", i, "]");
    JsonReader part(single[i], here);
    if (part.has("Sequence")) {
      check(!behind, here, ": wanted the text once, found it twice");
      behind = true;
      continue;
    }
    std::string name = part.object("SpecialToken").string("id");
    for (int64_t id : tokens.object(name).integers("ids", 0)) (behind ? file.after : file.before).push_back(id);
  }
  check(behind, where, ": single: wanted the text (a Sequence) in it, found none");
}

void read_post_processor(const Json& piece, const std::string& where, TokenizerFile& file) {
  for_each_piece(piece, where, "processors", [&](const Json& one, const std::string& here) {
    std::string type = type_of(one, here);
    if (type == "ByteLevel") return;  // moves places in the text, not ids
    if (type != "TemplateProcessing") unsupported(type, here, "ByteLevel, TemplateProcessing or a Sequence of them");
    check(file.before.empty() && file.after.empty(), here, ": more than one template is not supported");
    JsonReader reader(one, here);
    reader.ignore("type");
    read_template(reader, here, file);
  });
}

}  // namespace

void read_model_settings(const Json& settings, const std::string& where, BytePairVocabulary& vocabulary) {
  JsonReader reader(settings, where);
  reader.ignore("type");
  reader.ignore("unk_token");  // never needed: every byte is a token
  reader.ignore("fuse_unk");
  reader.ignore("byte_fallback");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!reader.has(key)) continue;
    const Json& value = reader.value(key);
    bool absent = value.is_null() || value == 0 || value == "";
    check(absent, where, ": ", key, " is not supported (wanted null)");
  }
  vocabulary.ignore_merges = reader.boolean_or("ignore_merges", false);
  reader.finish();
}

void read_pieces(const Json& pieces, const std::string& where, TokenizerFile& file) {
  JsonReader reader(pieces, where);
  for (const char* key : {"version", "added_tokens"}) reader.ignore(key);
  for (const char* key : {"truncation", "padding"}) reader.ignore(key);  // of batches; transformers resets them too
  auto given = [&](const char* key) -> const Json* {
    if (!reader.has(key)) return nullptr;
    const Json& piece = reader.value(key);
    return piece.is_null() ? nullptr : &piece;
  };
  const Json* pretokenizer = given("pre_tokenizer");
  check(pretokenizer, where, ": pre_tokenizer: wanted one with ByteLevel, found none: not a byte-level tokenizer");
  read_pretokenizer(*pretokenizer, where + ": pre_tokenizer", file.pretokenizer);
  if (const Json* normalizer = given("normalizer")) read_normalizer(*normalizer, where + ": normalizer", file);
  if (const Json* post = given("post_processor")) read_post_processor(*post, where + ": post_processor", file);
  const Json* decoder = given("decoder");
  check(decoder, where, ": decoder: wanted ByteLevel, found none");
  if (std::string type = type_of(*decoder, where + ": decoder"); type != "ByteLevel")
    unsupported(type, where + ": decoder", "ByteLevel");
  reader.finish();
  for (AddedToken& token : file.added) {
    if (token.normalized) token.content = normalized(token.content, file.normal_form);
  }
}

}  // namespace longhaul
