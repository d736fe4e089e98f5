// Perplexity protocols: which windows of a token stream are read at a length, and which of their targets are scored.
// Two perplexities compare only under one protocol, so every result names its own. specs/cable.md section 5.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/spec.h"

namespace longhaul {

// Reads tokens [first, first + inputs]; inputs i in [score_from, inputs) score their targets, stream position first + i
// + 1.
struct Window {
  int64_t first = 0, inputs = 0, score_from = 0;
};

// window(index, length) does not depend on how many windows a run takes, so a longer run goes on where a shorter one
// ended.
struct Protocol {
  std::string spec;     // "protocol=block": with `period` and a length it fixes every window
  int64_t period = 0;   // last-k: windows of every length end at its multiples; 0 elsewhere
  int64_t targets = 0;  // scored at every length, the same ones; 0: they differ from length to length (upstream)
  std::function<int64_t(int64_t length)> count;
  std::function<Window(int64_t index, int64_t length)> window;
};

// `targets`: how many the stream has (its tokens - 1) or the user allows; protocols round it down to what they can
// score alike
// at every one of `lengths` (ascending).
//   protocol=block                 windows of T lie end to end, all targets scored; a multiple of the lengths' least
//   common multiple
//   protocol=stride,stride=S       a window every S tokens scores its last S targets, the first window all
//   protocol=last-k,last-k=K       windows of every length end at the same places and score their last K targets
//   protocol=upstream              block with at most 1,000 windows a length: different tokens at each length, as
//   published
// Errors name what was wanted and found: too few tokens, S or K above the shortest length, lengths that differ modulo
// S.
Protocol make_protocol(Spec& spec, const std::vector<int64_t>& lengths, int64_t targets);

// The command line's spelling to spec keys: "stride=256" -> "protocol=stride,stride=256"; "block" -> "protocol=block".
std::string protocol_keys(const std::string& text);

}  // namespace longhaul
