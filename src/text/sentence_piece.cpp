#include "text/sentence_piece.h"

#include <algorithm>
#include <cfloat>
#include <map>
#include <set>
#include <variant>

#include "base/error.h"
#include "base/hash.h"
#include "text/added_tokens.h"
#include "text/sentence_piece_normalizer.h"
#include "text/text_ids.h"
#include "text/tokenizer_model.h"
#include "text/utf8.h"
#include "text/word_start.h"

namespace longhaul {

namespace {

using Piece = SentencePieceModel::Piece;

ByteTokens byte_pieces(const SentencePieceModel& model) {
  ByteTokens tokens = no_tokens();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    if (piece.type == Piece::kByte) tokens[static_cast<size_t>(byte_of_piece(piece.text))] = static_cast<uint32_t>(id);
  }
  return tokens;
}

// Sums are floats in the library, and so are these scores; a user-defined piece is better than any other way to write
// it.
UnigramVocabulary unigram_vocabulary(const SentencePieceModel& model) {
  constexpr float kUnknownPenalty = 10;
  float least = FLT_MAX, most = FLT_MIN;
  for (const Piece& piece : model.pieces) {
    if (piece.type != Piece::kNormal) continue;
    least = std::min(least, piece.score);
    most = std::max(most, piece.score);
  }
  UnigramVocabulary vocabulary;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    if (piece.type != Piece::kNormal && piece.type != Piece::kUserDefined) continue;
    double score =
        piece.type == Piece::kNormal ? double{piece.score} : static_cast<float>(piece.text.size()) * most - 0.1;
    vocabulary.tokens.push_back({piece.text, score, static_cast<uint32_t>(id)});
  }
  vocabulary.byte_tokens = byte_pieces(model);
  vocabulary.unknown = static_cast<uint32_t>(model.unknown_id());
  vocabulary.unknown_score = double{least - kUnknownPenalty};
  return vocabulary;
}

// ---- BPE: pieces and scores as tokens and merges --------------------------------------------------------------------

class BytePairBuilder {
 public:
  BytePairBuilder(const SentencePieceModel& model, const std::string& where)
      : model_(model), symbols_(model.pieces.size()) {
    for (const Piece& piece : model.pieces) {
      check(piece.type != Piece::kUnused, where, ": unused pieces are not supported in a BPE model");
      check(piece.text.size() <= kLongestToken, where, ": wanted pieces of at most ", kLongestToken,
            " bytes, found one of ", piece.text.size());
    }
    add_symbols();
    add_merges();
    for (const auto& [text, id] : symbols_.entries()) vocabulary_.tokens.emplace_back(text, id);
    vocabulary_.byte_tokens = byte_pieces(model);
    vocabulary_.unknown = static_cast<uint32_t>(model.unknown_id());
    vocabulary_.fuse_unknown = true;
  }
  CharacterPairVocabulary vocabulary() && { return std::move(vocabulary_); }
  // Characters of pieces that are no pieces themselves: they have ids behind the model's, and what is left of them is
  // unknown.
  std::vector<std::string> strangers() && { return std::move(strangers_); }

 private:
  static bool is_mergeable(const Piece& piece) {
    return piece.type == Piece::kNormal || piece.type == Piece::kUserDefined;
  }
  static size_t first_character(std::string_view text) { return utf8_step(text).length; }

  // A character may be any piece, the reserved ones first; what the merges make is a normal or a user-defined one.
  void add_symbols() {
    for (bool reserved : {true, false}) {
      for (size_t id = 0; id < model_.pieces.size(); ++id) {
        const Piece& piece = model_.pieces[id];
        bool one_character = first_character(piece.text) == piece.text.size();
        if (is_mergeable(piece) == reserved || (reserved && !one_character)) continue;
        symbols_.add(piece.text, static_cast<uint32_t>(id));
      }
    }
    for (const Piece& piece : model_.pieces) {
      std::string_view rest = piece.text;
      for (; is_mergeable(piece) && !rest.empty(); rest.remove_prefix(first_character(rest))) {
        std::string_view character = rest.substr(0, first_character(rest));
        auto id = static_cast<uint32_t>(model_.pieces.size() + strangers_.size());
        if (symbols_.add(character, id)) strangers_.emplace_back(character);
      }
    }
  }

  // Any two symbols that together are a piece become one, the highest score first.
  void add_merges() {
    std::map<float, uint32_t, std::greater<>> ranks;
    for (const Piece& piece : model_.pieces) ranks.emplace(piece.score, 0);
    uint32_t rank = 0;
    for (auto& [score, place] : ranks) place = rank++;
    for (const Piece& piece : model_.pieces) {
      std::string_view text = piece.text;
      if (!is_mergeable(piece)) continue;
      for (size_t cut = first_character(text); cut < text.size(); cut += first_character(text.substr(cut))) {
        const uint32_t* left = symbols_.find(text.substr(0, cut));
        const uint32_t* right = left ? symbols_.find(text.substr(cut)) : nullptr;
        if (right) vocabulary_.merges.push_back({*left, *right, *symbols_.find(text), ranks[piece.score]});
      }
    }
  }

  const SentencePieceModel& model_;
  CharacterPairVocabulary vocabulary_;
  TextIds symbols_;
  std::vector<std::string> strangers_;
};

// ---- decoding -------------------------------------------------------------------------------------------------------

// Pieces behind the model's: tokens that its folder added, by id. A control piece is special, a user-defined one is not; ids
// between them that no token has are unused ones, without a text.
void add_pieces(const std::vector<AddedToken>& added, SentencePieceModel& model) {
  for (const AddedToken& token : added) {
    if (model.pieces.size() <= token.id) model.pieces.resize(token.id + 1, {"", 0, Piece::kUnused});
    model.pieces[token.id] = {token.content, 0, token.special ? Piece::kControl : Piece::kUserDefined};
  }
}

class SentencePieceDecoding : public Decoding {
 public:
  SentencePieceDecoding(const SentencePieceModel& model, bool with_special)
      : model_(model), with_special_(with_special) {}

  void push(int64_t id, std::string& text) override {
    check(id >= 0 && id < static_cast<int64_t>(model_.pieces.size()), "tokenizer: ids must be in [0, ",
          model_.pieces.size(), "), got ", id, " at position ", position_);
    ++position_;
    const Piece& piece = model_.pieces[static_cast<size_t>(id)];
    if (piece.type == Piece::kByte) {
      bytes_ += static_cast<char>(byte_of_piece(piece.text));
      return write_characters(false, text);
    }
    write_characters(true, text);
    if (took_space_ || wrote_text_) at_start_ = false;
    write(surface(piece), text);
  }
  void finish(std::string& text) override { write_characters(true, text); }

 private:
  std::string surface(const Piece& piece) {
    took_space_ = false;
    if (piece.type == Piece::kControl) return with_special_ ? piece.text : "";
    if (piece.type == Piece::kUnknown) return model_.unknown_surface;
    std::string_view rest = piece.text;
    if (at_start_ && (model_.add_dummy_prefix || model_.remove_extra_spaces) && rest.starts_with(kWordStart)) {
      rest.remove_prefix(kWordStart.size());
      took_space_ = !model_.remove_extra_spaces;  // which takes the spaces of later tokens too
    }
    std::string out;
    while (!rest.empty()) {
      bool space = rest.starts_with(kWordStart);
      out += space ? " " : rest.substr(0, 1);
      rest.remove_prefix(space ? kWordStart.size() : 1);
    }
    return out;
  }

  // The whole characters among the bytes, a U+FFFD for every other byte; those that may still become one are kept
  // unless `all`.
  void write_characters(bool all, std::string& text) {
    while (!bytes_.empty()) {
      Utf8Step step = utf8_step(bytes_);
      if (step.kind == Utf8Step::kCut && !all) return;
      bool whole = step.kind == Utf8Step::kCharacter;
      write(whole ? bytes_.substr(0, step.length) : std::string(kReplacementCharacter), text);
      bytes_.erase(0, whole ? step.length : 1);
    }
  }
  void write(const std::string& part, std::string& text) {
    text += part;
    wrote_text_ = wrote_text_ || !part.empty();
  }

  const SentencePieceModel& model_;
  bool with_special_, at_start_ = true, took_space_ = false, wrote_text_ = false;
  std::string bytes_;  // of byte pieces, not yet a character
  int64_t position_ = 0;
};

// ---- the tokenizer --------------------------------------------------------------------------------------------------

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(SentencePieceModel model, const TokenizerConfig& config, std::vector<AddedToken> added,
                         const std::string& hash, const std::string& where, const std::string& spec)
      : model_(std::move(model)),
        own_size_(static_cast<int64_t>(model_.pieces.size())),
        normalizer_(model_, where),
        encoder_(make_encoder(where)),
        spec_(spec) {
    add_pieces(added, model_);
    std::string names;
    for (const AddedToken& token : added)
      names += str(' ', token.id, ' ', token.special, ' ', in_quotes(token.content));
    std::vector<AddedToken> found = std::move(added);
    for (size_t id = 0; id < static_cast<size_t>(own_size_); ++id) {
      const Piece& piece = model_.pieces[id];
      if (piece.type != Piece::kControl) continue;
      found.push_back({piece.text, static_cast<uint32_t>(id)});
      found.back().special = true;
    }
    added_ = AddedTokenFinder(std::move(found));
    const int64_t bos = model_.control_id(model_.bos_piece), eos = model_.control_id(model_.eos_piece),
                  named = model_.control_id(config.end_of_text);
    if (config.add_bos_token.value_or(true) && bos >= 0) before_ = {bos};
    if (config.add_eos_token.value_or(false) && eos >= 0) after_ = {eos};
    end_of_text_ = named >= 0 ? named : eos;
    hash_ = hash_hex(str(hash, ' ', before_.size(), ' ', after_.size(), ' ', end_of_text_, names));
  }

  int64_t vocab_size() const override { return static_cast<int64_t>(model_.pieces.size()); }
  int64_t vocab_size_without_added() const override { return own_size_; }
  int64_t end_of_text() const override { return end_of_text_; }
  std::vector<int64_t> before_text() const override { return before_; }
  std::vector<int64_t> after_text() const override { return after_; }
  std::string hash() const override { return hash_; }
  std::string spec() const override { return spec_; }

  void encode(std::string_view bytes, std::vector<int64_t>& ids) const override { encode_parts(bytes, false, ids); }
  void encode_with_special(std::string_view bytes, std::vector<int64_t>& ids) const override {
    encode_parts(bytes, true, ids);
  }

  std::unique_ptr<Decoding> start_decoding(bool with_special) const override {
    return std::make_unique<SentencePieceDecoding>(model_, with_special);
  }
  std::string piece(int64_t id) const override {
    check(id >= 0 && id < vocab_size(), "tokenizer: ids must be in [0, ", vocab_size(), "), got ", id);
    return model_.pieces[static_cast<size_t>(id)].text;
  }

 private:
  using Encoder = std::variant<UnigramEncoder<float>, CharacterPairEncoder>;

  Encoder make_encoder(const std::string& where) {
    if (model_.kind == SentencePieceModel::kUnigram) return UnigramEncoder<float>(unigram_vocabulary(model_));
    BytePairBuilder builder(model_, where);
    CharacterPairEncoder encoder(std::move(builder).vocabulary());
    strangers_ = std::move(builder).strangers();
    return encoder;
  }

  void encode_parts(std::string_view bytes, bool with_special, std::vector<int64_t>& ids) const {
    std::string replaced;
    const std::string_view text = as_utf8(bytes, replaced);
    if (added_.finds_nothing(with_special)) return encode_text(text, ids);
    std::vector<AddedTokenFinder::Part> parts;
    added_.split(text, with_special, parts);
    for (const auto& part : parts) {
      if (part.token) {
        ids.push_back(part.token->id);
      } else {
        encode_text(part.text, ids);
      }
    }
  }

  void encode_text(std::string_view text, std::vector<int64_t>& ids) const {
    const std::string normal = normalizer_.apply(text);
    if (const auto* unigram = std::get_if<UnigramEncoder<float>>(&encoder_)) {
      if (!normal.empty()) unigram->encode(normal, normal.size(), ids);
    } else {
      encode_pairs(normal, ids);
    }
  }

  // No merge touches a user-defined piece: what stands between two is merged alone.
  void encode_pairs(std::string_view text, std::vector<int64_t>& ids) const {
    const size_t first = ids.size();
    auto encode_between = [&](std::string_view part, const char* end) {
      if (!part.empty())
        std::get<CharacterPairEncoder>(encoder_).encode(part, static_cast<size_t>(end - part.data()), ids);
    };
    size_t done = 0;
    const char* end = text.data() + text.size();
    for (size_t at = 0; normalizer_.has_user_defined() && at < text.size();) {
      Trie::Match piece = normalizer_.user_defined(text.substr(at));
      if (piece.length == 0) {
        at += utf8_step(text.substr(at)).length;
        continue;
      }
      encode_between(text.substr(done, at - done), end);
      ids.push_back(piece.value);
      done = at += piece.length;
    }
    encode_between(text.substr(done), end);
    if (!strangers_.empty()) replace_strangers(first, ids);
  }

  void replace_strangers(size_t first, std::vector<int64_t>& ids) const {
    const std::vector<int64_t> found(ids.begin() + static_cast<int64_t>(first), ids.end());
    const int64_t unknown = model_.unknown_id();
    const ByteTokens bytes = byte_pieces(model_);
    ids.resize(first);
    for (int64_t id : found) {
      if (id >= own_size_) {
        if (append_byte_tokens(bytes, strangers_[static_cast<size_t>(id - own_size_)], ids)) continue;
        id = unknown;
      }
      bool in_run = id == unknown && ids.size() > first && ids.back() == unknown;
      if (!in_run) ids.push_back(id);
    }
  }

  SentencePieceModel model_;  // with the tokens that were added behind its pieces
  int64_t own_size_;          // pieces that are its own
  SentencePieceNormalizer normalizer_;
  std::vector<std::string> strangers_;  // BytePairBuilder's
  Encoder encoder_;
  AddedTokenFinder added_;  // and the control pieces
  std::vector<int64_t> before_, after_;
  int64_t end_of_text_ = -1;
  std::string hash_, spec_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentence_piece(SentencePieceModel model, const TokenizerConfig& config,
                                               std::vector<AddedToken> added, const std::string& hash,
                                               const std::string& where, const std::string& spec) {
  return std::make_unique<SentencePieceTokenizer>(std::move(model), config, std::move(added), hash, where, spec);
}

}  // namespace longhaul
