#include <algorithm>

#include "base/parallel.h"
#include "text/tokenizer.h"

namespace longhaul {

namespace {

// Long enough that a cut costs nothing, short enough that threads end at about the same time.
constexpr size_t kPieceBytes = 1 << 15;

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
  std::vector<std::vector<int64_t>> encoded(pieces.size());
  for_each_index(pieces.size(), threads, [&](size_t i) { encode(pieces[i], encoded[i]); });
  std::vector<size_t> starts = {ids.size()};
  for (const auto& part : encoded) starts.push_back(starts.back() + part.size());
  ids.resize(starts.back());
  for_each_index(pieces.size(), threads, [&](size_t i) {
    std::copy(encoded[i].begin(), encoded[i].end(), ids.begin() + static_cast<int64_t>(starts[i]));
  });
}

}  // namespace longhaul
