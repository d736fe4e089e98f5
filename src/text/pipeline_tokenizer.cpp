#include "text/pipeline_tokenizer.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

AddedTokenFinder finder_of(const std::vector<AddedToken>& all, bool normalized) {
  std::vector<AddedToken> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const AddedToken& token) { return token.normalized == normalized; });
  return AddedTokenFinder(std::move(some));
}

using Encoder = std::variant<BytePairEncoder, CharacterPairEncoder, UnigramEncoder<double>, WordPieceEncoder>;
Encoder make_encoder(const BytePairVocabulary& vocabulary) { return BytePairEncoder(vocabulary); }
Encoder make_encoder(const CharacterPairVocabulary& vocabulary) { return CharacterPairEncoder(vocabulary); }
Encoder make_encoder(const UnigramVocabulary& vocabulary) { return UnigramEncoder<double>(vocabulary); }
Encoder make_encoder(const WordPieceVocabulary& vocabulary) { return WordPieceEncoder(vocabulary); }

}  // namespace

PipelineTokenizer::PipelineTokenizer(TokenizerFile file, std::string spec)
    : file_(std::move(file)),
      spec_(std::move(spec)),
      encoder_(std::visit([](const auto& vocabulary) { return make_encoder(vocabulary); }, file_.model)),
      raw_(finder_of(file_.added, false)),
      normalized_(finder_of(file_.added, true)) {
  file_.model = {};  // the encoder has it
  if (file_.decoder.byte_level()) {
    for (Token& token : file_.tokens) token.text = decoded_spelling(token.text);
  }
  std::set<int64_t> added;
  for (const AddedToken& token : file_.added) added.insert(token.id);
  for (own_size_ = vocab_size(); own_size_ > 0; --own_size_)
    if (file_.has_token(own_size_ - 1) && !added.contains(own_size_ - 1)) break;
  cuttable_ = file_.normalizer.keeps_cuts() && file_.pretokenizer.cuts_before_spaces() && raw_.respects_cuts() &&
              normalized_.respects_cuts();
}

void PipelineTokenizer::encode_bytes(std::string_view bytes, bool with_special, std::vector<int64_t>& ids) const {
  std::string replaced;
  const std::string_view text = as_utf8(bytes, replaced);
  std::optional<Pattern::Scratch> patterns;
  if (file_.pretokenizer.needs_scratch()) patterns.emplace();
  Pattern::Scratch* scratch = patterns ? &*patterns : nullptr;
  if (raw_.finds_nothing(with_special)) return encode_between(text, true, with_special, scratch, ids);
  std::vector<AddedTokenFinder::Part> parts;
  raw_.split(text, with_special, parts);
  for (const auto& part : parts) {
    if (part.token) {
      ids.push_back(part.token->id);
    } else {
      encode_between(part.text, part.text.data() == text.data(), with_special, scratch, ids);
    }
  }
}

// Text between the tokens of raw_. `first`: it begins the whole text.
void PipelineTokenizer::encode_between(std::string_view text, bool first, bool with_special, Pattern::Scratch* scratch,
                                       std::vector<int64_t>& ids) const {
  std::string normal;
  if (!file_.normalizer.leaves(text)) {
    normal = text;
    first = file_.normalizer.apply(normal) && first;
    text = normal;
  }
  if (normalized_.finds_nothing(with_special)) return encode_plain(text, first, scratch, ids);
  std::vector<AddedTokenFinder::Part> parts;
  normalized_.split(text, with_special, parts);
  for (const auto& part : parts) {
    if (part.token) {
      ids.push_back(part.token->id);
    } else {
      encode_plain(part.text, first && part.text.data() == text.data(), scratch, ids);
    }
  }
}

void PipelineTokenizer::encode_plain(std::string_view text, bool first, Pattern::Scratch* scratch,
                                     std::vector<int64_t>& ids) const {
  std::visit(
      [&](const auto& encoder) {
        file_.pretokenizer.split(text, first, scratch, [&](std::string_view piece, size_t readable) {
          encoder.encode(piece, readable, ids);
        });
      },
      encoder_);
}

const Token& PipelineTokenizer::token_of(int64_t id, int64_t position) const {
  check(id >= 0 && id < vocab_size(), "tokenizer: ids must be in [0, ", vocab_size(), "), got ", id, " at position ",
        position);
  return file_.tokens[static_cast<size_t>(id)];
}

// An id within the vocabulary that no token has stands for nothing, as in the reference: a model may well choose one.
static bool is_shown(const Token& token, bool with_special) {
  return token.kind == Token::kPlain || (with_special && token.kind == Token::kSpecial);
}

// Where a token's bytes depend on no other token.
class PipelineTokenizer::Bytes : public Decoding {
 public:
  Bytes(const PipelineTokenizer& tokenizer, bool with_special) : tokenizer_(tokenizer), with_special_(with_special) {}
  void push(int64_t id, std::string& bytes) override {
    const Token& token = tokenizer_.token_of(id, position_++);
    if (is_shown(token, with_special_)) bytes += token.text;
  }

 private:
  const PipelineTokenizer& tokenizer_;
  bool with_special_;
  int64_t position_ = 0;
};

class PipelineTokenizer::Steps : public Decoding {
 public:
  Steps(const PipelineTokenizer& tokenizer, bool with_special)
      : tokenizer_(tokenizer), run_(tokenizer.file_.decoder), with_special_(with_special) {}
  void push(int64_t id, std::string& bytes) override {
    const Token& token = tokenizer_.token_of(id, position_++);
    if (is_shown(token, with_special_)) run_.push(token.text, bytes);
  }
  void finish(std::string& bytes) override { run_.finish(bytes); }

 private:
  const PipelineTokenizer& tokenizer_;
  TokenDecoder::Run run_;
  bool with_special_;
  int64_t position_ = 0;
};

std::unique_ptr<Decoding> PipelineTokenizer::start_decoding(bool with_special) const {
  if (file_.decoder.byte_level()) return std::make_unique<Bytes>(*this, with_special);
  return std::make_unique<Steps>(*this, with_special);
}

// Between anything that is no space and a ' ': no piece of a scanner, no added token reaches across (checked when the
// tokenizer was made), and no normal form joins what meets there.
size_t PipelineTokenizer::safe_cut(std::string_view text, size_t from) const {
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
