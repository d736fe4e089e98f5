// What every tokenizer promises, whatever file it is from.
#pragma once
#include "fuzz/fuzz.h"
#include "text/streaming_decoder.h"
#include "text/token_spans.h"
#include "text/utf8.h"

namespace longhaul {

inline void use_tokenizer(const Tokenizer& tokenizer) {
  for (std::string_view text :
       {std::string_view("abc  <s> a\xCC\x81'll 123\n\n x<|endoftext|>y\xFF\xE4\xBD\xE2\x96\x81 \xE4\xB8\xAD"),
        std::string_view(" "), std::string_view()}) {
    std::vector<int64_t> ids, parts;
    tokenizer.encode_with_special(text, ids);
    for (int64_t id : ids) promise(0 <= id && id < tokenizer.vocab_size(), "an id is inside the vocabulary");
    size_t cut = tokenizer.safe_cut(text, std::min<size_t>(1, text.size()));
    tokenizer.encode_with_special(text.substr(0, cut), parts);
    tokenizer.encode_with_special(text.substr(cut), parts);
    promise(parts == ids, "two parts give the ids of the whole");
    StreamingDecoder decoder(tokenizer);
    std::string streamed;
    for (int64_t id : ids) {
      std::string part = decoder.push(id);
      promise(is_utf8(part), "whole characters are streamed");
      streamed += part;
    }
    streamed += decoder.finish();
    promise(streamed == to_utf8(tokenizer.decode(ids)), "streamed text is the decoded text");
    size_t at = 0;
    for (const auto& span : token_spans(tokenizer, text, ids)) {
      if (!span) continue;
      promise(at <= span->begin && span->begin <= span->end && span->end <= text.size(), "spans are in order");
      at = span->end;
    }
  }
}

}  // namespace longhaul
