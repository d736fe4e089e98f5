// SentencePiece's tokenizer.model: a Protocol Buffers message (sentencepiece_model.proto), read without that library.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

struct SentencePieceModel {
  struct Piece {
    enum Type { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
    std::string text;
    float score = 0;
    Type type = kNormal;
  };
  enum Kind { kUnigram = 1, kBytePair = 2 };

  std::vector<Piece> pieces;  // by id
  Kind kind = kUnigram;
  bool byte_fallback = false;
  bool space_as_suffix = false;  // words end with U+2581 instead of beginning with it
  std::string unknown_surface = " \xE2\x81\x87 ";
  std::string bos_piece = "<s>", eos_piece = "</s>";
  // The normalizer.
  std::string charsmap;  // compiled (charsmap.h); "": none
  bool add_dummy_prefix = true, remove_extra_spaces = true, escape_spaces = true;

  int64_t unknown_id() const;
  int64_t control_id(const std::string& text) const;  // -1: there is no such control piece
};

// `where` begins the messages. Error when the message is broken, or a model that the library would not open either (no
// unknown piece, two pieces of one text, byte pieces that are not all there), or one of words or of characters.
SentencePieceModel parse_sentence_piece_model(std::string_view bytes, const std::string& where);

// The byte that "<0x0A>" stands for, -1 when it is no such text.
int byte_of_piece(std::string_view text);

}  // namespace longhaul
