#include "text/byte_pair_tokenizer.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

AddedTokenFinder finder_of(const std::vector<AddedToken>& all, bool normalized) {
  std::vector<AddedToken> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const AddedToken& token) { return token.normalized == normalized; });
  return AddedTokenFinder(std::move(some));
}

}  // namespace

BytePairTokenizer::BytePairTokenizer(TokenizerFile file, std::string spec)
    : file_(std::move(file)),
      spec_(std::move(spec)),
      encoder_(file_.vocabulary),
      raw_(finder_of(file_.added, false)),
      normalized_(finder_of(file_.added, true)) {
  file_.vocabulary = {};  // the encoder has it
  const std::vector<SplitStep>& steps = file_.pretokenizer.steps;
  cuttable_ = steps.size() == 1 && steps[0].scanner && raw_.respects_cuts() && normalized_.respects_cuts();
}

void BytePairTokenizer::encode_bytes(std::string_view bytes, bool with_special, std::vector<int64_t>& ids) const {
  if (is_utf8(bytes)) {
    encode_text(bytes, with_special, ids);
  } else {
    encode_text(to_utf8(bytes), with_special, ids);
  }
}

void BytePairTokenizer::encode_text(std::string_view text, bool with_special, std::vector<int64_t>& ids) const {
  std::optional<Pattern::Scratch> patterns;
  if (file_.pretokenizer.needs_scratch()) patterns.emplace();
  Pattern::Scratch* scratch = patterns ? &*patterns : nullptr;
  if (raw_.finds_nothing(with_special)) return encode_between(text, with_special, scratch, ids);
  std::vector<AddedTokenFinder::Part> parts;
  raw_.split(text, with_special, parts);
  for (const auto& part : parts) {
    if (part.token) {
      ids.push_back(part.token->id);
    } else {
      encode_between(part.text, with_special, scratch, ids);
    }
  }
}

// Text between the tokens of raw_.
void BytePairTokenizer::encode_between(std::string_view text, bool with_special, Pattern::Scratch* scratch,
                                       std::vector<int64_t>& ids) const {
  std::string normal;
  if (!is_surely_normal(text, file_.normal_form)) text = normal = normalized(text, file_.normal_form);
  if (normalized_.finds_nothing(with_special)) return encode_plain(text, scratch, ids);
  std::vector<AddedTokenFinder::Part> parts;
  normalized_.split(text, with_special, parts);
  for (const auto& part : parts) {
    if (part.token) {
      ids.push_back(part.token->id);
    } else {
      encode_plain(part.text, scratch, ids);
    }
  }
}

void BytePairTokenizer::encode_plain(std::string_view text, Pattern::Scratch* scratch,
                                     std::vector<int64_t>& ids) const {
  file_.pretokenizer.split(text, scratch,
                           [&](std::string_view piece, size_t readable) { encoder_.encode(piece, readable, ids); });
}

std::string BytePairTokenizer::decode_bytes(const std::vector<int64_t>& ids, bool with_special) const {
  std::string bytes;
  for (size_t i = 0; i < ids.size(); ++i) {
    check(ids[i] >= 0 && ids[i] < vocab_size(), "tokenizer: ids must be in [0, ", vocab_size(), "), got ", ids[i],
          " at position ", i);
    const Token& token = file_.tokens[static_cast<size_t>(ids[i])];
    check(token.kind != Token::kNone, "tokenizer: no token has the id ", ids[i], ", found at position ", i);
    if (token.kind == Token::kPlain || with_special) bytes += token.bytes;
  }
  return bytes;
}

// Between anything that is no space and a ' ': no piece of a scanner, no added token reaches across (checked when the
// tokenizer was made), and no normal form joins what meets there.
size_t BytePairTokenizer::safe_cut(std::string_view text, size_t from) const {
  if (!cuttable_) return text.size();
  for (size_t at = std::max<size_t>(from, 1); at < text.size(); ++at) {
    const void* found = std::memchr(text.data() + at, ' ', text.size() - at);
    if (!found) break;
    at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    auto before = static_cast<unsigned char>(text[at - 1]);
    // A character beyond ASCII may be a space, and a cut one is U+FFFD: plain letters, digits and signs will do.
    if (before < 0x80 && kAsciiClasses[before] != CharacterClass::kSpace) return at;
  }
  return text.size();
}

}  // namespace longhaul
