#include <algorithm>

#include "base/parallel.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

// Long enough that a cut costs nothing, short enough that threads end at about the same time.
constexpr size_t kPieceBytes = 1 << 15;
// Pieces that are encoded before their ids are put together: few enough that their buffers are used again and again.
constexpr size_t kBatch = 512;

}  // namespace

std::vector<std::string_view> safe_pieces(const Tokenizer& tokenizer, std::string_view text, size_t bytes) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t cut = text.size() <= bytes ? text.size() : tokenizer.safe_cut(text, bytes);
    pieces.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  return pieces;
}

void encode_parallel(const Tokenizer& tokenizer, std::string_view text, int threads, std::vector<int64_t>& ids,
                     bool with_special) {
  auto encode = [&](std::string_view piece, std::vector<int64_t>& out) {
    with_special ? tokenizer.encode_with_special(piece, out) : tokenizer.encode(piece, out);
  };
  if (threads <= 1) return encode(text, ids);
  std::vector<std::string_view> pieces = safe_pieces(tokenizer, text, kPieceBytes);
  std::vector<std::vector<int64_t>> encoded(std::min(kBatch, pieces.size()));
  for (size_t begin = 0; begin < pieces.size(); begin += kBatch) {
    const size_t count = std::min(kBatch, pieces.size() - begin);
    for_each_index(count, threads, [&](size_t i) {
      encoded[i].clear();
      encode(pieces[begin + i], encoded[i]);
    });
    for (size_t i = 0; i < count; ++i) ids.insert(ids.end(), encoded[i].begin(), encoded[i].end());
  }
}

}  // namespace longhaul
