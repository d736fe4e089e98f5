// Which bytes of a text each of its tokens stands for.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace longhaul {

struct TokenSpan {
  size_t begin, end;  // bytes of the text
};

// Spans of `ids`, which are the tokens of `text`, in order. Found by the tokens' spellings: a U+2581 is a space,
// "<0x0A>" a byte, "##" in front says that a word goes on. Tokens that a tokenizer puts around a text have empty spans.
// From the first token on that the text does not spell (a normaliser has changed it, or it is unknown), there are none.
std::vector<std::optional<TokenSpan>> token_spans(const Tokenizer& tokenizer, std::string_view text,
                                                  const std::vector<int64_t>& ids);

}  // namespace longhaul
