// What a board says, in words: computed from its figures, so that a page opens with its result.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/results.h"

namespace longhaul {

// How a model's perplexity at its longest length compares with that at its trained length (or its shortest one).
enum class Verdict { holds /* ratio <= 1.02 */, drifts /* <= 1.25 */, breaks /* above, or not finite */ };

struct RowFinding {
  std::string name, position;
  int64_t from = 0, to = 0;      // lengths compared
  double before = 0, after = 0;  // perplexities
  Verdict verdict = Verdict::holds;
  double ratio() const { return after / before; }
};

struct Finding {
  std::string headline;  // "At 2k tokens, 16 times the trained length, cable and alibi hold and rope breaks"
  std::vector<std::string> details;
  std::vector<RowFinding> rows;  // rows with two lengths at least
};

Finding finding_of(const Board& board);
const char* verdict_word(Verdict verdict);  // "holds"

}  // namespace longhaul
