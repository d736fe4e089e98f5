#include "text/sentence_piece_model.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "text/tokenizer_file.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

// The fields of a message, one after the other (protobuf.dev/programming-guides/encoding).
class Message {
 public:
  struct Field {
    uint64_t number = 0, value = 0;  // value: of a varint or a fixed width
    std::string_view bytes;          // of a text or a message
    bool is_bytes = false;
  };
  Message(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  bool next(Field& field) {
    if (bytes_.empty()) return false;
    uint64_t key = varint();
    field = {key >> 3, 0, {}, false};
    switch (key & 7) {
      case 0: field.value = varint(); break;
      case 1: field.value = fixed(8); break;
      case 2: field.bytes = take(varint()), field.is_bytes = true; break;
      case 5: field.value = fixed(4); break;
      default: fail(where_, ": not a SentencePiece model (a field of wire type ", key & 7, ")");
    }
    return true;
  }

 private:
  std::string_view take(uint64_t count) {
    check(count <= bytes_.size(), where_, ": not a SentencePiece model, or cut off: wanted ", count,
          " more bytes, found ", bytes_.size());
    std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail(where_, ": not a SentencePiece model (a number of more than 64 bits)");
  }
  uint64_t fixed(size_t count) {
    std::string_view taken = take(count);
    uint64_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(taken[i]);
    return value;
  }

  std::string_view bytes_;
  const std::string& where_;
};

using Piece = SentencePieceModel::Piece;

// Made for every piece, and most are right: not with str(), a stream each.
std::string piece_name(const std::string& where, size_t id) { return where + ": piece " + std::to_string(id); }

Piece parse_piece(std::string_view bytes, const std::string& where) {
  Piece piece;
  Message message(bytes, where);
  for (Message::Field field; message.next(field);) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (field.number == 3) {
      check(field.value >= Piece::kNormal && field.value <= Piece::kByte, where, ": wanted a type in [1, 6], found ",
            field.value);
      piece.type = static_cast<Piece::Type>(field.value);
    }
  }
  check(!piece.text.empty() && is_utf8(piece.text), where, ": wanted a text of UTF-8, found ",
        piece.text.empty() ? "none" : "other bytes");
  check(piece.score - piece.score == 0, where, ": wanted a score that is a number");
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  Message message(bytes, where);
  for (Message::Field field; message.next(field);) {
    switch (field.number) {
      case 3: {
        bool known = field.value == SentencePieceModel::kUnigram || field.value == SentencePieceModel::kBytePair;
        check(known, where, ": model type ", field.value, " is not supported (wanted 1, unigram, or 2, BPE)");
        model.kind = static_cast<SentencePieceModel::Kind>(field.value);
        break;
      }
      case 24: model.space_as_suffix = field.value != 0; break;
      case 35: model.byte_fallback = field.value != 0; break;
      case 44: model.unknown_surface = field.bytes; break;
      case 46: model.bos_piece = field.bytes; break;
      case 47: model.eos_piece = field.bytes; break;
      default: break;  // how it was trained
    }
  }
}

void parse_normalizer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  Message message(bytes, where);
  for (Message::Field field; message.next(field);) {
    switch (field.number) {
      case 2: model.charsmap = field.bytes; break;
      case 3: model.add_dummy_prefix = field.value != 0; break;
      case 4: model.remove_extra_spaces = field.value != 0; break;
      case 5: model.escape_spaces = field.value != 0; break;
      default: break;  // its name, the rules that it was compiled from
    }
  }
}

void check_denormalizer(std::string_view bytes, const std::string& where) {
  SentencePieceModel denormalizer;
  parse_normalizer(bytes, where, denormalizer);
  check(denormalizer.charsmap.empty(), where, ": replacements after decoding are not supported");
}

// What the library demands of a model when it opens it.
void check_pieces(const SentencePieceModel& model, const std::string& where) {
  std::unordered_set<std::string_view> from_text, reserved;
  std::set<int> bytes;
  int unknown = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    const std::string here = piece_name(where, id);
    bool is_reserved = piece.type == Piece::kUnknown || piece.type == Piece::kControl || piece.type == Piece::kByte;
    check((is_reserved ? reserved : from_text).insert(piece.text).second, here,
          ": its text is another piece's already");
    unknown += piece.type == Piece::kUnknown;
    if (piece.type != Piece::kByte) continue;
    int byte = byte_of_piece(piece.text);
    check(model.byte_fallback && byte >= 0, here, ": a byte piece, but ",
          byte >= 0 ? "the model does not use any" : "its text is none of <0x00> to <0xFF>");
    bytes.insert(byte);
  }
  check(unknown == 1, where, ": wanted one piece of type unknown, found ", unknown);
  check(!model.byte_fallback || bytes.size() == 256, where, ": wanted 256 byte pieces, found ", bytes.size());
}

}  // namespace

int byte_of_piece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  constexpr std::string_view digits = "0123456789ABCDEF";
  size_t high = digits.find(text[3]), low = digits.find(text[4]);
  return high == std::string_view::npos || low == std::string_view::npos ? -1 : static_cast<int>(16 * high + low);
}

int64_t SentencePieceModel::unknown_id() const {
  auto it =
      std::find_if(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.type == Piece::kUnknown; });
  return it - pieces.begin();
}

int64_t SentencePieceModel::control_id(const std::string& text) const {
  auto it = std::find_if(pieces.begin(), pieces.end(),
                         [&](const Piece& piece) { return piece.type == Piece::kControl && piece.text == text; });
  return it == pieces.end() ? -1 : it - pieces.begin();
}

SentencePieceModel parse_sentence_piece_model(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  Message message(bytes, where);
  for (Message::Field field; message.next(field);) {
    bool known = field.number == 1 || field.number == 2 || field.number == 3 || field.number == 5;
    if (!known) continue;  // self tests
    check(field.is_bytes, where, ": not a SentencePiece model (field ", field.number, " is no message)");
    if (field.number == 1) {
      model.pieces.push_back(parse_piece(field.bytes, piece_name(where, model.pieces.size())));
    } else if (field.number == 2) {
      parse_trainer(field.bytes, where, model);
    } else if (field.number == 3) {
      parse_normalizer(field.bytes, where, model);
    } else {
      check_denormalizer(field.bytes, where);
    }
  }
  bool good = !model.pieces.empty() && model.pieces.size() <= static_cast<size_t>(kLargestVocabulary);
  check(good, where, ": wanted a SentencePiece model of 1 to ", kLargestVocabulary, " pieces, found ",
        model.pieces.size());
  check_pieces(model, where);
  return model;
}

}  // namespace longhaul
