#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "text/tokenizer.h"

namespace longhaul {

namespace {

// Long enough that a cut costs nothing, short enough that threads end at about the same time.
constexpr size_t kPieceBytes = 1 << 15;

std::vector<std::string_view> safe_pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    size_t cut = text.size() <= kPieceBytes ? text.size() : tokenizer.safe_cut(text, kPieceBytes);
    pieces.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  return pieces;
}

// Calls work(i) for every i < count on `threads` threads; the first error goes on to the caller.
void for_each_index(size_t count, int threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  std::exception_ptr error;
  std::mutex mutex;
  auto run = [&] {
    for (size_t i; (i = next++) < count;) {
      try {
        work(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min(count, static_cast<size_t>(std::max(1, threads))); ++i) others.emplace_back(run);
  run();
  for (std::thread& thread : others) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace

void encode_parallel(const Tokenizer& tokenizer, std::string_view text, int threads, std::vector<int64_t>& ids,
                     bool with_special) {
  auto encode = [&](std::string_view piece, std::vector<int64_t>& out) {
    with_special ? tokenizer.encode_with_special(piece, out) : tokenizer.encode(piece, out);
  };
  if (threads <= 1) return encode(text, ids);
  std::vector<std::string_view> pieces = safe_pieces(tokenizer, text);
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
