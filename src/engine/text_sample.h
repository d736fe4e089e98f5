// A continuation as text, while its ids come.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/stop_strings.h"
#include "text/streaming_decoder.h"
#include "text/tokenizer.h"

namespace longhaul {

inline constexpr int64_t kMostTokens = int64_t{1} << 32;  // of a text: products of sizes stay far below 2^63

struct TextSample {
  std::string text;  // UTF-8: whole characters, U+FFFD for bytes that are none
  // "length", "stop" (a stop string), "end_of_text" (one of its tokens), "interrupted"; "": it goes on
  std::string finish;
  int64_t tokens = 0;  // with those that made the stop string, and the end-of-text token
};

class TextSampler {
 public:
  // Ends at `max_tokens`, a stop string (or the special token that is spelled so), the tokenizer's end of text or one of `ends`.
  // The tokenizer must live longer.
  TextSampler(const Tokenizer& tokenizer, int64_t max_tokens, const std::vector<std::string>& stops,
              std::vector<int64_t> ends);
  // Tokens that the text goes on from: its first space is then no beginning of a text, which SentencePiece drops.
  void go_on_from(std::span<const int64_t> tokens) { decoder_.skip(tokens); }
  // The text that this token makes certain. `interrupted`: it is the last one.
  std::string push(int64_t token, bool interrupted = false);
  bool ended() const { return !sample_.finish.empty(); }
  const TextSample& sample() const { return sample_; }

 private:
  StreamingDecoder decoder_;
  StopStrings stops_;
  std::vector<int64_t> ends_, stop_ids_;
  int64_t left_;  // tokens that may still come
  TextSample sample_;
};

}  // namespace longhaul
